"""The judge of histories against the definition, and against histories whose verdict is known."""

from itertools import permutations
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.simulation.linearizability import Call, refute


def register(state: Any, asked: Any) -> tuple[Any, Any]:
    """("write", value) -> None, or ("read",) -> value, or ("swap", expected, value) -> whether it was."""
    if asked[0] == "write":
        return asked[1], None
    if asked[0] == "read":
        return state, state
    return (asked[2], True) if state == asked[1] else (state, False)


def by_definition(calls: list[Call], initial: Any) -> bool:
    """Whether some order of all closed and some open calls keeps to time and explains the answers."""
    closed = [k for k, call in enumerate(calls) if not call.is_open]
    opened = [k for k, call in enumerate(calls) if call.is_open]
    for mask in range(1 << len(opened)):
        taken = closed + [k for at, k in enumerate(opened) if mask >> at & 1]
        for order in permutations(taken):
            if any(calls[b].end < calls[a].start for at, a in enumerate(order) for b in order[at + 1 :]):
                continue
            state = initial
            for k in order:
                state, answer = register(state, calls[k].asked)
                if not calls[k].is_open and answer != calls[k].answer:
                    break
            else:
                return True
    return False


asked = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 2)),
    st.tuples(st.just("read")),
    st.tuples(st.just("swap"), st.integers(0, 2), st.integers(0, 2)),
)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    what = draw(asked)
    answers = {"write": st.none(), "read": st.integers(0, 2), "swap": st.booleans()}[what[0]]
    start = draw(st.integers(0, 12))
    end = draw(st.one_of(st.integers(start, 14).map(float), st.just(inf)))
    return Call("k", what, draw(answers), float(start), end)


@settings(max_examples=400)
@given(st.lists(calls(), max_size=5))
def test_it_agrees_with_the_definition(history: list[Call]) -> None:
    assert (refute(history, register, 0) is None) == by_definition(history, 0)


def sequential(random: Random, count: int, clients: int) -> list[Call]:
    """Calls of clients that each took effect at a moment of its own, some of them with no answer."""
    busy = [0.0] * clients
    state, now, found = 0, 0.0, []
    for number in range(count):
        now += 1.0
        client = min(range(clients), key=lambda each: busy[each] + random.random())
        start = max(busy[client], now - random.uniform(0.0, clients))
        what = random.choice([("write", number), ("read",), ("swap", state, number)])
        state, answer = register(state, what)
        end = now + random.uniform(0.0, clients)
        busy[client] = end
        found.append(Call("k", what, answer, min(start, now), end))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_what_was_done_one_at_a_time_is_accepted(seed: int) -> None:
    random = Random(seed)
    history = sequential(random, 300, 5)
    for at in random.sample(range(300), 9):
        if history[at].asked[0] != "read":
            history[at] = history[at]._replace(end=inf)
    random.shuffle(history)
    assert refute(history, register, 0) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_read_of_what_was_overwritten_before_it_began_is_refuted(seed: int) -> None:
    random = Random(seed)
    history = sequential(random, 200, 4)
    history.append(Call("k", ("write", "late"), None, 1000.0, 1001.0))
    history.append(Call("k", ("read",), history[-2].asked[1:] or 0, 1002.0, 1003.0))
    found = refute(history, register, 0)
    assert found is not None and "cannot have been done one at a time" in str(found)
    assert found.stuck == (history[-1],)


def test_a_write_without_an_answer_may_take_effect_much_later_but_not_twice() -> None:
    lost = Call("k", ("write", 1), None, 0.0)
    after = [Call("k", ("write", 2), None, 1.0, 2.0)]
    after += [Call("k", ("read",), 2, 3.0, 4.0), Call("k", ("read",), 1, 5.0, 6.0)]
    assert refute([lost, *after], register, 0) is None
    again = [Call("k", ("write", 3), None, 7.0, 8.0), Call("k", ("read",), 1, 9.0, 10.0)]
    assert refute([lost, *after, *again], register, 0) is not None


def test_open_calls_that_ask_the_same_are_one_to_the_search() -> None:
    """Tried one for another, twenty of them would have a million subsets."""

    def counter(state: Any, asked: Any) -> tuple[Any, Any]:
        return (state + 1, None) if asked == ("add",) else (state, state)

    lost = [Call("k", ("add",), None, float(at)) for at in range(20)]
    seen = [Call("k", ("read",), at // 2, 30.0 + at, 30.5 + at) for at in range(41)]
    assert refute([*lost, *seen], counter, 0, steps_max=2000) is None
    found = refute([*lost, *seen, Call("k", ("read",), 21, 90.0, 91.0)], counter, 0, steps_max=20_000)
    assert found is not None and len(found.explained) > 40


def test_keys_are_judged_apart() -> None:
    good = [Call(key, ("write", key), None, 0.0, 1.0) for key in range(50)]
    assert refute(good, register, 0) is None
    found = refute([*good, Call(7, ("read",), 8, 2.0, 3.0)], register, 0)
    assert found is not None and found.key == 7


def test_an_empty_history_is_linearizable() -> None:
    assert refute([], register, 0) is None
