"""The simulated world as a whole, under a node so small that what it must do is plain."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from replication.simulation.network import CALM
from replication.simulation.process import WRITE_MODES
from replication.simulation.world import Trace

from .toy import ToyCluster

STORM = CALM._replace(loss=0.2, duplicate=0.1, reorder=0.2, jitter=0.05, dial_failure=0.2)


def run(seed: int, trace: Trace | None = None) -> ToyCluster:
    """A storm with a crash in every second of it, then calm."""
    cluster = ToyCluster("abcd", seed, STORM, lambda name: WRITE_MODES[ord(name) % 3], trace)
    fate = cluster.world.stream("fate")
    for second in range(8):
        name = fate.choice(cluster.names)
        cluster.nodes[name].add(b"%s%d" % (name.encode(), second))
        cluster.network.cut(*fate.sample(cluster.names, 2))
        cluster.world.run_for(fate.uniform(0.0, 0.01))
        cluster.crash(name, silent=fate.random() < 0.5)
        cluster.world.run_for(1.0)
        cluster.start(name)
    cluster.network.heal()
    cluster.network.set_conditions(CALM)
    assert cluster.world.run_until(cluster.converged, 60.0), cluster.stored()
    return cluster


@pytest.mark.parametrize("seed", range(10))
def test_what_one_has_on_disk_all_have_in_the_end(seed: int) -> None:
    run(seed)


def test_storms_differ_from_seed_to_seed() -> None:
    traces = [Trace(), Trace()]
    for seed, trace in enumerate(traces):
        run(seed, trace)
    assert traces[0].hexdigest() != traces[1].hexdigest()


TRACE_OF_SEED_3 = """
from tests.simulation.test_toy import run
from replication.simulation.world import Trace
trace = Trace()
run(3, trace)
print(trace.lines, trace.hexdigest())
"""


def test_one_seed_is_one_trace_whatever_the_hash_seed() -> None:
    traces = set()
    for hash_seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run(
            [sys.executable, "-c", TRACE_OF_SEED_3],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        traces.add(done.stdout)
    assert len(traces) == 1, traces
