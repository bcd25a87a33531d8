"""A call that a weaker mode served, by `fallback`, had a second effect when it was repeated with the same op_id."""

from contextlib import suppress

import pytest

import replication
from replication.errors import OutcomeUnknown, ReplicationError
from replication.simulation import Cluster
from tests.replication.agents import AgentState, bump, count


def counts(cluster: Cluster) -> list[int]:
    cluster.heal()
    cluster.run(10)
    cluster.run_until_quiet()
    return [count(cluster[name], "x") for name in "abc"]


def made() -> Cluster:
    cluster = Cluster(AgentState, "abc", seed=1, bootstrap="abc")
    cluster.run_until(lambda: cluster["a"].status()["replicated"]["leader"] != "")
    return cluster


def test_once_the_group_is_back() -> None:
    cluster = made()
    cluster.partition("a|bc")
    cluster.run(5)
    served = cluster["a"].update_state("x", bump, "replicated", op_id="once", fallback=("crdt_enhanced",))
    assert served.consistency == "crdt_enhanced"
    cluster.heal()
    cluster.run(10)
    again = cluster["a"].update_state("x", bump, "replicated", op_id="once", fallback=("crdt_enhanced",), timeout=10)
    assert again.replayed
    assert counts(cluster) == [1, 1, 1]


def test_after_an_unknown_outcome() -> None:
    cluster = made()
    leader = cluster["a"].status()["replicated"]["leader"]
    cluster.partition([[leader], [name for name in "abc" if name != leader]])
    with pytest.raises(OutcomeUnknown):
        cluster[leader].update_state("x", bump, "replicated", op_id="once", timeout=0.2)
    cluster.run(5)
    with suppress(ReplicationError):  # it is under way: that nobody can tell what comes of it is an answer, too
        cluster[leader].update_state("x", bump, "replicated", op_id="once", timeout=5, fallback=("crdt_enhanced",))
    assert counts(cluster) == [1, 1, 1]


def test_in_a_weaker_mode_and_then_by_the_log() -> None:
    with replication.open(schema=AgentState) as node:
        node.update_state("x", bump, "crdt_enhanced", op_id="once")
        assert node.update_state("x", bump, "replicated", op_id="once").replayed
        assert count(node, "x") == 1


def test_by_the_log_and_then_in_a_weaker_mode() -> None:
    with replication.open(schema=AgentState) as node:
        node.update_state("x", bump, "replicated", op_id="once")
        assert node.update_state("x", bump, "crdt_enhanced", op_id="once").replayed
        assert count(node, "x") == 1
