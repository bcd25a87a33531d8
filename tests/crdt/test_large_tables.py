"""Deltas of tables that are large enough for blocks of rows to be passed over."""

from random import Random

import pytest

from crdt import GSet, LWWMap, ORSet

KEYS = 5000


def change(state, rng: Random) -> None:
    key = rng.randrange(KEYS)
    if isinstance(state, LWWMap):
        state[key] = rng.random()
    elif isinstance(state, ORSet) and rng.random() < 0.3:
        state.discard(key)
    else:
        state.add(key)


@pytest.mark.parametrize("kind", [LWWMap, GSet, ORSet])
def test_a_delta_has_all_that_is_new_and_nothing_else(kind) -> None:
    rng = Random(kind.__name__)
    writers = [kind(f"w{n}") for n in range(6)]
    follower = kind("follower")
    for writer in writers:
        for _ in range(rng.choice([10, 3000])):
            change(writer, rng)
    for number in range(60):
        writer, other = rng.sample(writers, 2)
        for _ in range(rng.choice([1, 40])):
            change(writer, rng)
        other.merge(writer.delta(other.version))
        if number % 7 == 3:
            writers[writers.index(other)] = other = kind.from_bytes(other.to_bytes(), replica=f"again{number}")
        delta = other.delta(follower.version)
        follower.merge(delta)
        other.check_invariants()
        assert not follower.merge(other), number
    follower.check_invariants()


def test_a_delta_of_few_changes_looks_at_few_rows() -> None:
    large = LWWMap("a")
    large.update((key, 0) for key in range(200_000))
    before = large.version
    large[77] = 1
    delta = large.delta(before)
    assert len(delta) < 60
    copy = LWWMap.from_bytes(large.to_bytes(), replica="b")
    copy[500] = 2
    large.merge(copy.delta(large.version))
    assert large[500] == 2
    assert len(large.delta(before)) < 100
