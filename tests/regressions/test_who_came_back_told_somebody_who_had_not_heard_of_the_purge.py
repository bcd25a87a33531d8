"""A node given up comes back and tells one that has answered a poll, and not heard yet what came of it.

It then meets one that has purged, is behind, and writes again what it alone had, under another name. What it had told
before was there a second time.
"""

from typing import Any

import pytest

from replication.core import Delivery
from replication.messages import Item
from replication.simulation.cluster import Cluster
from replication.simulation.ledger import Everything

SHORT: dict[str, Any] = {
    "purge_interval": 0.5, "purge_min": 1, "probe_interval": 0.5, "probe_timeout": 0.3, "dead_kept": 15.0
}  # fmt: skip


def purged_by_a_alone(leaves: bool = False) -> Cluster:
    """c is gone for long and has counted 5; b has answered the poll upon which a purges, and has not heard of it.

    Or b `leaves` before it is asked, but not before it has what is purged.
    """
    cluster = Cluster(Everything, "abc", seed=3, **SHORT)
    cluster.run_until(cluster.all_are_members)
    cluster["a"].update_state("agent", lambda s: s.settings.__setitem__("key", 1), "crdt_enhanced")
    cluster.run(2)
    cluster.partition("ab|c")
    cluster.run(30)
    cluster["c"].update_state("agent", lambda s: s.count.increment(5), durable=True)
    cluster["a"].update_state("agent", lambda s: s.settings.__delitem__("key"), "crdt_enhanced")
    if leaves:
        cluster.run(0.05)
        cluster["b"].flush()
        cluster.leave("b")
    while not cluster["a"].read_state("agent", lambda s: dict(s._cut)):
        cluster.run(0.0005)
    cluster.partition("a|b")
    if leaves:
        cluster.restart("b")
    cluster.run(2)
    assert cluster["b"].read_state("agent", lambda s: dict(s._cut)) == {}
    return cluster


def delivered(cluster: Cluster, name: str, peer: str, delta: bytes) -> str | None:
    """What a node makes of a delta of a peer."""
    outcomes: list[str | None] = [None]
    assert cluster[name]._deliveries.deliver(Delivery(peer, (Item("agent", delta, b""),)), outcomes, set())
    return outcomes[0]


def counted(cluster: Cluster) -> list[int]:
    return cluster.values("agent", lambda s: s.count.value)


@pytest.mark.parametrize("crashes", [False, True])
def test_what_it_tells_waits_until_it_is_as_far_as_what_was_answered(crashes: bool) -> None:
    cluster = purged_by_a_alone()
    if crashes:
        cluster.crash("b")
        cluster.restart("b")
    told = cluster["c"].read_state("agent", lambda s: s.to_bytes())
    assert delivered(cluster, "b", "c", told) == "waiting"
    cluster.heal()
    cluster.partition("b|ac")
    cluster.run(20)
    assert cluster["c"].status()["growth"]["rebased"] == 1
    cluster.heal()
    cluster.run_until(lambda: cluster.converged() and cluster.all_are_members(), 100)
    assert counted(cluster) == [5, 5, 5]


def test_once_it_is_as_far_nothing_has_to_be_written_again() -> None:
    cluster = purged_by_a_alone()
    cluster.heal()
    cluster.partition("a|bc")
    cluster.run_until(lambda: counted(cluster) == [0, 5, 5], 20)
    cluster.heal()
    cluster.run_until(lambda: cluster.converged() and cluster.all_are_members(), 100)
    assert counted(cluster) == [5, 5, 5]
    assert [cluster[name].status()["growth"]["rebased"] for name in "abc"] == [0, 0, 0]


def test_what_somebody_has_who_was_never_polled_is_not_written_again() -> None:
    cluster = purged_by_a_alone(leaves=True)
    purged = cluster["a"].read_state("agent", lambda s: s.to_bytes())
    assert delivered(cluster, "b", "c", cluster["c"].read_state("agent", lambda s: s.to_bytes())) == "landed"
    cluster.heal()
    cluster.partition("a|bc")
    while "b" not in cluster["c"]._others.membership.reachable():
        cluster.run(0.0005)
    delivered(cluster, "c", "a", purged)
    cluster.run_until(lambda: counted(cluster) == [0, 5, 5], 10)
    cluster.heal()
    cluster.run_until(lambda: cluster.converged() and cluster.all_are_members(), 100)
    assert counted(cluster) == [5, 5, 5]
