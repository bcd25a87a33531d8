"""A node put an operation to its group, died before its disk had it, and served it in a weaker mode, out of reach."""

from contextlib import suppress

import pytest

from replication.errors import OutcomeUnknown
from replication.simulation import Cluster
from tests.replication.agents import AgentState, bump, count


def voters(seed: int = 1) -> tuple[Cluster, str, list[str]]:
    """A cluster, who leads, and the others."""
    cluster = Cluster(AgentState, "abc", seed=seed, bootstrap="abc", log_entries_max=20, log_entries_kept=1)
    cluster.run_until(lambda: cluster["a"].status()["replicated"]["leader"] != "")
    for name in "abc":
        cluster[name].update_state("warm", bump, "replicated", timeout=30)
    leader = cluster["a"].status()["replicated"]["leader"]
    return cluster, leader, [name for name in "abc" if name != leader]


def ask_in_vain(cluster: Cluster, name: str) -> None:
    with pytest.raises(OutcomeUnknown):
        cluster[name].update_state("x", bump, "replicated", op_id="once", timeout=0.5)


def restart_alone(cluster: Cluster, name: str) -> None:
    cluster.crash(name)
    cluster.heal()
    cluster.repair_disk(name)
    cluster.partition(f"{name}|{''.join(other for other in 'abc' if other != name)}")
    cluster.restart(name)


def test_a_follower_who_hears_no_answer() -> None:
    cluster, leader, (follower, other) = voters()
    for source in (leader, other):
        cluster.cut(source, follower)
    ask_in_vain(cluster, follower)
    assert count(cluster[leader], "x") == 1, "it was committed"
    restart_alone(cluster, follower)
    with pytest.raises(OutcomeUnknown, match="put to the group before"):
        cluster[follower].update_state("x", bump, op_id="once")
    cluster.recover()
    assert cluster[follower].update_state("x", bump, "replicated", op_id="once", timeout=30).replayed
    assert cluster[follower].update_state("x", bump, op_id="once").replayed
    cluster.run(10)
    assert [count(cluster[name], "x") for name in "abc"] == [1, 1, 1]


def test_it_is_remembered_when_the_log_is_cut_and_until_the_log_has_brought_what_came_after_it() -> None:
    cluster, leader, (follower, _) = voters()
    cluster.cut(follower, leader)
    ask_in_vain(cluster, follower)
    cluster.crash(follower)
    cluster.heal()
    cluster.restart(follower)
    for _ in range(50):
        cluster[leader].update_state("y", bump, "replicated", timeout=30)
    cluster.run(10)
    assert cluster[follower].status()["replicated"]["snapshot"] > 20, "its log was cut"
    restart_alone(cluster, follower)
    with pytest.raises(OutcomeUnknown, match="put to the group before"):
        cluster[follower].update_state("x", bump, op_id="once")
    cluster.recover()
    cluster[follower].update_state("y", bump, "replicated", timeout=30)
    assert not cluster[follower].update_state("x", bump, op_id="once").replayed, "it never came to the group"


@pytest.mark.parametrize("seed", range(6))
def test_a_leader_whose_disk_hangs(seed: int) -> None:
    cluster, leader, _ = voters(seed)
    cluster.hang_disk(leader)
    ask_in_vain(cluster, leader)
    restart_alone(cluster, leader)
    with suppress(OutcomeUnknown):  # its last write was there after all
        cluster[leader].update_state("x", bump, op_id="once")
    cluster.recover()
    cluster.run(10)
    counts = [count(cluster[name], "x") for name in "abc"]
    assert counts in ([0, 0, 0], [1, 1, 1]), "at most once"
