"""What the code must be besides correct: layered, in small pieces, free of what we do not want in it.

The layers are read from imports, cimports and C includes; nothing is imported to check them.
"""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.layers import CRDT_FOR_REPLICATION, MAY_IMPORT, REPLICATION_LAYERS, SIMULATION

pytestmark = pytest.mark.no_sanitizer

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("crdt", "replication")
SKINS = (".pyx", ".pxd", ".pyi")

# --- sizes

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
LINE_WIDTH_MAX = 120
# Path -> (lines, why it may be that long).
LONG_FILES: dict[str, tuple[int, str]] = {
    "crdt/document.pyx": (860, "what all types share is one class; a cdef class cannot be spread over files"),
}
# "path:function" -> (lines, why).
LONG_FUNCTIONS: dict[str, tuple[int, str]] = {}

# --- calls and words that have no business in a library

BANNED_EVERYWHERE = {
    r"\bpickle\.loads?\(": "bytes from outside are never unpickled",
    r"\b(eval|exec)\((?!annotation, scope)": "no code is made at run time, but for what a class's annotations say",
    r"\bos\.system\(": "no shell",
    r"^\s*except:\s*$": "name what is caught",
    r"\bTODO\b|\bFIXME\b|\bXXX\b": "finish it, or say it in the documentation",
}
BANNED_IN_CRDT = {
    r"^\s*(import|from) (asyncio|socket|threading|random|sqlite3)\b": "no input or output, and a merge is not random",
    r"\bprint\(": "a library does not print",
}
PRINTERS = {
    "replication/simulation/__main__.py",
    "replication/cli.py",
    "replication/replay.py",
    "replication/demo/process.py",
}

PUBLIC_NAMES = {
    "crdt": {
        "GCounter", "PNCounter", "GSet", "ORSet", "LWWRegister", "MVRegister", "LWWMap", "ORMap",
        "OpBasedList", "Text", "Composite", "field", "Field", "VersionVector", "Cursor", "REGISTRY",
        "CRDTError", "DecodeError", "WrongTypeError", "ReadOnlyError", "RefusedError", "RetiredError",
    },
    "replication": {
        "open", "Node", "Config", "TLS", "UpdateResult", "Change", "Member", "Watch",
        "ReplicationError", "Unavailable", "OutcomeUnknown", "ConflictError", "ConsistencyError",
        "Timeout", "Overloaded", "Closed", "StoreError", "CorruptStore",
    },
}  # fmt: skip


def sources(*suffixes: str, packages: tuple[str, ...] = PACKAGES) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*") if path.suffix in suffixes)


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


MODULES = {name_of(path) for path in sources(".py", ".pyx", ".pxd")}


def module_names(dotted: str) -> str:
    """The longest prefix of a dotted name that is one of our modules."""
    while dotted and dotted not in MODULES:
        dotted = dotted.rpartition(".")[0]
    return dotted


def imports(path: Path) -> set[str]:
    """Our own modules that a file imports or cimports, wherever in the file."""
    text = path.read_text()
    if path.suffix == ".py":
        return imports_of_python(ast.parse(text), name_of(path), is_package=path.name == "__init__.py")
    found = set()
    statement = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import\s+\(?([^)#\n]*)|c?import\s+([\w.]+))", re.MULTILINE)
    for origin, names, plain in statement.findall(text):
        if plain:
            found.add(module_names(plain))
        for imported in re.findall(r"\w+", names):
            found.add(module_names(f"{origin}.{imported}"))
    return found - {""}


def imports_of_python(tree: ast.Module, module: str, *, is_package: bool) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {module_names(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, base] if base else parts)
            found |= {module_names(f"{base}.{alias.name}") for alias in node.names}
    return found - {""}


@pytest.mark.parametrize("path", sources(".py", ".pyx", ".pxd", packages=("crdt",)), ids=shown)
def test_a_type_knows_only_what_lies_below_it(path: Path) -> None:
    module = name_of(path)
    assert module in MAY_IMPORT, f"{shown(path)} has no place in MAY_IMPORT"
    wrong = imports(path) - MAY_IMPORT[module] - {module}
    assert not wrong, f"{shown(path)} imports {sorted(wrong)}"


@pytest.mark.parametrize("path", sources(".py", ".pyx", ".pxd", packages=("replication",)), ids=shown)
def test_a_node_module_imports_lower_layers_only(path: Path) -> None:
    module = name_of(path)
    if module.startswith(SIMULATION):
        return  # it may use everything, and nothing may use it
    assert module in REPLICATION_LAYERS, f"{shown(path)} has no place in REPLICATION_LAYERS"
    for imported in imports(path) - {module}:
        if imported.startswith("crdt"):
            assert imported in CRDT_FOR_REPLICATION, f"{shown(path)} reaches into {imported}; use crdt's public names"
        else:
            assert not imported.startswith(SIMULATION), f"{shown(path)} imports the simulator"
            assert REPLICATION_LAYERS[imported] < REPLICATION_LAYERS[module], f"{shown(path)} imports {imported}"


@pytest.mark.parametrize("path", sources(".c", ".h", packages=("crdt/engine",)), ids=shown)
def test_the_engine_is_plain_c(path: Path) -> None:
    for include in re.findall(r'^#include ["<]([^">]+)[">]', path.read_text(), re.MULTILINE):
        local = (path.parent / include).exists()
        system = re.fullmatch(
            r"(std\w+|string|limits|math|errno|assert|time|sys/\w+|unistd|pthread|\w+intrin|endian)\.h",
            include,
        )
        assert local or system, f"{shown(path)} includes {include}"


def code_files() -> list[Path]:
    own = sources(".py", ".pyx", ".pxd", ".c", ".h")
    return own + [p for d in ("tests", "properties", "examples", "benchmarks") for p in (ROOT / d).rglob("*.py")]


@pytest.mark.parametrize("path", code_files(), ids=shown)
def test_a_file_is_short(path: Path) -> None:
    lines = path.read_text().splitlines()
    allowed, _ = LONG_FILES.get(shown(path), (FILE_LINES_MAX, ""))
    assert len(lines) <= allowed, f"{shown(path)} has {len(lines)} lines; {allowed} are allowed"
    if path.suffix in (".c", ".h"):  # ruff and cython-lint see to the others
        for number, line in enumerate(lines, 1):
            assert len(line) <= LINE_WIDTH_MAX, f"{shown(path)}:{number} is {len(line)} wide"


@pytest.mark.parametrize("path", code_files(), ids=shown)
def test_a_function_is_seen_at_once(path: Path) -> None:
    finder = {".py": python_functions, ".pyx": cython_functions, ".pxd": cython_functions}.get(path.suffix, c_functions)
    for name, length in finder(path.read_text()):
        allowed, _ = LONG_FUNCTIONS.get(f"{shown(path)}:{name}", (FUNCTION_LINES_MAX, ""))
        assert length <= allowed, f"{shown(path)}: {name} has {length} lines; {allowed} are allowed"


def python_functions(text: str) -> list[tuple[str, int]]:
    functions = (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return [(n.name, (n.end_lineno or n.lineno) - n.lineno + 1) for n in functions]


def cython_functions(text: str) -> list[tuple[str, int]]:
    """By indentation: from `def` or `cdef ...(...):` to the last line that is deeper."""
    lines = text.splitlines()
    found = []
    for start, line in enumerate(lines):
        head = re.match(r"(\s*)(?:async )?(?:def|cdef|cpdef)\s[^=]*?(\w+)\(", line)
        if not head or "class " in line:
            continue
        end = start
        for number in range(start + 1, len(lines)):
            body = lines[number]
            if body.strip() and len(body) - len(body.lstrip()) <= len(head[1]) and not body.lstrip().startswith(")"):
                break
            end = number if body.strip() else end
        found.append((head[2], end - start + 1))
    return found


def c_functions(text: str) -> list[tuple[str, int]]:
    """From the line that opens a signature in the first column to the `}` in the first column."""
    found, start, name = [], None, ""
    for number, line in enumerate(text.splitlines()):
        head = re.match(r"[A-Za-z_][\w\s*]*?(\w+)\(", line)
        if head and not line.rstrip().endswith(";") and not line.startswith("typedef"):
            start, name = number, head[1]
        elif line.startswith("}") and start is not None:
            found.append((name, number - start + 1))
            start = None
    return found


@pytest.mark.parametrize("path", sources(".py", ".pyx", ".pxd"), ids=shown)
def test_no_banned_call(path: Path) -> None:
    banned = BANNED_EVERYWHERE | (BANNED_IN_CRDT if path.is_relative_to(ROOT / "crdt") else {})
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for pattern, reason in banned.items():
            assert not re.search(pattern, line), f"{shown(path)}:{number}: {line.strip()} ({reason})"
        if shown(path) not in PRINTERS:
            assert not re.match(r"\s*print\(", line), f"{shown(path)}:{number} prints"


def text_files() -> list[Path]:
    skipped = {"build", "dist", "__pycache__"}
    kinds = {".py", ".pyx", ".pxd", ".pyi", ".c", ".h", ".md", ".toml", ".in", ""}
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and path.suffix in kinds
        and not any(
            part in skipped or (part.startswith(".") and part != ".ci") for part in path.relative_to(ROOT).parts
        )
        and not any(part.endswith(".egg-info") for part in path.parts)
    ]


def test_nothing_is_tied_to_one_machine() -> None:
    # Spelled in halves, so that this file passes.
    words = [f"/{name}/" for name in ("ro" + "ot", "wo" + "rk", "ho" + "me")]
    tied = re.compile("|".join([*words, r"\.py" + "env", "index" + "-url"]))
    for path in text_files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            assert not tied.search(line), f"{shown(path)}:{number}: {line.strip()[:100]}"


def test_no_junk_drawer() -> None:
    for path in code_files():
        assert path.stem not in {"utils", "util", "common", "helpers", "misc"}, shown(path)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_change_on_purpose_only(package: str) -> None:
    module = __import__(package)
    assert set(module.__all__) == PUBLIC_NAMES[package]
    assert all(hasattr(module, name) for name in module.__all__)


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    version = project["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
    assert set(project["build-system"]["requires"]) == set(project["dependency-groups"]["build"])


def test_allowances_are_still_needed() -> None:
    for name in LONG_FILES:
        assert len((ROOT / name).read_text().splitlines()) > FILE_LINES_MAX, f"{name} is short now"
    for name in LONG_FUNCTIONS:
        assert (ROOT / name.partition(":")[0]).exists(), f"{name} is gone"
