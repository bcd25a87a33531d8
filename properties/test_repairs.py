"""Nodes whose states were damaged at random become equal by repair in pairs, whatever the pairs and the network."""

from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crdt.repair import entries, repair
from properties.test_repair import KEY
from tests.fuzz.seeds import MAKERS, clock, edit
from tests.sync.ward import Ward

NAMES = sorted(MAKERS)
seeds = st.integers(0, 2**32)


def life(rng: Random, state: Any, until: int) -> Any:
    """Another life of the writer from this state on, at whose end it has counted so far; None if it counted further."""
    other = state.fork("w")
    for _ in range(50):
        if other.version.get("w", 0) >= until:
            break
        edit(rng, other)
    return other if other.version.get("w", 0) == until else None


def of_one_version(name: str, seed: int, count: int) -> list[Any]:
    """States of one version: the lives of one writer, each with changes of its own, some damaged besides."""
    rng, make = Random(seed), MAKERS[name]
    start = make("w", clock=clock)
    for _ in range(rng.randint(0, 6)):
        edit(rng, start)
    first = start.fork("w")
    for _ in range(rng.randint(1, 5)):
        edit(rng, first)
    until = first.version.get("w", 0)
    states = [first, *(life(rng, start, until) or first.fork("w") for _ in range(count - 1))]
    for state in states:
        if rng.random() < 0.5:
            twin = make("w", clock=clock)
            for _ in range(rng.randint(1, 6)):
                edit(rng, twin)
            repair(state, entries(twin, KEY, None))
    return states


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(seed=seeds, count=st.integers(3, 5), loss=st.sampled_from([0.0, 0.2]), doubled=st.sampled_from([0.0, 0.3]))
def test_damaged_replicas_end_equal_whoever_meets_whom(
    name: str, seed: int, count: int, loss: float, doubled: float
) -> None:
    states = of_one_version(name, seed, count)
    assume(len({state.digest() for state in states}) > 1)
    version = states[0].version
    ward = Ward(states, seed=seed, loss=loss, doubled=doubled, delay=(0.001, 0.3), repair_timeout=2.0)
    names = list(ward.nodes)

    def meet() -> bool:
        ward.compare(*ward.random.sample(names, 2))
        return ward.are_equal()

    for _ in range(400):
        if meet():
            break
        ward.run(ward.random.uniform(0.0, 1.0))
    assert ward.are_equal(), [node.repairs.status() for node in ward.nodes.values()]
    for node in ward.nodes.values():
        node.state.check_invariants()
        assert node.state.version == version
        assert node.state.to_bytes() == ward["a"].state.to_bytes()
        assert all(outcome == "repaired" for *_, outcome in node.ended)
