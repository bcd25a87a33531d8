"""One seed is one run: the same events in the same order, whatever process it runs in."""

import os
import subprocess
import sys
from pathlib import Path

from replication.simulation.run import run
from replication.simulation.world import Trace

TRACES = """
from replication.simulation.run import run
from replication.simulation.world import Trace
for seed in range(3):
    trace = Trace()
    print(run(seed, trace=trace).trace, trace.lines)
"""


def test_a_seed_has_one_trace_whatever_the_hash_seed(root: Path) -> None:
    traces = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", TRACES]
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True)
        traces.add(done.stdout)
    assert len(traces) == 1, traces


def test_a_trace_changes_nothing() -> None:
    traced = run(4, trace=Trace())
    assert traced._replace(trace="") == run(4)
