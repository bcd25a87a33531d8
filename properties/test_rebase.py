"""Rebasing keeps what a state alone has: where nothing was purged it gives what merging would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crdt import RetiredError

from .registry import EVERYTHING, NESTED, SIMPLE
from .subjects import Subject
from .world import World

# A sequence's order and a register's siblings are not those of a merge: see the tests of their own.
EXACT = [s for name, s in SIMPLE.items() if name not in ("Text", "OpBasedList", "MVRegister")]
ALONE = [*SIMPLE.values(), *NESTED, EVERYTHING]


def two_sides(subject: Subject, data: st.DataObject) -> tuple[Any, Any]:
    history = data.draw(subject.histories(late=False), "history")
    world = World(subject, 2).run(history)
    return world.replicas[0].state, world.replicas[1].state


@pytest.mark.parametrize("subject", [*EXACT, *[n for n in NESTED if n.child in EXACT]], ids=repr)
@given(data=st.data())
def test_rebasing_gives_the_value_of_merging(subject: Subject, data: st.DataObject) -> None:
    state, newer = two_sides(subject, data)
    rebased = state.rebase(newer.to_bytes(), "rebased")
    rebased.check_invariants()
    merged = newer.fork("merged")
    merged.merge(state)
    assert subject.view(rebased) == subject.view(merged)


@pytest.mark.parametrize("subject", ALONE, ids=repr)
@given(data=st.data())
def test_what_is_rebased_is_a_state_like_any_other(subject: Subject, data: st.DataObject) -> None:
    state, newer = two_sides(subject, data)
    before = state.to_bytes()
    rebased = state.rebase(newer, "rebased")
    rebased.check_invariants()
    assert state.to_bytes() == before, "the state itself stays as it was"
    assert subject.from_bytes(rebased.to_bytes(), "other") == rebased
    other = newer.fork("other")
    other.merge(rebased.delta(other.version))
    assert other.to_bytes() == rebased.to_bytes()
    other.check_invariants()


@pytest.mark.parametrize("subject", ALONE, ids=repr)
@given(data=st.data())
def test_a_state_without_news_rebases_to_the_newer_one(subject: Subject, data: st.DataObject) -> None:
    state, newer = two_sides(subject, data)
    newer.merge(state)
    assume(newer.version)
    assert state.rebase(newer, "rebased").to_bytes() == newer.to_bytes()


def purged(subject: Subject, data: st.DataObject) -> tuple[Any, Any]:
    """A state that was away, and one whose writer was retired meanwhile by its successor.

    Before it went, the one may have purged what both held, as the other's purge does, too.
    """
    away, newer = two_sides(subject, data)
    if newer.replica not in newer.version or newer.version <= away.version:
        away, newer = newer, away
    assume(newer.replica in newer.version and not newer.version <= away.version)
    if data.draw(st.booleans(), "has purged itself"):
        away._purge({name: min(count, newer.version.get(name, 0)) for name, count in away.version.items()})
    successor = newer.fork("successor")
    assert successor._purge(newer.version, {newer.replica: newer.version[newer.replica]})
    return away, successor


@pytest.mark.parametrize("subject", ALONE, ids=repr)
@given(data=st.data())
def test_who_else_was_away_with_it_comes_to_the_same(subject: Subject, data: st.DataObject) -> None:
    away, newer = purged(subject, data)
    rebased = away.rebase(newer, "rebased")
    rebased.check_invariants()
    too = away.fork("too")
    if not away.version <= rebased.version:  # a purge of its own counts for nobody else
        with pytest.raises(RetiredError):
            too.merge(rebased)
        return
    assert away.rebase(rebased, "again").to_bytes() == rebased.to_bytes()
    too.merge(rebased)
    assert too.to_bytes() == rebased.to_bytes()
    too.check_invariants()


ONCE = [s for name, s in SIMPLE.items() if name in ("GCounter", "PNCounter", "GSet", "LWWMap", "LWWRegister")]


@pytest.mark.parametrize("subject", ONCE, ids=repr)
@given(data=st.data())
def test_what_two_wrote_again_apart_is_there_once(subject: Subject, data: st.DataObject) -> None:
    away, newer = purged(subject, data)
    one, other = away.rebase(newer, "one"), away.rebase(newer, "other")
    value = subject.view(one)
    one.merge(other)
    other.merge(one)
    assert subject.view(one) == value
    assert one.to_bytes() == other.to_bytes()


@pytest.mark.parametrize("subject", ALONE, ids=repr)
@given(data=st.data())
def test_two_that_were_away_together_hold_the_same_in_the_end(subject: Subject, data: st.DataObject) -> None:
    """Each writes again what it has, apart; one may have removed what the other still holds."""
    world = World(subject, 3).run(data.draw(subject.histories(late=False), "history"))
    newer = world.replicas[2].state
    before = newer.version
    world.run(("edit", 2, command) for command in data.draw(st.lists(subject.commands, min_size=1), "alone"))
    assume(newer.version != before)
    del world.replicas[2:]
    together = data.draw(subject.histories(late=False), "together")
    world.run(step for step in together if step[0] != "fork")
    one, other = (replica.state for replica in world.replicas)
    successor = newer.fork("successor")
    assert successor._purge(newer.version, {newer.replica: newer.version[newer.replica]})
    first, second = one.rebase(successor, "first"), other.rebase(successor, "second")
    first.merge(second)
    second.merge(first)
    assert first.to_bytes() == second.to_bytes()
    first.check_invariants()
