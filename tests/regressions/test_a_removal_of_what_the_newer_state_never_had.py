"""Two were away, and one had removed what the other had written. The one was rebased onto a state that never had it,
where nothing is left of a removal; the other one wrote it again under another name, and so it came back.
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


def away_together() -> Cluster:
    """b has written something, and a has removed of it what can be, unheard by b. c has purged without them."""
    cluster = Cluster(Everything, "abc", seed=3, **SHORT)
    cluster.run_until(cluster.all_are_members)
    cluster["c"].update_state("agent", lambda s: s.settings.__setitem__("key", 1), "crdt_enhanced")
    cluster.run(2)
    cluster.partition("ab|c")
    cluster["b"].update_state("agent", write, "crdt_enhanced")
    cluster.run(2)
    cluster.partition("a|b")
    cluster["a"].update_state("agent", remove, durable=True)
    cluster.run(30)
    cluster["c"].update_state("agent", lambda s: s.settings.__delitem__("key"))
    cluster.run_until(lambda: bool(cluster["c"].read_state("agent", lambda s: dict(s._cut))), 100)
    return cluster


def write(state: Any) -> None:
    state.log.append(1)
    state.text.insert(0, "1")
    state.members.add(1)
    state.settings["1"] = 1
    state.tallies["1"].increment()
    state.seen.add(1)


def remove(state: Any) -> None:
    del state.log[0]
    state.text.delete(0, 1)
    state.members.discard(1)
    del state.settings["1"]
    del state.tallies["1"]


def left(state: Any) -> tuple[Any, ...]:
    return tuple(state.value[each] for each in ("log", "text", "members", "settings", "tallies", "seen"))


@pytest.mark.parametrize("first", ["a", "b", ""])
def test_it_does_not_come_back(first: str) -> None:
    cluster = away_together()
    cluster.heal()
    if first:
        while len(cluster[first]._others.membership.reachable()) < 2:
            cluster.run(0.0005)
        deliver(cluster, first, "c", cluster["c"].read_state("agent", lambda s: s.to_bytes()))
    cluster.run_until(lambda: cluster.converged() and cluster.all_are_members(), 100)
    assert cluster.values("agent", left) == 3 * [([], "", set(), {}, {}, {1})]


def deliver(cluster: Cluster, name: str, peer: str, delta: bytes) -> None:
    assert cluster[name]._deliveries.deliver(Delivery(peer, (Item("agent", delta, b""),)), [None], set())
