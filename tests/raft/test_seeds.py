"""Worlds of cores: a few seeds every time, the same ones; `python -m tests.raft --seeds 1000` for more."""

import os
import subprocess
import sys

import pytest

from tests.raft.world import World

pytestmark = pytest.mark.no_sanitizer

SEEDS = range(24)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_breaks(seed: int) -> None:
    World(seed).run()


def test_a_seed_gives_the_same_world_in_every_process() -> None:
    """Nothing is decided by the order of a set, or by anything else that a process has to itself."""
    code = "from tests.raft.world import World; w = World(2); w.run(); print(w.events, w.acknowledged, w.describe())"
    traces = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(traces) == 1 and "leader" in traces.pop()
