"""Loading builds a sequence from its origins at once: all must stand where it stood when it came one by one."""

from random import Random

import pytest

from crdt import OpBasedList, Text

HISTORIES = 150
TYPES = {"Text": (Text, "ab\xe9\u6f22\U0001f600"), "OpBasedList": (OpBasedList, [1, "two", b"three" * 9, [4], 2**70])}


def edit(state, alphabet, rng: Random) -> None:
    length = len(state)
    if rng.random() < 0.7 or not length:
        # Mostly at few places, so that concurrent inserts meet.
        position = rng.choice([0, length, length // 2, rng.randint(0, length)])
        for _ in range(rng.choice([1, 1, 2, 30])):
            state.insert(position, rng.choice(alphabet))
            position += rng.random() < 0.8
    else:
        position = rng.randrange(length)
        state.delete(position, min(rng.choice([1, 1, 5]), length - position))


def history(name: str, rng: Random):
    """States of several writers who meet now and then."""
    kind, alphabet = TYPES[name]
    states = [kind(f"w{n}") for n in rng.sample(range(9), rng.randint(1, 4))]
    for _ in range(rng.randint(3, 60)):
        edit(rng.choice(states), alphabet, rng)
        if rng.random() < 0.2:
            one, other = rng.choice(states), rng.choice(states)
            one.merge(other)
    return states


@pytest.mark.parametrize("name", TYPES)
def test_what_is_loaded_stands_as_it_stood(name: str) -> None:
    for seed in range(HISTORIES):
        rng = Random(f"{name} {seed}")
        states = history(name, rng)
        whole = TYPES[name][0]("whole")
        for state in states:
            whole.merge(state)
        for state in [*states, whole]:
            loaded = TYPES[name][0].from_bytes(state.to_bytes())
            loaded.check_invariants()
            received = TYPES[name][0]("r")
            received.merge(state.delta(received.version))
            received.check_invariants()
            assert list(loaded) == list(received) == list(state), seed
            assert loaded.digest() == received.digest() == state.digest(), seed
        # It can be edited, and others agree with that.
        others = TYPES[name][0].from_bytes(whole.to_bytes(), replica="other")
        for _ in range(5):
            edit(others, TYPES[name][1], rng)
        others.check_invariants()
        whole.merge(others)
        assert list(whole) == list(others), seed
        assert whole.digest() == others.digest(), seed


def test_right_siblings_with_other_right_origins_stand_by_these() -> None:
    """Of two inserted behind L the one stood before the end, the other, whose writer is first by name, before R."""
    first, second, third = Text("m"), Text("z"), Text("a")
    first.insert(0, "L")
    second.insert(0, "R")
    third.merge(first)
    third.merge(second)
    third.insert(1, "2")
    first.insert(1, "1")
    third.merge(first)
    third.insert(0, "S")
    assert str(third) == "SL12R"
    assert str(Text.from_bytes(third.to_bytes())) == "SL12R"
