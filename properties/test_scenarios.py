"""Situations that others got wrong, each spelled out: who did what, who knew of it, what must be."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import crdt
from crdt import Composite, GCounter, GSet, LWWMap, LWWRegister, MVRegister, ORMap, ORSet, PNCounter, Text, field

from .registry import SIMPLE
from .subjects import Subject
from .world import EPOCH_MS


def both(a: Any, b: Any) -> None:
    a.merge(b)
    b.merge(a)
    assert a.to_bytes() == b.to_bytes()
    a.check_invariants()
    b.check_invariants()


class Notes(Composite):
    config: LWWMap
    tallies: ORMap = field(of=GCounter)


# -- sets: add wins, and only over what the remove had not seen -------------------------------------


def test_adding_again_survives_a_concurrent_remove() -> None:
    a = ORSet("a")
    a.add("x")
    b = a.fork("b")
    a.add("x")  # it is there already, and still this add must count
    b.remove("x")
    both(a, b)
    assert "x" in a


def test_an_element_on_both_sides_can_still_be_removed() -> None:
    a = ORSet("a")
    a.add("x")
    b, c = a.fork("b"), a.fork("c")
    b.remove("x")
    b.add("x")
    c.merge(b)
    c.remove("x")  # has seen a's add and b's
    both(a, b)
    assert "x" in a
    both(a, c)
    both(b, c)
    both(a, b)
    assert "x" not in a


def test_a_late_copy_of_an_add_does_not_bring_it_back() -> None:
    a = ORSet("a")
    a.add("x")
    late = a.to_bytes()
    b = ORSet("b")
    b.merge(late)
    b.remove("x")
    assert b.merge(late) is False
    assert len(b) == 0
    c = ORSet("c")
    c.merge(b)
    assert c.merge(late) is False
    assert len(c) == 0


def test_removed_added_removed_by_two_writers() -> None:
    """Every order in which three observers hear of it ends the same."""
    a = ORSet("a")
    posts = []
    b = ORSet("b")
    for writer, act in [(a, "add"), (b, "add"), (a, "discard"), (b, "discard"), (a, "add")]:
        before = writer.version
        getattr(writer, act)("x")
        posts.append(writer.delta(before))
    seen = set()
    for order in itertools.permutations(posts):
        reader = ORSet("r")
        for post in order:
            reader.merge(post)
        assert reader.pending == 0
        seen.add(reader.to_bytes())
    assert len(seen) == 1


# -- nested ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", SIMPLE.values(), ids=repr)
def test_a_child_made_by_two_writers_is_one_child(subject: Subject) -> None:
    of = subject.type

    def touch(child: Any, by: str) -> None:
        act = {"GCounter": "increment", "PNCounter": "increment", "GSet": "add", "ORSet": "add", "LWWRegister": "set"}
        act |= {"MVRegister": "set", "OpBasedList": "append", "Text": "append"}
        if of is LWWMap:
            child[by] = 1
        elif of in (GCounter, PNCounter):
            child.increment(5)
        else:
            getattr(child, act[of.__name__])(by)

    a, b = ORMap("a", of=of), ORMap("b", of=of)
    touch(a["k"], "a")
    touch(b["k"], "b")
    both(a, b)
    assert len(a) == 1
    expected = {"GCounter": 10, "PNCounter": 10, "GSet": {"a", "b"}, "ORSet": {"a", "b"}, "LWWMap": {"a": 1, "b": 1}}
    if of.__name__ in expected:
        assert a["k"].value == expected[of.__name__]
    elif of is MVRegister:
        assert a["k"].values == ["a", "b"]
    elif of is not LWWRegister:
        assert sorted(a["k"].value) == ["a", "b"]


def test_a_concurrent_update_survives_a_delete_exactly() -> None:
    a = ORMap("a", of=GCounter)
    a["k"].increment(10)
    b = a.fork("b")
    del a["k"]
    b["k"].increment(3)
    both(a, b)
    assert a["k"].value == 3, "only the concurrent increment is left"
    a["k"].increment()
    both(a, b)
    assert b["k"].value == 4


def test_a_child_made_again_starts_anew_and_counts() -> None:
    a, b = ORMap("a", of=GCounter), ORMap("b", of=GCounter)
    for _ in range(3):
        a["k"].increment(2)
        both(a, b)
        assert b["k"].value == 2
        del b["k"]
        both(a, b)
        assert "k" not in a
        b["k"].increment(7)
        both(a, b)
        assert a["k"].value == 7
        del a["k"]
        both(a, b)


def test_a_delete_that_comes_before_what_it_deletes() -> None:
    a = ORMap("a", of=ORSet)
    a["k"].add("x")
    first = a.delta(None)
    b = ORMap("b", of=ORSet)
    b.merge(first)
    version = b.version
    del b["k"]
    removal = b.delta(version)
    late = ORMap("late", of=ORSet)
    assert late.merge(removal) is False
    assert late.pending == 1
    assert late.merge(first) is True
    assert late.pending == 0
    assert len(late) == 0
    assert late.to_bytes() == b.to_bytes()


def test_a_losing_write_survives_the_delete_of_the_winner() -> None:
    """Of two concurrent writes a delete has seen only the greater: the other is what is left."""
    low = ORMap("low", of=LWWRegister, clock=lambda: EPOCH_MS)
    high = ORMap("high", of=LWWRegister, clock=lambda: EPOCH_MS + 9)
    low["k"].set("low")
    high["k"].set("high")
    knows_high = high.fork("remover")
    del knows_high["k"]
    one, two = ORMap("one", of=LWWRegister), ORMap("two", of=LWWRegister)
    for state in (low, high, knows_high):
        one.merge(state)
    for state in (knows_high, high, low):
        two.merge(state)
    assert one.to_bytes() == two.to_bytes()
    assert one["k"].value == "low"


# -- clocks --------------------------------------------------------------------------------------------


def stamped(type_: Any, name: str, now: list[int]) -> tuple[Any, Any]:
    state = type_(name, clock=lambda: now[0])
    if type_ is LWWRegister:
        return state, lambda value: state.set(value)
    if type_ is Notes:
        return state, lambda value: state.config.__setitem__("k", value)
    return state, lambda value: state.__setitem__("k", value)


@pytest.mark.parametrize("type_", [LWWRegister, LWWMap, Notes])
def test_a_delta_from_the_future_waits_for_its_time(type_: Any) -> None:
    ahead, here = [EPOCH_MS + 61_000], [EPOCH_MS]
    a, write = stamped(type_, "a", ahead)
    write("early")
    b, _ = stamped(type_, "b", here)
    empty = b.to_bytes()
    assert b.merge(a.to_bytes()) is False
    assert b.merge(a.to_bytes()) is False, "twice is once"
    assert b.pending == 1
    assert b.to_bytes() == empty, "neither landed nor clamped"
    here[0] += 1_000
    assert b.pending == 0, "its time has come"
    assert b.to_bytes() == a.to_bytes()


@pytest.mark.parametrize("type_", [LWWRegister, LWWMap, Notes])
def test_a_minute_ahead_is_accepted(type_: Any) -> None:
    a, write = stamped(type_, "a", [EPOCH_MS + 60_000])
    write("v")
    b, write_here = stamped(type_, "b", [EPOCH_MS])
    write_here("before")
    assert b.merge(a) is True
    write_here("later")  # has seen the other, so it must win though its clock is behind
    assert a.merge(b) is True
    assert "later" in repr(a)


def test_equal_stamps_are_decided_by_writer_name() -> None:
    """Byte order of UTF-8 names: "B" < "a" < "é"."""
    values = set()
    for order in itertools.permutations(["B", "a", "é"]):
        reader = LWWMap("reader", clock=lambda: EPOCH_MS)
        for name in order:
            writer = LWWMap(name, clock=lambda: EPOCH_MS)
            writer["k"] = name
            reader.merge(writer)
        values.add(reader["k"])
    assert values == {"é"}


def test_a_clock_set_back_does_not_lose_the_newer_write() -> None:
    now = [EPOCH_MS]
    m = LWWMap("a", clock=lambda: now[0])
    m["k"] = 1
    now[0] -= 3_600_000
    m["k"] = 2
    other = LWWMap("b", clock=lambda: EPOCH_MS)
    other.merge(m)
    assert other["k"] == 2
    del m["k"]
    other.merge(m)
    assert "k" not in other


# -- late deltas ---------------------------------------------------------------------------------------


def test_what_waits_lands_when_the_gap_closes() -> None:
    a = Text("a")
    posts = []
    for letter in "gaps":
        before = a.version
        a.append(letter)
        posts.append(a.delta(before))
    b = Text("b")
    for count, post in enumerate(reversed(posts[1:]), 1):
        assert b.merge(post) is False
        assert b.pending == count
        assert str(b) == ""
    assert b.merge(posts[0]) is True
    assert b.pending == 0
    assert str(b) == "gaps"


def test_what_waits_is_dropped_once_a_full_state_brings_it() -> None:
    a = GSet("a")
    a.add(1)
    version = a.version
    a.add(2)
    b = GSet("b")
    b.merge(a.delta(version))
    assert b.pending == 1
    assert b.merge(a.to_bytes()) is True
    assert b.pending == 0
    assert b == a


def test_a_bad_delta_that_waited_harms_nobody() -> None:
    """It cannot be checked before what it builds on is here; then it is dropped without a word."""
    from .wire_format import with_checksum

    a = GSet("a")
    a.add(1)
    version, first = a.version, a.to_bytes()
    a.add(2)
    good = a.delta(version)
    bad = with_checksum(good[:-1] + bytes([good[-1] ^ 0xFF]))
    b = GSet("b")
    for waiting in (bad, good):
        try:
            b.merge(waiting)
        except crdt.DecodeError:
            assert waiting is bad
    assert b.merge(first) is True
    b.check_invariants()
    assert b.pending == 0
    assert b == a
