"""Any two states become equal by repair, whatever was done to them, and lose nothing that either shows.

Damage is made as it happens: a writer's name lives twice (a fork under the same name), both lives edit,
and what they made is exchanged among others too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt import Composite, DecodeError, LWWMap, OpBasedList, ORMap, ORSet, RetiredError, Text
from crdt.repair import Sketch, entries, repair
from replication.repair.reconcile import Initiator, Responder
from tests.fuzz.seeds import MAKERS, clock, edit

KEY = bytes(range(16))
NAMES = sorted(MAKERS)
seeds = st.integers(0, 2**32)


def damaged(make: Callable[..., Any], seed: int, *, purges: bool = False) -> list[Any]:
    """Five states of three writers, two of which live twice. `purges`: some purge, and not at a stable cut."""
    rng = random.Random(seed)
    a, o = make("a", clock=clock), make("o", clock=clock)
    for _ in range(rng.randint(0, 8)):
        edit(rng, rng.choice([a, o]))
    a.merge(o)
    states = [a, a.fork("a"), o, o.fork("o"), a.fork("z")]
    for _ in range(rng.randint(1, 14)):
        edit(rng, rng.choice(states))
        if purges and rng.random() < 0.3:
            purger = rng.choice(states)
            purger._purge(purger.version)
        if rng.random() < 0.2:
            exchange(*rng.sample(states, 2))
    return states


def exchange(to: Any, origin: Any) -> None:
    # Refused are elements that contradict those held under the same ids: what repair is for.
    with suppress(DecodeError, RetiredError):
        to.merge(origin.delta(to.version))


def shown(state: Any) -> Any:
    """The value, comparable: `1` and `True` are two keys, and NaN is itself."""
    if isinstance(state, Composite):
        return [(name, shown(getattr(state, name))) for name in type(state).fields()]
    if isinstance(state, ORMap):
        return sorted((repr(key), repr(shown(state[key]))) for key in state)
    if isinstance(state, LWWMap):
        return sorted((repr(key), repr(value)) for key, value in state.items())
    if isinstance(state, OpBasedList | Text):
        return repr(state.value)
    try:
        return sorted(map(repr, state))
    except TypeError:
        return repr(state.values if hasattr(state, "values") else state.value)


def copy_of(state: Any) -> Any:
    options: dict[str, Any] = {"of": state.of} if isinstance(state, ORMap) else {}
    return type(state).from_bytes(state.to_bytes(), clock=clock, **options)


def reconcile(a: Any, b: Any, *, takes_version: bool) -> None:
    initiator = Initiator(a, KEY, expected=2, takes_version=takes_version)
    responder = Responder(b, initiator.offer())
    message = responder.answer(b)
    while message is not None:
        reply = initiator.step(a, message)
        message = None if reply is None else responder.step(b, reply)
    assert initiator.is_over
    assert responder.is_over


def assert_equal(a: Any, b: Any) -> None:
    a.check_invariants()
    b.check_invariants()
    assert a.version == b.version
    assert a.digest() == b.digest()
    assert a.to_bytes() == b.to_bytes()
    assert shown(a) == shown(b)


@pytest.mark.parametrize("name", NAMES)
@given(seed=seeds)
def test_two_states_repaired_both_ways_are_equal(name: str, seed: int) -> None:
    a, b, *_ = damaged(MAKERS[name], seed)
    exchange(a, b)
    exchange(b, a)
    reconcile(a, b, takes_version=a.version != b.version)
    assert_equal(a, b)


PURGED = [name for name in NAMES if name.startswith(("LWW", "ORMap-", "Composite"))]


@pytest.mark.parametrize("name", PURGED)
@given(seed=seeds)
def test_states_that_purged_differently_are_repaired_or_refused(name: str, seed: int) -> None:
    a, b, *_ = damaged(MAKERS[name], seed, purges=True)
    a, b = copy_of(a), copy_of(b)  # as after a restart
    exchange(a, b)
    exchange(b, a)
    before = a.to_bytes(), b.to_bytes()
    try:
        for _ in range(2):  # what a purge that came by the first takes is gone from both after the second
            reconcile(a, b, takes_version=a.version != b.version)
    except RetiredError:
        assert before[0] != before[1]
        assert a.version != b.version
        a.check_invariants()
        b.check_invariants()
        return
    assert_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12)
@given(seed=seeds)
def test_all_states_converge_by_repair_in_pairs(name: str, seed: int) -> None:
    states = damaged(MAKERS[name], seed)
    for _ in range(4):
        for a, b in zip(states, states[1:] + states[:1], strict=True):
            exchange(a, b)
            exchange(b, a)
            reconcile(a, b, takes_version=True)
            assert_equal(a, b)
    for state in states[1:]:
        assert_equal(states[0], state)


@pytest.mark.parametrize("name", NAMES)
@given(seed=seeds)
def test_repair_is_idempotent_and_goes_on_living(name: str, seed: int) -> None:
    a, b, *_ = damaged(MAKERS[name], seed)
    everything = entries(b, KEY, None, b.version)
    repair(a, everything)
    before = a.to_bytes()
    assert not repair(a, everything)
    assert a.to_bytes() == before
    again = copy_of(a)
    assert_equal(a, again)
    heir = a.fork("heir")
    edit(random.Random(seed), heir)
    a.merge(heir)
    again.merge(heir)
    assert_equal(a, again)


@given(seed=seeds)
def test_nothing_that_a_set_shows_is_lost(seed: int) -> None:
    a, b, *_ = damaged(ORSet, seed)
    exchange(a, b)
    exchange(b, a)
    both = {repr(x) for x in a} | {repr(x) for x in b}
    reconcile(a, b, takes_version=True)
    assert {repr(x) for x in a} == both


@given(words=st.lists(st.text("abc", min_size=1, max_size=4), min_size=4, max_size=4))
def test_what_two_lives_typed_at_different_ids_is_all_there(words: list[str]) -> None:
    a = Text("w")
    a.append(words[0])
    b = a.fork("w")
    a.insert(0, words[1])
    other = b.fork("x")
    other.insert(0, words[2])
    b.merge(other)
    b.append(words[3])
    reconcile(a, b, takes_version=True)
    assert_equal(a, b)
    assert words[2] in str(a)
    assert len(str(a)) == len(words[0]) + len(words[2]) + max(len(words[1]), len(words[3]))


@pytest.mark.parametrize("name", NAMES)
@given(seed=seeds)
def test_equal_states_have_equal_symbols_and_no_difference(name: str, seed: int) -> None:
    state = damaged(MAKERS[name], seed)[0]
    one, two = Sketch(state, KEY), Sketch(copy_of(state), KEY)
    assert one.symbols(0, 20) == two.symbols(0, 20)
    assert two.difference(one.symbols(0, 1)) == ([], [])
