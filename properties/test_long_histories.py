"""Histories of thousands of edits: long enough for what happens late and in bulk.

Logs of removals are cut, tables shrink and are compacted, trees of sequences split and melt, indexes
move. A model of such a history would be slow; instead the two ways to the same state are compared:
deltas as they come, and full states. Every random choice follows from the seed in the test's name.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.fuzz.seeds import MAKERS, edit

from .world import assert_equal_states

ROUNDS = 60


def check_against_full(states: list[Any], fresh: Any) -> None:
    """What deltas built is what full states build, here and from nothing."""
    whole = states[0].fork("whole")
    for state in states:
        state.check_invariants()
        whole.merge(state.to_bytes())
        fresh.merge(state.to_bytes())
    assert_equal_states(whole, fresh)
    for state in states:
        caught_up = state.fork("caught up")
        caught_up.merge(whole.delta(state.version))
        assert caught_up.pending == 0
        assert_equal_states(caught_up, whole)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_deltas_build_what_full_states_build(name: str, seed: int) -> None:
    rng = random.Random(f"{name}/{seed}")
    now = [2**41]
    states = [MAKERS[name](writer, clock=lambda: now[0]) for writer in ("b", "a", "c")]
    posts: list[bytes] = []
    for round_number in range(ROUNDS):
        for _ in range(rng.choice([1, 5, 100])):
            now[0] += rng.choice([0, 0, 1])
            edit(rng, rng.choice(states))
        source, target = rng.sample(states, 2)
        if rng.random() < 0.5:
            target.merge(source.delta(target.version))
        else:
            posts.append(source.delta(rng.choice(states).version))
        if posts and rng.random() < 0.5:
            target.merge(rng.choice(posts) or source)
        if round_number % 10 == 9:
            check_against_full(states, MAKERS[name]("fresh", clock=lambda: now[0]))
    for post in posts:
        for state in states:
            if post:
                state.merge(post)
    whole = states[0].fork("whole")
    for state in states:
        whole.merge(state)
    for state in states:
        state.merge(whole.delta(state.version))
        assert state.pending == 0
        assert_equal_states(state, whole)


@pytest.mark.parametrize("name", ["ORSet", "ORMap-GCounter", "ORMap-ORSet"])
def test_a_replica_from_before_the_log_of_removals_catches_up(name: str) -> None:
    """More is removed than any log keeps: the delta must then say what is left, not what went."""
    a = MAKERS[name]("a")

    def put(key: Any) -> None:
        if name == "ORSet":
            a.add(key)
        elif name == "ORMap-GCounter":
            a[key].increment()
        else:
            a[key].add(key)

    for key in range(400):
        put(key)
    b, c = a.fork("b"), a.fork("c")
    if name == "ORSet":
        b.add("meanwhile")
    versions = [a.version]
    for key in range(390):
        if name == "ORSet":
            a.remove(key)
        else:
            del a[key]
        if key % 50 == 0:
            versions.append(a.version)
    for version in versions:
        late = c.fork(f"late{version['a']}")
        late.merge(a.delta(late.version))
        assert_equal_states(late, a)
    b.merge(a.delta(b.version))
    assert sorted(k for k in b if type(k) is int) == list(range(390, 400))
    assert name != "ORSet" or "meanwhile" in b
