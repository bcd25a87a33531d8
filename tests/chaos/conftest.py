import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Runs at one time: more of them get so little of a small machine that they find nothing.
TOGETHER = 3


@pytest.fixture
def chaos(root: Path) -> Callable[..., Any]:
    """Start a run in a directory."""

    def start(path: Path, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.chaos", "--path", str(path), *arguments]
        return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


@pytest.fixture
def find(chaos: Callable[..., Any], tmp_path: Path) -> Callable[..., None]:
    """Each mistake has a run that makes it, with these arguments, and must end with these words of what is broken."""

    def find_all(needed: dict[str, tuple[list[str], str]], *arguments: str) -> None:
        bugs = list(needed)
        for first in range(0, len(bugs), TOGETHER):
            runs = {}
            for bug in bugs[first : first + TOGETHER]:
                path = tmp_path / bug.replace(" ", "-")
                runs[bug] = chaos(path, "--nodes", "3", "--plant", bug, *arguments, *needed[bug][0])
            outcomes = {}
            for bug, run in runs.items():
                with run:
                    outcomes[bug] = run.communicate(timeout=300)[0], run.returncode
            for bug, (said, code) in outcomes.items():
                found = re.search(f"^BROKEN.*({needed[bug][1]})", said, re.MULTILINE)
                assert code == 1 and found, f"it was not found that {bug}:\n{said}"

    return find_all
