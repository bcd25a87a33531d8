"""Symbols, entries and sessions: sizes, limits, and what is refused. The laws are in properties/test_repair.py."""

from __future__ import annotations

import random
from math import sqrt
from typing import Any

import pytest

from crdt import Composite, DecodeError, GCounter, GSet, LWWMap, ORMap, ORSet, Text, WrongTypeError, field
from crdt.repair import HASH_BYTES, SYMBOLS_MAX, Sketch, entries, repair
from properties.wire_format import xxh64
from replication.repair.reconcile import (
    Answer,
    Cells,
    Initiator,
    More,
    Repairs,
    Responder,
    Stale,
    symbols_for,
)

KEY = bytes(range(16))


def two_lives(entries_held: int, different: int) -> tuple[LWWMap, LWWMap]:
    """Two maps of one version; `different` entries are only in one of them, half of them in each."""
    a = LWWMap("w")
    a.update({f"key {i}": i for i in range(entries_held - different // 2)})
    b = a.fork("w")
    for i in range(different // 2):
        a[f"only a {i}"] = 1
    for i in range(different - different // 2):
        b[f"only b {i}"] = 2
    if different % 2:
        a["key 0"] = 0  # another stamp for what both have: not counted above
        b["key 0"] = 0
        a["key 0"] = 1
    return a, b


def converse(a: Any, b: Any, **options: Any) -> list[Any]:
    """A session from a to b; all of its messages."""
    initiator = Initiator(a, KEY, **options)
    said: list[Any] = [initiator.offer()]
    responder = Responder(b, said[0])
    message: Any = responder.answer(b)
    while message is not None:
        said.append(message)
        turn = initiator.step(a, message) if len(said) % 2 == 0 else responder.step(b, message)
        message = turn
    return said


def weight(message: Any) -> int:
    """Bytes beyond the entries themselves."""
    match message:
        case Answer(wanted=wanted):
            return HASH_BYTES * len(wanted or ())
        case More() | Stale() | Repairs():
            return 0
        case _:
            return len(message.symbols)


@pytest.mark.parametrize("different", [2, 100, 200])
def test_two_hundred_differences_take_four_kilobytes_and_one_round_trip(different: int) -> None:
    a, b = two_lives(5000, different)
    said = converse(a, b)
    assert [type(m).__name__ for m in said] == ["Offer", "Answer", "Repairs"]
    assert sum(map(weight, said)) < 2900 + HASH_BYTES * different // 2
    assert a.to_bytes() == b.to_bytes()
    assert len(a) == 5000 + different // 2


def test_one_difference_among_ten_takes_a_few_bytes() -> None:
    a, b = two_lives(10, 2)
    said = converse(a, b, expected=2)
    assert sum(map(weight, said)) < 200
    assert a == b


def test_too_few_symbols_are_followed_by_more() -> None:
    a, b = two_lives(5000, 200)
    said = converse(a, b, expected=3)
    assert [type(m).__name__ for m in said].count("More") >= 3
    assert sum(map(weight, said)) < 100 * HASH_BYTES + 8 * 2 * symbols_for(200)
    assert a.to_bytes() == b.to_bytes()


def test_states_that_share_next_to_nothing_are_sent_whole() -> None:
    a, b = two_lives(1500, 3000)
    said = converse(a, b, expected=10)
    assert said[-2].wanted is None
    assert sum(map(weight, said)) < 20_000
    assert a.to_bytes() == b.to_bytes()


def test_an_old_version_is_told_to_exchange_deltas_first() -> None:
    a, b = two_lives(10, 2)
    b["later"] = 1
    before = b.to_bytes()
    assert isinstance(converse(a, b)[-1], Stale)
    assert b.to_bytes() == before


def test_symbols_find_exactly_what_differs() -> None:
    rng = random.Random(1)
    for n in (1, 2, 7, 40, 300):
        a, b = GSet("w"), GSet("w")
        a.update(range(1000))
        b.merge(a)
        a.update(1000 + k for k in range(n))
        b.update(5000 + k for k in range(rng.randint(0, n)))
        one, two = Sketch(a, KEY), Sketch(b, KEY)
        found = two.difference(one.symbols(0, 4 * n + 20))
        assert found is not None
        assert (len(found[0]), len(found[1])) == (len(b) - 1000, len(a) - 1000)
        assert two.difference(one.symbols(0, max(1, n // 2))) is None or n == 1


def test_batches_must_follow_each_other() -> None:
    a = Sketch(GSet("a"), KEY)
    with pytest.raises(DecodeError, match="begins at 8"):
        a.difference(a.symbols(0, 4), a.symbols(8, 4))
    with pytest.raises(DecodeError, match="checksum"):
        a.difference(a.symbols(0, 4)[:-1] + b"\1")
    with pytest.raises(ValueError, match="symbols"):
        a.symbols(SYMBOLS_MAX, 1)
    with pytest.raises(ValueError, match="16 random bytes"):
        Sketch(GSet("a"), b"short")


def test_symbols_that_are_made_up_end_soon() -> None:
    sketch = Sketch(GSet("a"), KEY)
    rng = random.Random(1)
    body = b"\x00" + bytes([200, 1]) + rng.randbytes(8 * 200)
    assert sketch.difference(sealed(b"\xc7\x10" + bytes(4) + body)) is None


@pytest.mark.parametrize("number", [3275, 76_173, 307_908])
def test_a_cell_of_three_entries_that_looks_like_one_of_a_single_entry_is_found_out(number: int) -> None:
    """Under these keys the first cell does so."""
    key = number.to_bytes(16, "little")
    three, none = GSet("a"), GSet("a")
    three.update([1, 2, 3])
    one, two = Sketch(three, key), Sketch(none, key)
    mistaken, found = two.difference(one.symbols(0, 1)) or ([], [])
    assert len(mistaken) == 1 and not found  # 3 is -1 modulo 4
    assert not repair(three, entries(none, key, mistaken))  # no entry has that hash
    mine, found = two.difference(one.symbols(0, 40)) or ([], [])
    assert mine == mistaken and mine[0] in found and len(found) == 4
    converse(three, none, takes_version=True)
    assert none.value == {1, 2, 3}


def sealed(message: bytes) -> bytes:
    return message[:2] + (xxh64(message[6:], 0x10) & 0xFFFFFFFF).to_bytes(4, "little") + message[6:]


def cells_of(items: list[int], key: bytes, count: int) -> list[int]:
    """The cells as docs/explanation/wire-format.md tells them."""
    k, low = int.from_bytes(key[8:], "little"), (1 << 64) - 1
    cells = [0] * count
    for item in items:
        product = (item ^ k) * (item ^ 0xE7037ED1A0B428DB)
        check = ((product ^ product >> 64) & low) >> 50
        i, r = 0, item << 16 | 1
        while i < count:
            cells[i] = (cells[i] ^ item ^ check << 48) + (1 << 62) & low
            r = r * 0xDA942042E4DD58B5 & low
            i += 1 + int((i + 1.5) * (1 / sqrt(((r >> 11) + 1) / 2**53) - 1))
    return cells


def test_symbols_are_those_of_the_page() -> None:
    state, none = GSet("a"), GSet("a")
    state.update(range(30))
    symbols = Sketch(state, KEY).symbols(0, 200)
    _, hashes = Sketch(none, KEY).difference(symbols) or ([], [])
    assert len(hashes) == 30 and max(hashes) < 1 << 8 * HASH_BYTES
    told = symbols[-8 * 200 :]
    assert [int.from_bytes(told[at : at + 8], "little") for at in range(0, len(told), 8)] == cells_of(hashes, KEY, 200)


def test_entries_above_the_version_are_left_for_the_delta() -> None:
    a, b = ORSet("a"), ORSet("b")
    a.update([1, 2])
    assert not repair(b, entries(a, KEY, None))
    assert b.value == set()
    b.merge(a)
    assert b.value == {1, 2}


def test_a_version_comes_along_when_it_is_given() -> None:
    a, b = ORSet("a"), ORSet("b")
    a.update([1, 2])
    assert repair(b, entries(a, KEY, None, a.version))
    assert b.version == a.version
    assert a.to_bytes() == b.to_bytes()


def test_a_message_is_of_one_type_and_of_its_kind() -> None:
    s = ORSet("a")
    s.add(1)
    data = entries(s, KEY, None)
    with pytest.raises(WrongTypeError):
        repair(GSet("b"), data)
    with pytest.raises(DecodeError, match="flags"):
        s.merge(data)
    with pytest.raises(DecodeError, match="not a message of entries"):
        repair(s, s.to_bytes())


def test_a_container_is_named_once() -> None:
    t = Text("a")
    t.append("hello")
    data = entries(t, KEY, None)
    at = data.index(b"\x01\x00\x01", 7)  # one group, at the root, of one entry
    twice = data[:at] + b"\x02" + 2 * data[at + 1 :]
    with pytest.raises(DecodeError, match="named twice"):
        repair(t, sealed(twice))


class Agent(Composite):
    hits: GCounter
    notes: Text
    tallies: ORMap = field(of=GCounter)


def test_a_composite_is_repaired_field_by_field() -> None:
    a = Agent("w")
    a.hits.increment()
    b = a.fork("w")
    a.tallies["x"].increment(2)
    a.notes.append("mine")
    b.tallies["y"].increment(3)
    b.notes.append("other")
    converse(a, b, takes_version=True)
    assert a.value["tallies"] == {"x": 2, "y": 3}
    assert a.value["notes"] == "otner"  # of each id the greater letter
    assert a.to_bytes() == b.to_bytes()


def test_nothing_is_repaired_from_the_future() -> None:
    early, late = LWWMap("w", clock=lambda: 1_000_000), LWWMap("w", clock=lambda: 9_000_000)
    late["x"] = 1
    early["y"] = 1
    assert not repair(early, entries(late, KEY, None))
    assert early.value == {"y": 1}


def test_a_session_refuses_what_is_not_its_turn() -> None:
    a, b = two_lives(50, 4)
    initiator = Initiator(a, KEY, expected=4)
    responder = Responder(b, initiator.offer())
    with pytest.raises(DecodeError, match="asks for"):
        initiator.step(a, More(10**9))
    with pytest.raises(DecodeError, match="not for the responder"):
        responder.step(b, Stale())
    assert initiator.is_over
    assert responder.is_over
    with pytest.raises(DecodeError, match="no entry's hash"):
        Initiator(a, KEY).step(a, Answer(b"", (-1,)))
    with pytest.raises(DecodeError):
        Initiator(a, KEY).step(a, Cells(b""))


def test_nothing_of_it_is_done_inside_an_update() -> None:
    s = ORSet("a")
    s.add(1)
    data = entries(s, KEY, None)
    for act in (lambda _: repair(s, data), lambda _: entries(s, KEY, None), lambda _: Sketch(s, KEY)):
        with pytest.raises(RuntimeError, match="inside an update"):
            s._transact(act)
    with pytest.raises(TypeError, match="for reading"):
        repair(s._snapshot(), data)
    s.add(2)
    assert s.value == {1, 2}
