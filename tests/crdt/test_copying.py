"""Copies, pickles, forks and names: equal states, independent ever after, and no name twice."""

from __future__ import annotations

import copy
import os
import pickle
import sys
from typing import Any

import pytest

import crdt
from tests.crdt.samples import STATES, Agent, late_edit

ALL = pytest.mark.parametrize("name", sorted(STATES))


def rebuilt(state: Any, replica: str) -> Any:
    options = {"of": state.of} if isinstance(state, crdt.ORMap) else {}
    return type(state).from_bytes(state.to_bytes(), replica=replica, **options)


def sample(name: str) -> Any:
    """The sample on the clock of this machine, since a pickle takes no other along."""
    return rebuilt(STATES[name](), "alice")


@ALL
def test_copies_are_equal_and_independent(name: str) -> None:
    state = sample(name)
    before = state.to_bytes()
    pickles = [pickle.loads(pickle.dumps(state, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for twin in (copy.copy(state), copy.deepcopy(state), state.fork("carol"), rebuilt(state, "carol"), *pickles):
        assert type(twin) is type(state)
        assert twin == state
        assert not (twin != state)
        assert twin.digest() == state.digest()
        assert twin.version == state.version
        assert sys.getsizeof(twin) > 0
        late_edit(twin)
        twin.check_invariants()
        assert twin != state
        assert state.to_bytes() == before
        assert state.merge(twin) is True
        state = sample(name)


@ALL
def test_a_copy_writes_under_a_name_of_its_own(name: str) -> None:
    state = sample(name)
    names = [
        state.replica,
        copy.copy(state).replica,
        pickle.loads(pickle.dumps(state)).replica,
        state.fork("carol").replica,
    ]
    assert len(set(names)) == len(names)
    for twin in (copy.copy(state), pickle.loads(pickle.dumps(state))):
        late_edit(twin)
        late_edit(state)
        one, two = state.fork("x"), twin.fork("x")
        one.merge(twin)
        two.merge(state)
        assert one.to_bytes() == two.to_bytes(), "both changes are kept"


@ALL
def test_repr_shows_type_value_and_writer_and_stays_short(name: str) -> None:
    state = STATES[name]()
    shown = repr(state)
    assert type(state).__name__ in shown
    assert "alice" in shown
    assert len(shown) < 400


def test_equality_is_by_state_and_type() -> None:
    assert crdt.GSet("a") == crdt.GSet("b")
    assert crdt.GSet("a") != crdt.ORSet("a")
    assert crdt.GSet("a") != set()
    assert crdt.ORMap("a", of=crdt.GSet) != crdt.ORMap("a", of=crdt.ORSet)
    for state in (crdt.GSet("a"), crdt.Text("a"), Agent("a")):
        with pytest.raises(TypeError):
            hash(state)


def test_names_that_were_not_given_differ() -> None:
    assert len({crdt.GSet().replica for _ in range(1000)}) == 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.no_sanitizer
def test_a_forked_process_takes_a_name_of_its_own() -> None:
    """Else parent and child would give one dot to two different changes."""
    state = crdt.ORSet()
    state.add("before")
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        state.add("child")
        os.write(write_end, state.to_bytes())
        os._exit(0)
    os.close(write_end)
    state.add("parent")
    with os.fdopen(read_end, "rb") as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    state.merge(theirs)
    assert state.value == {"before", "child", "parent"}
    assert len(state.version) == 2


def test_version_vectors_compare_copy_and_pickle() -> None:
    v = crdt.VersionVector({"a": 2, "é": 1})
    for twin in (copy.copy(v), pickle.loads(pickle.dumps(v)), crdt.VersionVector.from_bytes(v.to_bytes())):
        assert twin == v
        assert twin <= v <= twin
        twin.merge(crdt.VersionVector({"b": 1}))
        assert v < twin
        assert not twin <= v
        assert "b" not in v
    a, b = crdt.VersionVector({"a": 1}), crdt.VersionVector({"b": 1})
    assert not a <= b and not b <= a
    assert dict(v) == {"a": 2, "é": 1}
    assert crdt.VersionVector({"a": 0}) == crdt.VersionVector()
    for bad, error in (({"a": -1}, ValueError), ({"a": True}, TypeError), ({"": 1}, ValueError), ({1: 1}, TypeError)):
        with pytest.raises(error):
            crdt.VersionVector(bad)


def test_a_version_is_a_moment_not_a_view() -> None:
    s = crdt.GSet("a")
    s.add(1)
    v = s.version
    s.add(2)
    assert v["a"] == 1
    assert s.version["a"] == 2
    v.merge(crdt.VersionVector({"z": 9}))
    assert "z" not in s.version
