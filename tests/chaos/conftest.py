import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Runs at one time: more of them get so little of a small machine that they find nothing.
TOGETHER = 3
# Runs of one mistake, until one finds it.
RUNS_MAX = 4


@pytest.fixture
def chaos(root: Path) -> Callable[..., Any]:
    """Start a run in a directory."""

    def start(path: Path, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.chaos", "--path", str(path), *arguments]
        return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


@pytest.fixture
def find(chaos: Callable[..., Any], tmp_path: Path) -> Callable[..., None]:
    """Each mistake has a run that makes it, with these arguments, and must end with these words of what is broken.

    What a run comes to is a matter of luck, too, and less happens on a busy machine: each may have several.
    """

    def find_all(needed: dict[str, tuple[list[str], str]], seed: int, *arguments: str) -> None:
        left, said = list(needed), ""
        for again in range(RUNS_MAX):
            given = "--nodes", "3", "--seed", str(seed + again), *arguments
            at_once, left = left, []
            for first in range(0, len(at_once), TOGETHER):
                runs = {
                    bug: chaos(tmp_path / f"{bug} {again}".replace(" ", "-"), "--plant", bug, *given, *needed[bug][0])
                    for bug in at_once[first : first + TOGETHER]
                }
                for bug, run in runs.items():
                    with run:
                        said = run.communicate(timeout=300)[0]
                    if run.returncode != 1 or not re.search(f"^BROKEN.*({needed[bug][1]})", said, re.MULTILINE):
                        left.append(bug)
        assert not left, f"it was not found in {RUNS_MAX} runs that {', and that '.join(left)}; the last said:\n{said}"

    return find_all
