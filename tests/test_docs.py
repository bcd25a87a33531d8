"""The documentation is true: its code runs, prints what it says, and its links lead somewhere.

Blocks of one page share a namespace and run in order, in an empty directory. A line such as
`print(x)  # 3` must print what its comment says.
"""

import contextlib
import doctest
import importlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from replication import messages
from replication.config import Config

pytestmark = pytest.mark.no_sanitizer

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests" / "README.md"])
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path) -> list[tuple[int, str]]:
    """(line number, code) of each Python block."""
    text = page.read_text()
    return [(text.count("\n", 0, match.start()) + 2, dedented(match)) for match in BLOCK.finditer(text)]


def dedented(match: re.Match[str]) -> str:
    indent, code = match.groups()
    return "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True))


def promised_output(code: str) -> list[str]:
    return re.findall(r"^\s*print\(.*\)  # (.*)$", code, re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=shown)
def test_code_on_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    for line, code in blocks(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            # Padded so that a traceback names the line of the page.
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)
        expected = promised_output(code)
        if expected:
            assert printed.getvalue().splitlines() == expected, f"{shown(page)}:{line}"


@pytest.mark.parametrize("example", EXAMPLES, ids=shown)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    expected = promised_output(example.read_text())
    for line in expected:
        assert line in result.stdout.splitlines(), f"{line!r} was not printed:\n{result.stdout}"


def modules() -> list[str]:
    sources = (path for package in ("crdt", "replication") for path in (ROOT / package).rglob("*.py*"))
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sources
        if path.suffix in (".py", ".pyx")
    )


@pytest.mark.parametrize("name", modules())
def test_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, extraglobs=vars(importlib.import_module("crdt")))
    assert failed == 0


def anchors(page: Path) -> set[str]:
    """The names GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), f"{shown(page)} links to {target}"
        assert not anchor or anchor in anchors(linked), f"{shown(page)} links to {target}: no such heading"


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / t.partition("#")[0]).resolve() for t in re.findall(r"\]\(([^)\s]+)\)", index.read_text())}
    assert {page for page in PAGES if (ROOT / "docs") in page.parents} - {index} <= linked


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "reference" / "limits.md").read_text()
    written = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", page, re.MULTILINE))
    assert written == {name: str(default) for name, default in Config()._asdict().items()}


def test_the_messages_on_the_page_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "reference" / "protocol.md").read_text()
    rows = re.findall(r"^\| `(0x[\dA-F]{2})` \| `(\w+)` \| `([\w, ]+)` \|", page, re.MULTILINE)
    written = {int(kind, 16): (name, tuple(fields.split(", "))) for kind, name, fields in rows}
    assert written == {number: (kind.__name__, kind._fields) for number, kind in messages._KINDS.items()}


def test_the_script_on_the_first_page_is_the_example() -> None:
    [script] = re.findall(r"^```py\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    example = {line.strip() for line in (ROOT / "examples" / "two_terminals.py").read_text().splitlines()}
    setup = {"import time", 'with replication.open("state/", schema=Tally) as node:', "while True:"}
    assert {line.strip() for line in script.splitlines()} - setup <= example
