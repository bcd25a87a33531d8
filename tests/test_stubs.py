"""The stubs say what the compiled modules are, and the whole is strictly typed."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_sanitizer

ROOT = Path(__file__).resolve().parent.parent
COMPILED = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("crdt", "replication")
    for path in (ROOT / package).rglob("*.pyx")
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("module", COMPILED)
def test_every_compiled_module_has_a_stub(module: str) -> None:
    assert (ROOT / module.replace(".", "/")).with_suffix(".pyi").exists()


def test_stubs_agree_with_what_was_compiled() -> None:
    result = run("mypy.stubtest", *COMPILED, "--allowlist", str(ROOT / "tests" / "stubtest_allowlist.txt"))
    assert result.returncode == 0, result.stdout + result.stderr


def test_packages_and_examples_are_strictly_typed() -> None:
    result = run("mypy", "crdt", "replication", "examples", "tests/typed_usage.py")
    assert result.returncode == 0, result.stdout + result.stderr


def test_packages_are_marked_as_typed() -> None:
    assert (ROOT / "crdt" / "py.typed").exists()
    assert (ROOT / "replication" / "py.typed").exists()
