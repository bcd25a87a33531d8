"""Bytes that were written once are read for ever, and written the same today."""

from __future__ import annotations

from typing import Any

import pytest

import crdt
from tests.crdt.samples import GOLDEN, STATES, Agent, agent, delta_of, samples

NAMES = sorted(samples())


def read(name: str) -> bytes:
    return (GOLDEN / f"{name}.bin").read_bytes()


def test_every_sample_is_committed_and_no_other() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.bin")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_today_writes_the_same_bytes(name: str) -> None:
    assert samples()[name] == read(name), "the format changed: see tests/crdt/samples.py before anything else"


def decoded(name: str, like: Any) -> Any:
    if isinstance(like, crdt.ORMap):
        return crdt.ORMap.from_bytes(read(name), of=like.of)
    return type(like).from_bytes(read(name))


@pytest.mark.parametrize("name", sorted(STATES))
def test_a_sample_is_read_as_what_it_was(name: str) -> None:
    made = STATES[name]()
    state = decoded(name, made)
    assert repr(state.value) == repr(made.value) or state == made
    assert state == made
    assert state.digest() == made.digest()
    assert state.to_bytes() == read(name)
    assert state.version == made.version
    state.check_invariants()


@pytest.mark.parametrize("name", sorted(STATES))
def test_a_sample_delta_lands_on_its_sample(name: str) -> None:
    made = STATES[name]()
    state = decoded(name, made)
    assert state.merge(read(f"{name}.delta")) is True
    delta_of(made)
    assert state.to_bytes() == made.to_bytes()
    fresh = type(made)() if not isinstance(made, crdt.ORMap) else crdt.ORMap(of=made.of)
    assert fresh.merge(read(f"{name}.delta")) is False
    assert fresh.pending == 1
    assert fresh.merge(read(name)) is True
    assert fresh.pending == 0
    assert fresh == made


def test_the_composite_reads_field_by_field() -> None:
    """Written out, so that a sample and its reader cannot drift together."""
    state = Agent.from_bytes(read("composite"))
    assert state.value == {
        "hits": 3,
        "budget": -2,
        "flags": {"ready"},
        "tags": {"x", "y"},
        "mode": {"level": 2},
        "votes": "no",
        "config": {"model": "large"},
        "logs": ["one", 2, None],
        "notes": "notes é",
        "tallies": {"k": 5},
        "groups": {},
    }
    assert state.votes.values == ["no", "yes"]
    assert dict(state.version) == dict(agent().version)


def test_the_version_vector_reads_back() -> None:
    assert crdt.VersionVector.from_bytes(read("version_vector")) == agent().version
