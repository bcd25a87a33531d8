"""Whether the simulator finds what it is there for: each planted bug, within 200 seeds.

`python -m tests.simulation.test_planted_bugs` prints how many seeds each takes, in the median of some
starting points.
"""

from statistics import median
from typing import Any

import pytest

from replication.simulation.ledger import Violation
from replication.simulation.run import Plan, run

from .planted import PLANTS, Plant

SEEDS_MAX = 200
# Found or not, nothing is gained by waiting longer for nodes that will never agree.
PLAN = Plan(recovery=60.0)


def seeds_to_find(first: int = 0) -> tuple[int, Violation]:
    """How many seeds from `first` on it takes to find something."""
    for count in range(1, SEEDS_MAX + 1):
        try:
            run(first + count - 1, PLAN)
        except Violation as violation:
            return count, violation
    raise AssertionError(f"not found within {SEEDS_MAX} seeds")


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    seeds_to_find()


def main() -> None:
    for plant in PLANTS:
        with pytest.MonkeyPatch.context() as patch:
            plant(patch)
            found: list[Any] = [seeds_to_find(first) for first in range(0, 7000, 1000)]
        counts = sorted(count for count, _ in found)
        words = plant.__name__, plant.__doc__, median(counts), counts[-1], found[0][1]
        print("|", " | ".join(map(str, words)), "|", flush=True)


if __name__ == "__main__":
    main()
