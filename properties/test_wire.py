"""Bytes from outside: whatever they are, they are understood whole or refused whole.

The checksum is made to hold on most damaged inputs here, so that the checks behind it are what is
tested. `tests/fuzz` does the same without Hypothesis, a million times faster.
"""

from __future__ import annotations

import resource
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crdt

from .registry import EACH_FORMAT, SIMPLE
from .subjects import Subject
from .wire_format import HEADER_BYTES, varint, with_checksum
from .world import World

by_name = pytest.mark.parametrize("subject", EACH_FORMAT, ids=repr)


def some_state(subject: Subject, data: st.DataObject) -> Any:
    world = World(subject, 2)
    for index, command in data.draw(st.lists(st.tuples(st.integers(0, 1), subject.commands), min_size=1, max_size=12)):
        world.do_edit(index, command)
    world.settle()
    return world.replicas[0].state


def refused(state: Any, data: bytes) -> bool:
    """Whether merging raises DecodeError. If so nothing changed; if not, the state is sound."""
    before, held = state.to_bytes(), state.pending
    try:
        state.merge(data)
    except crdt.DecodeError as error:
        assert 0 <= error.offset <= len(data)
        assert state.to_bytes() == before
        assert state.pending == held
        return True
    state.check_invariants()
    return False


@by_name
@given(data=st.data())
def test_truncation_at_every_offset_is_refused(subject: Subject, data: st.DataObject) -> None:
    whole = some_state(subject, data).to_bytes()
    receiver = subject.make("receiver", lambda: 2**46)
    for end in range(1, len(whole)):
        assert refused(receiver, whole[:end])
        if end >= HEADER_BYTES:
            assert refused(receiver, with_checksum(whole[:end])), f"cut at {end}"
    assert refused(receiver, whole + b"\0")
    assert refused(receiver, with_checksum(whole + b"\0"))
    assert receiver.merge(whole) is (whole != subject.make("nobody", lambda: 0).to_bytes())


@by_name
@given(data=st.data())
def test_a_flipped_bit_is_refused(subject: Subject, data: st.DataObject) -> None:
    whole = bytearray(some_state(subject, data).to_bytes())
    receiver = subject.make("receiver", lambda: 2**46)
    for bit in data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), min_size=1, max_size=40)):
        whole[bit // 8] ^= 1 << bit % 8
        assert refused(receiver, bytes(whole))
        whole[bit // 8] ^= 1 << bit % 8


mutations = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "repeat", "number"]),
        st.integers(0, 400),
        st.integers(0, 255),
        st.sampled_from([0, 1, 2, 127, 128, 2**16, 2**31, 2**32 - 1, 2**48 - 1, 2**48, 2**63, 2**64 - 1]),
    ),
    min_size=1,
    max_size=3,
)


def mutated(whole: bytes, edits: list[tuple[str, int, int, int]]) -> bytes:
    result = bytearray(whole)
    for kind, where, byte, number in edits:
        at = HEADER_BYTES + where % max(1, len(result) - HEADER_BYTES)
        if kind == "set":
            result[at : at + 1] = bytes([byte])
        elif kind == "insert":
            result[at:at] = bytes([byte])
        elif kind == "delete":
            del result[at : at + 1 + byte % 4]
        elif kind == "repeat":
            result[at:at] = result[at : at + 1 + byte % 16]
        else:
            result[at : at + 1] = varint(number)
    return with_checksum(bytes(result))


@by_name
@given(data=st.data())
def test_damage_under_a_good_checksum_is_refused_or_harmless(subject: Subject, data: st.DataObject) -> None:
    """Some damage makes another valid message. Then it lands like one: sound, canonical and bounded."""
    source = some_state(subject, data)
    since = source.version if data.draw(st.booleans()) else None
    if since is not None:
        World(subject, 1)  # a delta of further edits builds on `since`
        for command in data.draw(st.lists(subject.commands, min_size=1, max_size=4)):
            command = subject.resolve(command, [])
            try:
                subject.perform(source, command)
            except (KeyError, IndexError):
                continue
    whole = source.delta(since) or source.to_bytes()
    receiver = source.fork("receiver") if data.draw(st.booleans()) else subject.make("receiver", lambda: 2**46)
    for edits in data.draw(st.lists(mutations, min_size=1, max_size=20)):
        bad = mutated(whole, edits)
        target = receiver.fork("target")
        if refused(target, bad) or target.pending:
            continue
        again = subject.from_bytes(target.to_bytes(), "again")
        again.check_invariants()
        assert again.to_bytes() == target.to_bytes()
        assert again == target
        assert sys.getsizeof(target) <= sys.getsizeof(receiver) + 64 * len(bad) + 65536


@pytest.mark.parametrize("subject", SIMPLE.values(), ids=repr)
def test_claimed_lengths_allocate_nothing(subject: Subject) -> None:
    """A number that promises gigabytes is refused before anything is allocated for it."""
    state = subject.make("a", lambda: 2**41)
    command: dict[str, tuple[Any, ...]] = {"GCounter": ("increment", 1), "PNCounter": ("decrement", 2)}
    default = {"LWWMap": ("set", "key", "v"), "LWWRegister": ("set", "v"), "MVRegister": ("set", "v")}
    sets = {"GSet": ("add", "x"), "ORSet": ("add", "x"), "OpBasedList": ("append", "v"), "Text": ("append", "text")}
    subject.perform(state, (command | default | sets)[subject.name])
    whole = state.to_bytes()
    receiver = subject.make("receiver", lambda: 2**46)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for at in range(HEADER_BYTES, len(whole)):
        for number in (2**20, 2**28, 2**31, 2**32 - 1, 2**40, 2**48 - 1, 2**62, 2**64 - 1):
            for rest in (whole[at + 1 :], whole[at + 1 :] + bytes(64)):
                bad = with_checksum(whole[:at] + varint(number) + rest)
                target = receiver.fork("target")
                if not refused(target, bad):
                    assert sys.getsizeof(target) < 65536 + 64 * len(bad)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 64 * 1024, f"peak memory grew by {grown_kb} kB"


@by_name
@given(garbage=st.binary(max_size=200))
def test_garbage_is_refused(subject: Subject, garbage: bytes) -> None:
    receiver = subject.make("receiver", lambda: 2**46)
    if garbage:
        assert refused(receiver, garbage)
        assert refused(receiver, with_checksum(receiver.to_bytes()[:2] + bytes(4) + garbage[:1])) or len(garbage) > 1
    with pytest.raises(crdt.DecodeError):
        subject.from_bytes(garbage, "receiver")


def test_another_major_version_is_refused_by_name() -> None:
    newer = bytearray(crdt.GSet("a").to_bytes())
    newer[1] += 0x10
    with pytest.raises(crdt.DecodeError, match="major"):
        crdt.GSet("b").merge(with_checksum(bytes(newer)))


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers(1, 2**48 - 1), max_size=5), mutations)
def test_version_vectors_round_trip_or_are_refused(counts: dict[str, int], edits: Any) -> None:
    try:
        vector = crdt.VersionVector(counts)
    except (ValueError, UnicodeEncodeError):
        return  # names of surrogates or of more than 64 bytes
    whole = vector.to_bytes()
    assert crdt.VersionVector.from_bytes(whole) == vector
    for bad in (mutated(whole, edits), whole[:-1], whole + b"\0", with_checksum(whole + b"\0")):
        try:
            other = crdt.VersionVector.from_bytes(bad)
        except crdt.DecodeError as error:
            assert 0 <= error.offset <= len(bad)
        else:
            assert other.to_bytes() == bad, "one vector has one spelling"
