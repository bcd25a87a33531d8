"""What removals leave behind goes again: sizes stay flat, the late are turned away, and nothing is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import crdt
from crdt import Composite, GCounter, GSet, LWWMap, MVRegister, OpBasedList, ORMap, ORSet, PNCounter, RetiredError, Text


class State(Composite):
    config: LWWMap
    tags: ORSet
    notes: Text
    hits: GCounter
    tallies: ORMap = crdt.field(of=PNCounter)
    pages: ORMap = crdt.field(of=LWWMap)


def meet(*states: Any) -> None:
    for state in states:
        for other in states:
            state.merge(other)


def churn_map(state: Any, key: int) -> None:
    state[key] = "v" * 20
    del state[key]


def churn_counters(state: Any, key: int) -> None:
    state[key].increment(3)
    del state[key]


CHURN: list[tuple[Callable[..., Any], Callable[[Any, int], None]]] = [
    (LWWMap, churn_map),
    (lambda name: ORMap(name, of=GCounter), churn_counters),
]


@pytest.mark.parametrize(("make", "churn"), CHURN, ids=["LWWMap", "ORMap[GCounter]"])
def test_a_hundred_thousand_keys_that_came_and_went_leave_nothing(make: Any, churn: Any) -> None:
    a, b = make("a"), make("b")
    sizes = []
    for key in range(100_000):
        churn(a, key)
        if key % 5000 == 4999:
            b.merge(a)
            assert a._purgeable(b.version) >= 5000
            assert a._purge(b.version)
            b.merge(a.delta(b.version))
            assert b.to_bytes() == a.to_bytes()
            sizes.append((sys.getsizeof(a), sys.getsizeof(b), len(a.to_bytes())))
    assert all(held < 8192 and peer < 8192 and written < 64 for held, peer, written in sizes), sizes


def test_short_lived_writers_leave_no_names_once_nothing_of_them_is_left() -> None:
    state, peer = State("node"), State("peer")
    for number in range(300):
        writer = state.fork(f"process {number}")
        writer.config["leader"] = number
        writer.tags.add(number)
        writer.tags.discard(number)
        meet(state, writer)
        state.config["leader"] = None
        state._purge(state.version if number % 2 else {}, {writer.replica: writer.version[writer.replica]})
        peer.merge(state.delta(peer.version))
        peer.check_invariants()
        assert peer.to_bytes() == state.to_bytes()
        assert len(state.version) <= 5
        assert len(state.to_bytes()) < 200
    assert State.from_bytes(state.to_bytes()) == peer


def test_a_forgotten_writer_is_not_new_when_somebody_slower_names_it() -> None:
    a, b, left = LWWMap("a"), LWWMap("b"), LWWMap("left")
    left["k"] = 1
    left["j"] = 2
    meet(a, b, left)
    a["k"] = 3
    del a["j"]
    a._purge({}, {"left": 2})
    meet(a, b)
    slow = b.fork("slow")
    a._purge(a.version)
    assert "left" not in a.version
    slow["own"] = 5
    assert "left" in slow.version
    assert a.merge(slow.delta(a.version))
    assert a.value == {"k": 3, "own": 5}
    assert "left" not in a.version
    slow.merge(a)
    assert slow.to_bytes() == a.to_bytes()
    a.check_invariants()
    slow.check_invariants()


def test_what_comes_from_before_a_purge_is_refused_on_both_sides() -> None:
    a, late = LWWMap("a"), LWWMap("late")
    a["k"] = 1
    late.merge(a)
    del a["k"]
    late["k"] = 2
    a._purge(a.version)
    before = a.to_bytes(), late.to_bytes()
    with pytest.raises(RetiredError) as theirs:
        a.merge(late)
    with pytest.raises(RetiredError) as ours:
        late.merge(a)
    assert (theirs.value.ours, ours.value.ours) == (False, True)
    assert (a.to_bytes(), late.to_bytes()) == before


def test_who_only_read_meanwhile_just_catches_up() -> None:
    a, reader = State("a"), State("reader")
    a.config.update({"k": 1, "j": 2})
    a.tallies["t"].increment()
    a.pages["p"]["x"] = 1
    reader.merge(a)
    del a.config["k"], a.tallies["t"], a.pages["p"]["x"]
    a.tallies["u"].decrement(4)
    a._purge(a.version)
    a.config["after"] = 3
    assert reader.merge(a.delta(reader.version))
    assert reader.to_bytes() == a.to_bytes()
    reader.check_invariants()
    assert reader.value["config"] == {"j": 2, "after": 3}


def test_a_relay_that_never_saw_the_removals_tells_of_them() -> None:
    a, reader = State("a"), State("reader")
    a.config["k"] = 1
    a.tallies["t"].increment()
    reader.merge(a)
    del a.config["k"], a.tallies["t"]
    a._purge(a.version)
    relay = State.from_bytes(a.to_bytes(), "relay")
    relay.hits.increment()
    assert reader.merge(relay.delta(reader.version))
    assert reader.to_bytes() == relay.to_bytes()
    assert reader.value["config"] == {} == reader.value["tallies"]


def test_an_old_delta_brings_nothing_back() -> None:
    a, b = LWWMap("a"), LWWMap("b")
    a["k"] = 1
    old = a.delta({})
    b.merge(a)
    del a["k"]
    meet(a, b)
    a._purge(a.version)
    assert a.merge(old) is False
    assert a.value == {}
    b["x"] = 1
    newer = b.to_bytes()
    assert a.merge(newer)
    assert a.value == {"x": 1}


def test_a_counter_that_starts_again_counts_right_everywhere() -> None:
    a, b, c = (ORMap(name, of=GCounter) for name in "abc")
    a["k"].increment(5)
    meet(a, b, c)
    del b["k"]
    meet(a, b, c)
    a._purge(a.version)
    a["k"].increment(2)
    c["k"].increment(10)
    meet(c, b)
    assert b.merge(a.delta(b.version))
    assert b["k"].value == 12
    meet(a, b, c)
    assert a["k"].value == c["k"].value == 12
    assert a.to_bytes() == b.to_bytes() == c.to_bytes()


def test_events_of_a_retired_writer_are_refused_and_its_own_writes_too() -> None:
    a, gone = GSet("a"), GSet("gone")
    gone.add(1)
    meet(a, gone)
    a._purge({}, {"gone": 1})
    assert dict(a._retired) == {"gone": 1}
    informed = gone.fork("informed")
    gone.add(2)
    with pytest.raises(RetiredError):
        a.merge(gone)
    with pytest.raises(RetiredError):
        gone.merge(a)
    informed.merge(a)
    informed.add(3)
    assert a.merge(informed)
    same = GSet.from_bytes(a.to_bytes(), "gone")
    with pytest.raises(RetiredError):
        same.add(4)
    assert a.merge(gone.rebase(a, "back"))
    assert set(a) == {1, 2, 3}


def test_a_purge_must_be_of_what_is_held() -> None:
    a, b = LWWMap("a"), LWWMap("b")
    b["k"] = 1
    a.merge(b)
    for cut, retired in (({"b": 2}, {}), ({"c": 1}, {}), ({}, {"b": 2}), ({}, {"a": 0, "c": 1})):
        with pytest.raises(ValueError):
            a._purge(cut, retired)
    a["x"] = 1
    with pytest.raises(ValueError):
        a._purge({}, {"a": 1})
    assert a._purge(a.version) is False
    assert a._purgeable({"b": 100, "c": 3}) == 0
    with pytest.raises(RuntimeError):
        a._transact(lambda state: state._purge({}))


def test_undoing_an_update_after_a_purge_restores_every_byte() -> None:
    def fail(state: Any) -> None:
        state.tallies["t"].increment()
        state.pages["p"]["x"] = 5
        del state.tallies["t"]
        raise KeyError

    a = State("a")
    a.tallies["t"].increment()
    a.pages["p"]["x"] = 1
    a.config["k"] = 1
    del a.tallies["t"], a.pages["p"]["x"], a.config["k"]
    a._purge(a.version)
    before = a.to_bytes()
    with pytest.raises(KeyError):
        a._transact(fail)
    assert a.to_bytes() == before
    a.check_invariants()


# ---- coming back ----------------------------------------------------------------------------------------


def test_who_comes_back_keeps_all_its_own_and_brings_nothing_back() -> None:
    a, away = State("a"), State("away")
    away.hits.increment(10)
    away.notes.append("hello world")
    a.config.update({"gone": 1, "kept": 1})
    a.tags.update(["old", "older"])
    meet(a, away)
    del a.config["gone"]
    a.tags.remove("old")
    a.notes.delete(0, 6)
    a.config["kept"] = 2
    a._purge(a.version, {"away": away.version["away"]})
    away.hits.increment(3)
    away.tags.add("new")
    away.tags.remove("older")
    away.config["own"] = 1
    away.notes.insert(5, " big")
    away.notes.delete(len(away.notes) - 1, 1)
    away.tallies["t"].increment(7)
    with pytest.raises(RetiredError):
        away.merge(a)
    back = away.rebase(a.to_bytes(), "away again")
    back.check_invariants()
    assert back.value == {
        "config": {"kept": 2, "own": 1},
        "tags": {"new"},
        "notes": " bigworl",
        "hits": 13,
        "tallies": {"t": 7},
        "pages": {},
    }
    assert a.merge(back)
    assert a.to_bytes() == back.to_bytes()


def test_writes_of_one_key_compete_by_when_they_were_made() -> None:
    now = [1000]
    a, away = (LWWMap(name, clock=lambda: now[0]) for name in ("a", "away"))
    a["gone"] = 0
    meet(a, away)
    away["early"] = away["late"] = "away"
    now[0] += 10
    a["early"] = a["late"] = "a"
    del a["gone"]
    a._purge(a.version)
    now[0] += 10
    away["late"] = "away"
    away["gone"] = "written again"
    assert away.rebase(a, "back").value == {"early": "a", "late": "away", "gone": "written again"}


def test_concurrent_values_of_a_register_stand_side_by_side() -> None:
    a, away = MVRegister("a"), MVRegister("away")
    a.set(0)
    meet(a, away)
    a.set(1)
    away.set(2)
    assert away.rebase(a, "back").values == [1, 2]


def test_elements_come_behind_what_is_left_of_their_neighbours() -> None:
    a, away = OpBasedList("a"), OpBasedList("away")
    a.extend(["a", "b", "c", "d"])
    meet(a, away)
    a.delete(1, 2)
    away.insert_many(2, ["x" * 30, "y"])
    away.append("z")
    away.insert(0, "first")
    back = away.rebase(a, "back")
    assert back.value == ["first", "a", "x" * 30, "y", "d", "z"]
    back.check_invariants()


def test_rebasing_asks_for_a_new_writer_and_a_full_state() -> None:
    a, b = GSet("a"), GSet("b")
    a.add(1)
    b.merge(a)
    b.add(2)
    for name in ("a", "b"):
        with pytest.raises(ValueError):
            a.rebase(b, name)
    with pytest.raises(crdt.DecodeError):
        GSet("c").rebase(b.delta({"a": 1}), "d")
    with pytest.raises(crdt.WrongTypeError):
        a.rebase(ORSet("x").to_bytes(), "d")
    assert a.rebase(b, None).value == {1, 2}
