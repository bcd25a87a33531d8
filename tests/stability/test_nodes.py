"""Real nodes: alone in a directory or in memory, several of one directory, and one that returns after its close."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import replication
from crdt import VersionVector
from crdt.version import span_of
from replication.growth.agents import StoreGrowth
from replication.growth.stability import Purge
from replication.simulation.cluster import Cluster
from replication.simulation.ledger import Everything
from tests.cluster.nodes import Nodes, eventually
from tests.replication.agents import AgentState


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    cluster = Nodes(tmp_path)
    yield cluster
    cluster.close()


OFTEN: dict[str, Any] = {"purge_interval": 0.1, "purge_min": 1}


def put(node: Any, *keys: str) -> None:
    node.update_state("agent", lambda s: s.config.update(dict.fromkeys(keys, 1)))


def drop(node: Any, *keys: str) -> None:
    def delete(state: Any) -> None:
        for key in keys:
            del state.config[key]

    node.update_state("agent", delete)


def size(node: Any) -> int:
    found: int = node.read_state("agent", lambda s: len(s.to_bytes()))
    return found


KEYS = [f"a key of some length {number}" for number in range(300)]


def grow(node: Any) -> None:
    put(node, *KEYS)
    drop(node, *KEYS)


def test_a_node_alone_with_its_directory_purges_by_itself(tmp_path: Path) -> None:
    with replication.open(tmp_path, schema=AgentState, **OFTEN) as node:
        grow(node)
        eventually(lambda: size(node) < 500, "the deletions are gone")
        assert node.status()["growth"]["polls"] == 0
    with replication.open(tmp_path, schema=AgentState) as node:
        assert size(node) < 500


def test_a_node_alone_in_memory_purges_by_itself() -> None:
    with replication.open(None, schema=AgentState, **OFTEN) as node:
        grow(node)
        eventually(lambda: size(node) < 500, "the deletions are gone")


def test_a_node_that_has_not_found_its_peers_waits_for_them(tmp_path: Path) -> None:
    with replication.open(tmp_path, schema=AgentState, peers=["127.0.0.1:1"], **OFTEN) as node:
        grow(node)
        eventually(lambda: node.status()["growth"]["waits_for"] == ["whoever is at 127.0.0.1:1"], "it says for whom")
        assert size(node) > 500


def test_old_incarnations_are_dropped(tmp_path: Path) -> None:
    for _ in range(6):
        node = replication.open(tmp_path, schema=AgentState, **OFTEN)
        put(node, "key")
        node.flush()
        node._store.writers.rename("other", "x")  # so that it does not close as clean
        node.close()
    with replication.open(tmp_path, schema=AgentState, **OFTEN) as node:
        put(node, "key")

        def writers() -> int:
            put(node, "key")  # a change, so that it is looked at again
            return len(node.read_state("agent", lambda s: s.version))

        eventually(lambda: writers() <= 2, "only the last are named")


def test_what_somebody_does_not_have_yet_goes_later(tmp_path: Path) -> None:
    with replication.open(tmp_path, schema=AgentState) as node:
        put(node, "key")
        before = node.read_state("agent", lambda s: s.version)
        drop(node, "key")
        node.flush()
        growth = StoreGrowth(node._store, node.config)
        nothing = VersionVector()
        assert growth.purge("agent", lambda writer, held, stored: Purge(before, nothing), False) is None
        assert growth.purge("agent", lambda writer, held, stored: None, False) is None
        assert growth.purge("agent", lambda writer, held, stored: Purge(held, nothing), False) is True
        assert growth.purge("agent", lambda writer, held, stored: Purge(held, nothing), False) is False


def test_how_far_a_node_is_is_compared_without_retired_writers() -> None:
    """They are in no delta's version from then on, whoever has seen all of theirs."""
    with replication.open(None, schema=AgentState, name="a") as node:
        old = AgentState("old~1.x")
        old.config["key"] = 1
        node._deliveries.take_in("agent", [old.to_bytes()], "old")
        put(node, "own")
        growth = StoreGrowth(node._store, node.config)
        assert growth.purge("agent", lambda writer, held, stored: Purge(held, old.version), False) is True
        delta = node.read_state("agent", lambda s: s.to_bytes())
        held, cut = growth.held("agent") or pytest.fail("it is free")
        assert "old~1.x" not in {**held, **cut}
        assert held == span_of(delta)[1]
        assert cut <= held


def test_nodes_over_tcp_purge_together(nodes: Nodes) -> None:
    nodes.start(**OFTEN)
    nodes.meet()
    grow(nodes[1])
    eventually(lambda: all(size(node) < 600 for node in nodes), "the deletions are gone everywhere")
    nodes.agree("agent")


def in_the_simulation(**limits: Any) -> Cluster:
    short = {"purge_interval": 0.5, "purge_min": 1, "probe_interval": 0.5, "probe_timeout": 0.3}
    cluster = Cluster(Everything, "abc", seed=1, **{**short, **limits})
    cluster.run_until(cluster.all_are_members)
    return cluster


def count(cluster: Cluster, name: str, by: int = 1) -> None:
    cluster[name].update_state("agent", lambda s: s.count.increment(by), "crdt_enhanced")


def close(cluster: Cluster, name: str) -> None:
    """As `Node.close`: the store is clean, and the next opening goes on under the same writer."""
    cluster.run_until_quiet()
    cluster.leave(name)
    cluster.hosts[name].disk.close(clean=True)


def retire_c(cluster: Cluster) -> str:
    """Let c close, and be gone for so long that its writer is retired."""
    count(cluster, "c")
    writer: str = cluster["c"].read_state("agent", lambda s: s.replica)
    close(cluster, "c")

    def is_retired() -> bool:
        count(cluster, "a")
        return writer in cluster["b"].read_state("agent", lambda s: s._retired)

    cluster.run_until(is_retired, 60)
    return writer


def after_the_return(cluster: Cluster, writer: str, expected: int) -> None:
    def agreed() -> bool:
        return cluster.converged() and cluster.all_are_members()

    cluster.run_until(agreed, 60)
    assert cluster.values("agent", lambda s: s.count.value) == [expected] * 3
    count(cluster, "c", 10)
    cluster.run(3)
    assert cluster.values("agent", lambda s: s.count.value) == [expected + 10] * 3
    assert cluster["c"].read_state("agent", lambda s: s.replica) != writer


def made(cluster: Cluster, name: str) -> int:
    found: int = cluster[name].read_state("agent", lambda s: s.count.value)
    return found


def test_who_was_closed_and_retired_goes_on_under_another_name() -> None:
    cluster = in_the_simulation(writer_kept=3.0)
    writer = retire_c(cluster)
    expected = made(cluster, "a")
    cluster.restart("c")
    after_the_return(cluster, writer, expected)


def test_who_writes_under_a_retired_name_before_it_knows_loses_nothing() -> None:
    cluster = in_the_simulation(writer_kept=3.0)
    writer = retire_c(cluster)
    expected = made(cluster, "a")
    cluster.partition("ab|c")
    cluster.restart("c")
    count(cluster, "c", 5)
    assert cluster["c"].read_state("agent", lambda s: s.replica) == writer
    cluster.run(2)
    cluster.heal()
    after_the_return(cluster, writer, expected + 5)


def test_a_retired_name_is_not_taken_up_again_after_a_clean_close() -> None:
    cluster = in_the_simulation(writer_kept=3.0)
    writer = retire_c(cluster)
    cluster.restart("c")
    cluster.run_until(lambda: cluster.converged() and cluster.all_are_members(), 60)
    assert cluster["c"]._store.writers.has_renamed, "so that Node.close does not say that it was clean"
    assert cluster["c"].read_state("agent", lambda s: s.replica) != writer
