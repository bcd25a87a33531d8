"""Deleted elements of lists and texts go in two purges, and whoever missed them is told."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import crdt
from crdt import Composite, OpBasedList, ORMap, Text


class State(Composite):
    notes: Text
    pages: ORMap = crdt.field(of=Text)


def two_purges(a: Any, *others: Any) -> None:
    """What is deleted is condemned, all hear of it, and what is condemned goes."""
    for _ in range(2):
        for other in others:
            other.merge(a.delta(other.version))
        a._purge(a.version)


@pytest.mark.parametrize(
    ("make", "typed"), [(Text, "typed"), (OpBasedList, ["t", "y", 1])], ids=["Text", "OpBasedList"]
)
def test_a_hundred_thousand_elements_that_were_typed_and_deleted_leave_nothing(make: Any, typed: Any) -> None:
    a, b = make("a"), make("b")
    a.insert(0, "kept") if make is Text else a.append("kept")
    before = len(a.to_bytes())
    sizes = []
    for number in range(20_000):
        insert = a.insert if make is Text else a.insert_many
        insert(number % 2, typed)
        a.delete(number % 2, len(typed))
        if number % 2000 == 1999:
            two_purges(a, b)
            sizes.append((sys.getsizeof(a), sys.getsizeof(b), len(a.to_bytes())))
    assert all(held < 8192 and peer < 200_000 and written < before + 40 for held, peer, written in sizes), sizes
    b.merge(a.delta(b.version))
    assert b.to_bytes() == a.to_bytes()
    assert sys.getsizeof(b) < 8192
    b.check_invariants()


def test_a_deleted_element_goes_at_the_second_purge_and_not_before() -> None:
    a, b = Text("a"), Text("b")
    a.insert(0, "left right")
    b.merge(a)
    a.delete(4, 6)
    assert a._purgeable({}) == 6
    assert a._purge({})
    assert a._purgeable(a.version) == 6
    held = len(a.to_bytes())
    b.merge(a.delta(b.version))
    assert b.to_bytes() == a.to_bytes()
    assert a._purge(a.version)
    assert len(a.to_bytes()) < held
    assert a._purgeable(a.version) == 0
    b.merge(a.delta(b.version))
    assert b.to_bytes() == a.to_bytes()
    assert str(b) == "left"


def test_what_was_inserted_beside_a_condemned_element_keeps_it() -> None:
    a, b = Text("a"), Text("b")
    a.insert(0, "lr")
    a.insert(1, "x")
    b.merge(a)
    b.insert(2, "u")
    a.delete(1, 1)
    a._purge({})
    a.insert(0, "0")  # it looks for what may be passed over
    a.merge(b)
    same = Text.from_bytes(a.to_bytes(), replica="a")
    for state in (a, same):
        state.insert(2, "y")
        state.check_invariants()
    assert same.to_bytes() == a.to_bytes(), "an edit depends on the state alone"
    assert str(a) == "0lyur"
    b.merge(a)
    a._purge(b.version)
    b.merge(a.delta(b.version))
    assert b.to_bytes() == a.to_bytes()
    b.check_invariants()


def test_who_missed_the_purges_of_a_text_is_told_all_of_it() -> None:
    a, reader = State("a"), State("reader")
    a.notes.append("hello world")
    reader.merge(a)
    stale = a.delta({})
    a.notes.delete(3, 8)
    two_purges(a)
    a.notes.append("!")
    assert reader.merge(a.delta(reader.version))
    assert reader.to_bytes() == a.to_bytes()
    assert reader.value["notes"] == "hel!"
    reader.check_invariants()
    again = State.from_bytes(a.to_bytes(), "again")
    a.notes.delete(0, 4)
    two_purges(a)
    assert again.merge(a.delta(again.version))
    assert again.value["notes"] == ""
    assert again.to_bytes() == a.to_bytes()
    assert a.merge(stale) is False
    again.check_invariants()


def test_a_delta_that_brings_again_what_was_taken_out_is_understood() -> None:
    a, b = Text("a"), Text("b")
    b.insert(0, "one two three")
    start = b.version
    a.merge(b)
    b.delete(7, 6)
    b.insert(0, "zero ")
    a.merge(b)
    a._purge({})
    b.merge(a)
    assert a._purge(b.version)
    assert len(a) == 12
    late = b.delta({})
    assert a.merge(late) is False
    b.append("!")
    nothing: dict[str, int] = {}
    for since in (nothing, start):
        fresh = Text.from_bytes(a.to_bytes(), replica="c")
        assert fresh.merge(b.delta(since))
        assert str(fresh) == "zero one two!"
        fresh.check_invariants()


def test_a_cursor_at_an_element_that_was_purged_says_so() -> None:
    a = Text("a")
    a.insert(0, "text")
    cursor = a.cursor(3)
    a.delete(2, 2)
    two_purges(a)
    with pytest.raises(KeyError):
        a.index_of(cursor)


def test_a_text_that_was_emptied_below_a_map_is_forgotten_with_its_key() -> None:
    a, b = State("a"), State("b")
    a.pages["p"].append("page")
    b.merge(a)
    empty = len(State("a").to_bytes())
    del a.pages["p"]
    for _ in range(2):
        two_purges(a, b)
    b.merge(a.delta(b.version))
    assert b.to_bytes() == a.to_bytes()
    assert len(a.to_bytes()) < empty + 40
    b.pages["p"].append("again")
    a.merge(b)
    assert a.value["pages"] == {"p": "again"}
    a.check_invariants()
