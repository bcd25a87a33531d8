"""What a type checker must see in a user's code. Checked by mypy in test_stubs.py, never run."""

from typing import Any, assert_type

import crdt
import replication


class State(crdt.Composite):
    counters: crdt.GCounter
    flags: crdt.GSet
    config: crdt.LWWMap
    logs: crdt.OpBasedList
    notes: crdt.Text
    budget: crdt.PNCounter = crdt.field(at_least="replicated")
    tallies: crdt.ORMap = crdt.field(of=crdt.GCounter)


def types(state: State) -> None:
    assert_type(state.counters.value, int)
    assert_type(state.version, crdt.VersionVector)
    assert_type(state.version <= state.version, bool)
    assert_type(state.delta(), bytes)
    assert_type(state.fork("b"), State)
    assert_type(State.from_bytes(b""), State)
    assert_type(state.merge(b""), bool)
    assert_type(state.notes[1:2], str)
    assert_type(state.logs[0], Any)
    assert_type(state.logs[0:1], list[Any])
    assert_type(state.notes.cursor(0), crdt.Cursor)
    assert_type(state.budget, crdt.PNCounter)
    assert_type("x" in state.flags, bool)


def node() -> None:
    with replication.open("state/", schema=State) as opened:
        result = opened.update_state("a", lambda s: s.counters.increment(), durable=True)
        assert_type(result.outcome, str)
        assert_type(result.version, crdt.VersionVector)
        assert_type(result.replayed, bool)
        opened.flush()
