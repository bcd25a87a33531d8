"""A short run of the crash harness; `make crash` is the long one."""

import re
import subprocess
import sys

import pytest


@pytest.mark.no_sanitizer
def test_nothing_promised_is_lost_by_sigkill(root, tmp_path):
    # In a process of its own, because it forks.
    command = [sys.executable, "-m", "tests.crash", "--kills", "25", "--seed", "1", "--path", str(tmp_path / "store")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"25 kills .* nothing promised lost", done.stdout), done.stdout


PLANTED = {
    "the incarnation of a crashed run is continued": """
import replication.storage.sqlite as sqlite
succeed = sqlite.succeed
def planted(stored, name, place, token, store):
    return stored._replace(clean=False) if stored else succeed(stored, name, place, token, store)
sqlite.succeed = planted
""",
    "callers are woken before the write": """
from replication.event_loop import EventLoopRuntime
write = EventLoopRuntime.write
def planted(self, storage, batch, done):
    driver = done.__self__
    round, tickets, readies, at = driver._writing
    driver._writing = round, [], readies, at
    for ticket in tickets: ticket.finish()
    write(self, storage, batch, done)
EventLoopRuntime.write = planted
""",
    "a record is written one flush later than its change": """
from replication.operations import OperationTable
take = OperationTable.take
def planted(self, agent_id):
    late, self.late = getattr(self, "late", []), take(self, agent_id)
    return late
OperationTable.take = planted
""",
}


@pytest.mark.no_sanitizer
@pytest.mark.parametrize("bug", PLANTED)
def test_the_harness_finds_a_planted_bug(bug, root, tmp_path):
    program = f"""{PLANTED[bug]}
from tests.crash.harness import Broken, run
try:
    run({str(tmp_path / "store")!r}, 60, seed=2)
except Broken as broken:
    print("found:", broken)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=300)
    assert "found:" in done.stdout, f"60 kills did not find that {bug}: {done.stdout} {done.stderr}"
