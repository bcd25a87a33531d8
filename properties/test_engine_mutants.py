"""Mutants of the engine itself: each edit of `planted.IN_ENGINE` is built apart and must be found.

It compiles, so it runs only when asked to: `PLANT_IN_ENGINE=1 pytest properties/test_engine_mutants.py`,
or `make mutants`. The sources in place are never touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .planted import IN_ENGINE, Mutant

TREE = Path(__file__).resolve().parent.parent
PARTS = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "crdt", "properties", "tests/fuzz", "build/release")
TIMEOUT_SECONDS = 900
# Seconds each, and most mutants end here; what survives meets the properties named beside it.
FAST = ("test_scenarios.py", "test_interleaving.py", "test_long_histories.py")

pytestmark = [
    pytest.mark.no_sanitizer,
    pytest.mark.skipif("PLANT_IN_ENGINE" not in os.environ, reason="builds every mutant: make mutants"),
]


def copy_tree(source: Path, target: Path) -> None:
    """What a build and the properties need, with its times, so that only the edit is compiled again."""
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif (source / part).exists():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / part, target / part)


def build(tree: Path) -> None:
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    environment = {**os.environ, "NEXUS_BUILD": "release"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def properties_fail(tree: Path, files: tuple[str, ...], words: str = "") -> str:
    """The last lines of a failing run of these properties, or nothing if all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += [f"properties/{file}" for file in files] + (["-k", words] if words else [])
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "quick", "PYTHONPATH": str(tree)}
    environment.pop("PLANT_IN_ENGINE")
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    assert done.returncode not in (2, 4, 5), done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout[-1500:] + done.stderr[-500:] if done.returncode else ""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("sound")
    copy_tree(TREE, tree)
    build(tree)
    return tree


@pytest.mark.parametrize("mutant", IN_ENGINE, ids=lambda m: m.bug)
def test_a_mutant_is_found(mutant: Mutant, sound: Path, tmp_path: Path) -> None:
    copy_tree(sound, tmp_path)
    path = tmp_path / "crdt" / mutant.file
    text = path.read_text()
    assert text.count(mutant.old) == 1, (
        f"{mutant.file} has changed: {mutant.old!r} is there {text.count(mutant.old)} times"
    )
    path.write_text(text.replace(mutant.old, mutant.new))
    for compiled in (tmp_path / "crdt").glob("*.so"):
        compiled.unlink()
    build(tmp_path)
    where, _, words = mutant.found_by.partition(" ")
    found = properties_fail(tmp_path, FAST) or properties_fail(tmp_path, (where,), words)
    assert found, f"survived: {mutant.bug} ({mutant.source})"


def test_the_sound_engine_is_not_accused(sound: Path) -> None:
    assert not properties_fail(sound, FAST)
