"""A short run of the killing (`python -m tests.siblings SECONDS` is the long one), and the example for newcomers."""

import ast
import subprocess
import sys

import pytest

pytestmark = pytest.mark.no_sanitizer


def test_nothing_acknowledged_is_lost_by_sigkill(root):
    # In a process of its own, because it forks.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.siblings", "8"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def terminal(root, path):
    command = [sys.executable, str(root / "examples" / "two_terminals.py"), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_terminals_see_each_other_and_one_that_was_killed_goes_on(root, tmp_path):
    with terminal(root, tmp_path / "state") as one, terminal(root, tmp_path / "state") as two:
        shown = next(table for table in map(ast.literal_eval, one.stdout) if len(table) == 2)
        one.kill()
        one.wait()  # its place is free once it is gone
        with terminal(root, tmp_path / "state") as again:
            tables = [ast.literal_eval(line) for line in again.stdout]
        assert ast.literal_eval(two.stdout.read().splitlines()[-1]).keys() == shown.keys()
    assert tables[-1].keys() == shown.keys()
    assert all(tables[0].get(name, 0) >= steps for name, steps in shown.items())
