"""Which of two states that cannot be merged gives way, and whose events are written again."""

from typing import Any

import pytest

import replication
from crdt import LWWMap, VersionVector
from replication.growth.comeback import gives_way, to_write_again
from tests.replication.agents import AgentState


def apart(winner: str = "a~1.x", late: str = "z~1.x") -> tuple[AgentState, AgentState]:
    """Who has purged, and who was away meanwhile and has written."""
    a, away = AgentState(winner), AgentState(late)
    a.config.update({"gone": 1, "kept": 1})
    away.merge(a)
    del a.config["gone"]
    assert a._purge(a.version)
    away.config["mine"] = 2
    away.counters.increment(3)
    return a, away


def both_ways(one: Any, other: Any) -> tuple[bool, bool]:
    def is_behind(ours: Any, theirs: Any) -> bool:
        landing: int = ours.fork("probe")._land(theirs.to_bytes(), False)
        return landing == 5

    return gives_way(one, other, is_behind(one, other)), gives_way(other, one, is_behind(other, one))


def test_who_was_away_gives_way() -> None:
    a, away = apart()
    assert both_ways(a, away) == (False, True)


def test_of_two_that_purged_apart_one_gives_way() -> None:
    a, away = apart()
    del away.config["kept"]
    assert away._purge(away.version)
    assert sorted(both_ways(a, away)) == [False, True]


def test_a_single_node_with_a_history_of_its_own_gives_way_to_a_group() -> None:
    a, away = apart()
    alone = AgentState("m~1.x")
    for key in range(100):
        alone.config[key] = 1
        del alone.config[key]
    assert alone._purge(alone.version)
    assert both_ways(alone, a) == (True, False) or len(a.version) == 1
    a.merge(away._rebase(a, "z~1.y", {"z~1.x"}))
    assert both_ways(alone, a) == (True, False)


@pytest.mark.parametrize(
    ("name", "reachable", "alone", "again"),
    [
        ("b", ("a", "c"), ("b~1", "b~2", "c~1", "gone~1"), ("b~1", "b~2", "gone~1")),
        ("c", ("a", "b"), ("b~1", "c~1", "gone~1"), ("c~1",)),  # b takes along what nobody else can
        ("c", ("a",), ("a~1", "c~1", "gone~1"), ("c~1",)),  # a does, or has
        ("c", ("a",), ("gone~1",), ("gone~1",)),
        ("c", (), ("b~1", "c~1", "gone~1"), ("b~1", "c~1", "gone~1")),
    ],
)
def test_each_writes_its_own_again_and_one_what_the_gone_had(
    name: str, reachable: tuple[str, ...], alone: tuple[str, ...], again: tuple[str, ...]
) -> None:
    ours = VersionVector({**dict.fromkeys(alone, 2), "seen~1": 1})
    assert to_write_again(ours, VersionVector({"seen~1": 1}), name, reachable) == set(again)


@pytest.mark.parametrize(
    ("theirs", "again"),
    [
        ({"b~2.y": 3}, {"b~3.z"}),  # b~1's name was dropped: who wrote as b~2 had all of it
        ({"b~1.x": 1, "b~2.y": 3}, {"b~1.x", "b~3.z"}),
        ({"a~1.x": 3}, {"b~1.x", "b~3.z"}),  # b was never heard of
        ({"b~1.y": 3}, {"b~1.x", "b~3.z"}),  # another name of the same incarnation
    ],
)
def test_what_a_dropped_name_stands_for_is_not_written_again(theirs: dict[str, int], again: set[str]) -> None:
    ours = VersionVector({"b~1.x": 2, "b~3.z": 1})
    assert to_write_again(ours, VersionVector(theirs), "b", ("a",)) == again


def test_who_has_nothing_alone_gives_way_though_it_knows_a_dropped_name() -> None:
    old, returned = AgentState("a~1.x"), AgentState("c~1.x")
    for key in range(9):
        old.config[key] = 1
        del old.config[key]
    a = old.fork("a~2.y")
    assert old._purge(old.version)
    returned.merge(old)
    assert a._purge(a.version, {"a~1.x": a.version["a~1.x"]})
    a.config["new"] = 1
    assert a._purge(a.version)
    assert "a~1.x" not in a.version
    assert both_ways(returned, a) == (True, False)


def test_a_replica_that_is_emptied_is_taken_in_across_a_purge() -> None:
    a, away = apart()
    with replication.open(None, schema=AgentState, name="a") as node:
        node._deliveries.take_in("agent", [a.to_bytes()], "a")
        node._deliveries.take_in("agent", [away.to_bytes()], "z")
        assert node.read_state("agent", lambda s: dict(s.config.value)) == {"kept": 1}
        node._deliveries.take_in("agent", [away.to_bytes()], "z", is_last=True)
        assert node.read_state("agent", lambda s: dict(s.config.value)) == {"kept": 1, "mine": 2}
        assert node.read_state("agent", lambda s: s.counters.value) == 3
        assert node.status()["growth"]["adopted"] == 1


def test_a_node_takes_in_a_replica_that_has_purged_without_it() -> None:
    a, away = apart()
    with replication.open(None, schema=AgentState, name="z") as node:
        node._deliveries.take_in("agent", [away.to_bytes()], "z")
        node._deliveries.take_in("agent", [a.to_bytes()], "a", is_last=True)
        assert node.read_state("agent", lambda s: dict(s.config.value)) == {"kept": 1, "mine": 2}
        assert node.read_state("agent", lambda s: s.counters.value) == 3
        assert node.status()["growth"]["rebased"] == 1


def test_what_was_purged_apart_stays_removed_when_one_gives_way() -> None:
    """An entry that the rebased state has seen and holds no trace of was deleted there, and that was purged."""
    a, b = LWWMap("a"), LWWMap("b")
    a.update({"x": 1, "y": 1, "kept": 1})
    b.merge(a)
    del a["x"]
    a._purge(a.version)
    del b["y"]
    b._purge(b.version)
    back = b.rebase(a.to_bytes(), "b, again")
    assert back.value == {"kept": 1}
    a.merge(back)
    assert a.to_bytes() == back.to_bytes()
    back.check_invariants()
