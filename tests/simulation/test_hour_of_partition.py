"""An hour in which some nodes do not hear others while all go on writing; then all agree within ten rounds.

A round is `sync_interval`, one second: in it, each node compares itself with one other.
"""

import pytest

from crdt import Composite, GCounter, LWWMap
from replication.simulation import Cluster

HOUR = 3600.0
ROUNDS_MAX = 10
# What loses everything: both ways between each two groups ("ab|cd"), or one way between two nodes ("a>d").
SHAPES = {
    "halves": ["ab|cd"],
    "everybody alone": ["a|b|c|d"],
    "a chain": ["a|cd", "b|d"],
    "one that hears nobody and is heard": ["a>d", "b>d", "c>d"],
    "one that hears all and is not heard": ["d>a", "d>b", "d>c"],
    "halves of which one hears the other": ["a>c", "a>d", "b>c", "b>d"],
}


class Board(Composite):
    votes: GCounter
    notes: LWWMap


def cut(cluster: Cluster, shape: list[str]) -> None:
    for each in shape:
        if ">" in each:
            cluster.cut(*each.split(">"))
        else:
            cluster.partition(each)


def write_for_an_hour(cluster: Cluster) -> int:
    """Every node writes all the time, in both modes; how often."""
    writes = 0
    while cluster.world.now < HOUR:
        for place, name in enumerate(cluster.names):
            mode = ("crdt_enhanced", "eventually_consistent")[(writes + place) % 2]

            def write(state: Board, name: str = name, number: int = writes) -> None:
                state.votes.increment()
                state.notes[f"{name}{number % 7}"] = number

            cluster[name].update_state(f"agent-{writes % 40}", write, mode)
            writes += 1
        cluster.run(20.0)
    return writes


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_within_ten_rounds_of_its_end_all_agree(shape: list[str]) -> None:
    # Ticks are what an hour costs; with a fifth of them everything takes its time just so.
    cluster = Cluster(Board, "abcd", seed=1, tick_interval=0.25)
    cluster.run(2.0)
    cut(cluster, shape)
    writes = write_for_an_hour(cluster)
    cluster.heal()
    healed_at = cluster.world.now
    cluster.run_until(cluster.converged, 60.0)
    rounds = (cluster.world.now - healed_at) / cluster.config.sync_interval
    print(f"{rounds:.1f} rounds")  # shown by pytest -s
    assert rounds <= ROUNDS_MAX
    assert sum(cluster.values(f"agent-{k}", lambda state: state.votes.value)[0] for k in range(40)) == writes
