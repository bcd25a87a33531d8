"""A delta held back for its stamp landed once its time had come only if somebody looked at `.pending`."""

import copy
import pickle

import pytest

from crdt import GCounter, LWWMap, LWWRegister


def early(type_=LWWRegister):
    """A state that holds back a write of the future, whose time has come by now; how far its clock is."""
    now = [1_000_000]
    far = type_("far", clock=lambda: 1_060_500)
    write(far, "future")
    state = type_("near", clock=lambda: now[0])
    write(state, "past")
    state.merge(far.to_bytes())
    assert read(state) == "past"
    assert state.pending == 1
    now[0] += 600
    return state, now


def write(state, value):
    if isinstance(state, LWWMap):
        state["k"] = value
    else:
        state.set(value)


def read(state):
    return state["k"] if isinstance(state, LWWMap) else state.value


@pytest.mark.parametrize(
    "other",
    [
        lambda state: b"",
        lambda state: LWWRegister("empty"),
        lambda state: state,
        lambda state: state.to_bytes(),
        lambda state: state.fork("fork"),
    ],
)
def test_every_merge_lands_what_is_due(other):
    state, _ = early()
    assert state.merge(other(state)) is True
    assert read(state) == "future"
    assert state.merge(b"") is False


@pytest.mark.parametrize("type_", [LWWRegister, LWWMap])
def test_a_write_is_later_than_what_is_due(type_):
    state, _ = early(type_)
    write(state, "mine")
    assert state.pending == 0
    assert read(state) == "mine"
    state, _ = early(LWWMap)
    state.update({"k": "mine", "other": 1})
    state.merge(b"")
    assert state.value == {"k": "mine", "other": 1}
    state, _ = early(LWWMap)
    del state["k"]
    state.merge(b"")
    assert state.value == {}


def test_what_is_not_due_waits():
    state, now = early()
    now[0] -= 200
    assert state.merge(b"") is False
    write(state, "mine")
    assert state.pending == 1
    assert read(state) == "mine"


def test_nothing_lands_inside_an_update():
    state, _ = early()

    def change(s):
        assert s.pending == 1
        write(s, "mine")
        raise KeyError

    was = state.to_bytes()
    with pytest.raises(KeyError):
        state._transact(change)
    assert state.to_bytes() == was
    assert state.pending == 0


def test_copies_take_along_what_waits():
    a, b = GCounter("a"), GCounter("b")
    a.increment()
    first = a.version
    a.increment()
    b.merge(a.delta(first))
    for twin in (b.fork("c"), copy.copy(b), pickle.loads(pickle.dumps(b))):
        assert twin.pending == 1
        twin.merge(a.to_bytes())
        assert twin.value == 2
        assert twin.pending == 0


def test_a_clock_that_fails_loses_nothing_that_waits():
    state, now = early()
    later = LWWRegister("later", clock=lambda: 1_060_900)
    later.set("later")
    state.merge(later.to_bytes())
    now[0] = "no time"
    with pytest.raises(TypeError, match="clock"):
        state.merge(b"")
    now[0] = 1_001_000
    assert state.merge(b"") is True
    assert state.pending == 0
    assert read(state) == "later"
