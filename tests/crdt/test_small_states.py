"""What small states take, and what they make only when it is needed: names, views, room for undo records."""

from __future__ import annotations

import gc
import random
import sys
import weakref

import pytest

from crdt import Composite, GCounter, GSet, LWWMap, OpBasedList, ORMap, Text


class Agent(Composite):
    done: GCounter
    flags: GSet
    config: LWWMap
    notes: OpBasedList


def agent(replica: str | None = None) -> Agent:
    state = Agent(replica)
    state.done.increment()
    state.flags.add("ready")
    state.config["model"] = "small"
    state.notes.append("started")
    return state


# More than keep the views of their fields at a time.
MANY = 5000


def test_small_states_stay_small() -> None:
    assert sys.getsizeof(agent()) < 1570
    for entries, bound in ((1, 550), (5, 690), (10, 870)):
        m = LWWMap()
        for number in range(entries):
            m[f"{number:09d}"] = number
        assert sys.getsizeof(m) < bound
    maps = ORMap(of=LWWMap)
    for number in range(1000):
        for key in range(5):
            maps[str(number)][f"field{key}"] = number
    assert sys.getsizeof(maps) / 1000 < 395


def test_fields_are_shown_whether_or_not_their_views_were_kept() -> None:
    first = Agent("a")
    shown, missing = first.done, first.config
    others = [agent() for _ in range(MANY)]
    first.done.increment()
    shown.increment(2)
    missing["x"] = 1
    assert first.done is not shown
    assert first.value == {"done": 3, "flags": set(), "config": {"x": 1}, "notes": []}
    assert all(other.done.value == 1 for other in others)
    first.check_invariants()


def test_composites_that_kept_views_go() -> None:
    gone = [weakref.ref(agent()) for _ in range(100)]
    gc.collect()
    assert not any(one() for one in gone)
    for _ in range(3 * MANY):
        Agent("a").done.increment()
    assert agent().done.value == 1


@pytest.mark.parametrize("inner_fails", [False, True])
@pytest.mark.parametrize("outer_fails", [False, True])
def test_transactions_of_two_states_within_each_other(inner_fails: bool, outer_fails: bool) -> None:
    outer, inner = agent("a"), agent("b")
    before = outer.value, inner.value

    def fail(state: Agent) -> None:
        raise KeyError

    def change(state: Agent) -> None:
        state.config["model"] = "large"
        state.notes.append("changed")
        if inner_fails:
            fail(state)

    def change_both(state: Agent) -> None:
        state.done.increment()
        try:
            inner._transact(change)
        except KeyError:
            assert inner_fails
        state.flags.add("done")
        if outer_fails:
            fail(state)

    for _ in range(2):
        try:
            outer._transact(change_both)
        except KeyError:
            assert outer_fails
        assert (outer.value == before[0]) is outer_fails
        assert (inner.value == before[1]) is inner_fails
        outer.check_invariants()
        inner.check_invariants()


def test_a_made_up_name_is_the_same_whenever_it_is_asked_for() -> None:
    asked_first, asked_last, never_written = GCounter(), GCounter(), GCounter()
    name = asked_first.replica
    asked_first.increment()
    asked_last.increment()
    assert asked_first.replica == name
    assert dict(asked_last.version) == {asked_last.replica: 1}
    assert never_written.replica == never_written.replica
    names = {state.replica for state in (asked_first, asked_last, never_written, asked_last.fork(), GCounter())}
    assert len(names) == 5
    unasked = GCounter()
    unasked.increment()
    twin = unasked.fork()
    twin.increment()
    assert dict(twin.version) == {unasked.replica: 1, twin.replica: 1}
    assert unasked._snapshot().replica == unasked.replica


def edit_and_fail(text: Text) -> None:
    text.insert(len(text) // 2, "z")
    text.delete(0, len(text) // 3)
    raise ZeroDivisionError


@pytest.mark.parametrize("seed", range(20))
def test_a_small_sequence_is_copied_and_grows(seed: int) -> None:
    """Across the few spans that the only leaf of a small one has room for, by inserts, deletions and undo."""
    rng = random.Random(seed)
    pairs = [(Text("a"), [])]
    for step in range(60):
        text, plain = rng.choice(pairs)
        at = rng.randint(0, len(plain))
        if rng.random() < 0.5 or not plain:
            text.insert(at, "xy")
            plain[at:at] = "xy"
        else:
            text.delete(at - 1 if at else 0, 1)
            del plain[at - 1 if at else 0]
        if rng.random() < 0.2:
            with pytest.raises(ZeroDivisionError):
                text._transact(edit_and_fail)
        if step % 15 == 0:
            pairs.append((text.fork(), list(plain)))
        for each, expected in pairs:
            assert str(each) == "".join(expected)
            each.check_invariants()
            assert type(each).from_bytes(each.to_bytes()) == each


def test_a_state_whose_clock_leads_back_to_it_goes() -> None:
    class Clocked:
        def __init__(self) -> None:
            self.map = LWWMap(clock=self.now)
            self.map["x"] = 1

        def now(self) -> int:
            return 1000

    gone = weakref.ref(Clocked())
    gc.collect()
    assert gone() is None


def test_an_option_is_kept_whichever_way_a_state_came_about() -> None:
    ahead = LWWMap("ahead", clock=lambda: 500_000)
    ahead["x"] = 1
    strict, patient = (LWWMap("me", clock=lambda: 0, max_drift=drift) for drift in (60, 500))
    for one in (strict, strict.fork("fork"), LWWMap.from_bytes(LWWMap().to_bytes(), "new", clock=lambda: 0)):
        assert not one.merge(ahead.delta())
        assert one.pending == 1
        assert one.fork("again").pending == 1
    assert patient.fork("fork").merge(ahead.delta())


def test_a_field_holds_its_part_of_the_memory() -> None:
    state = agent()
    small = sys.getsizeof(state.config)
    for number in range(1000):
        state.config[f"key {number}"] = number
    assert 20_000 < sys.getsizeof(state.config) - small < sys.getsizeof(state)
    assert sys.getsizeof(state.flags) < 500
