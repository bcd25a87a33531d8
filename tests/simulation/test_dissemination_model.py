"""Whether the model of rumours, which is asked about clusters of 100,000, tells the truth about small ones."""

from random import Random

import pytest

from benchmarks.dissemination.measure import Bench, quantile
from benchmarks.dissemination.model import tell

UPDATES = 12


@pytest.mark.parametrize(("count", "loss"), [(10, 0.0), (30, 0.2)])
def test_the_model_agrees_with_real_nodes(count: int, loss: float) -> None:
    bench = Bench(count, seed=1)
    bench.set_loss(loss)
    real = bench.spread("eventually_consistent", UPDATES, spacing=1.0)
    bench.close()
    random = Random(1)
    model = [tell(count, loss, random) for _ in range(200)]
    rounds = sorted(each for told in model for each in told.rounds)
    messages = sum(told.messages for told in model) / len(model)
    # A few tellings fall to changes that repair brought first.
    assert real.messages / UPDATES == pytest.approx(messages, rel=0.05)
    assert real.writer_messages / UPDATES == pytest.approx(model[0].writer_messages, rel=0.02)
    assert len(real.rounds) == UPDATES * (count - 1)
    assert real.at(0.5) == pytest.approx(quantile(rounds, 0.5), rel=0.4)
    assert abs(real.at(0.95) - quantile(rounds, 0.95)) <= 0.5


def test_the_model_repeats_itself() -> None:
    assert tell(50, 0.2, Random(3)) == tell(50, 0.2, Random(3))


def test_what_no_rumour_brings_repair_does() -> None:
    told = [tell(5, 0.5, Random(seed)) for seed in range(100)]
    assert sum(each.missed for each in told) > 20
    assert all(len(each.rounds) == 4 for each in told)


def test_a_node_tells_a_rumour_as_often_as_the_cores_do() -> None:
    """A cluster ten times as large costs each node four messages more."""
    each = [tell(count, 0.0, Random(0)).messages / count for count in (100, 1000, 10_000)]
    assert each == pytest.approx([9.0, 13.0, 17.0], abs=0.05)
