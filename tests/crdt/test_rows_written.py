"""The bytes of a large set or map, held against a slow writer of the same format: whatever its rows are like."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import pytest

from crdt import DecodeError, GSet, LWWMap, ORSet
from properties.wire_format import HEADER_BYTES, varint, with_checksum

N = 1500  # enough to be written without the interpreter lock, and in several chunks
FULL = 1
# Of a small table, of one that ends with a few rows, and of one that ends with a chunk.
SIZES = [0, 1, 2, 7, 8, 9, 64, 65, 66, 72, 73, 129, N]


def item(value: Any) -> bytes:
    if value is None:
        return b"\x10"
    if value is False or value is True:
        return b"\x30" if value else b"\x20"
    if isinstance(value, int):
        size = next(n for n in range(1, 9) if -(1 << 8 * n - 1) <= value < 1 << 8 * n - 1)
        return bytes([0x40 | size]) + value.to_bytes(size, "big", signed=True)
    if isinstance(value, float):
        return b"\x68" + struct.pack(">d", value)
    if isinstance(value, (str, bytes)):
        payload = value.encode() if isinstance(value, str) else value
        size, kind = len(payload), 0x70 if isinstance(value, str) else 0x80
        return bytes([kind | min(size, 15)]) + (varint(size - 15) if size >= 15 else b"") + payload
    assert isinstance(value, (tuple, list))
    return (b"\x90" if isinstance(value, tuple) else b"\xa0") + varint(len(value)) + b"".join(map(item, value))


def order(key: Any) -> tuple[int, bytes]:
    """By type, then by payload; an int's is its eight bytes with the sign flipped."""
    kind = item(key)[0] >> 4
    if isinstance(key, int):
        return kind, (key + (1 << 63)).to_bytes(8, "big")
    payload = item(key)[1:] if isinstance(key, tuple) else key.encode() if isinstance(key, str) else key
    return kind, payload


def body(state: Any) -> bytes:
    return state.to_bytes()[HEADER_BYTES:]


def zigzag(difference: int) -> bytes:
    return varint(difference * 2 if difference >= 0 else -difference * 2 - 1)


def written(tag: int, writers: dict[str, int], rows: dict[Any, tuple[str, int, int, Any]]) -> bytes:
    """A full state behind its header: by key its writer, its event's number, its stamp and its value."""
    names = sorted(name for name in writers if writers[name])
    message = bytes([FULL]) + varint(tag) + varint(len(names))
    for name in names:
        message += varint(len(name)) + name.encode() + varint(0) + varint(writers[name])
    message += b"\0" + varint(len(rows))
    sequence_before = stamp_before = 0
    for key in sorted(rows, key=order):
        writer, sequence, stamp, value = rows[key]
        message += item(key) + varint(names.index(writer) << 2) + zigzag(sequence - sequence_before)
        if tag == 7:
            message += zigzag(stamp - stamp_before) + item(value)
        sequence_before, stamp_before = sequence, stamp
    return message


KEYS: dict[str, Callable[[int], Any]] = {
    "short texts": lambda k: f"{k:09d}",
    "texts of all lengths": lambda k: str(k) * (k % 9),
    "long texts": lambda k: f"user:profile:{k:08d}",
    "texts of eleven and twelve bytes": lambda k: f"{k:08d}abc" + "d" * (k % 2),
    "a beginning of the next": lambda k: "ab" * k,
    "zeros at the end": lambda k: b"x" * (k % 30) + bytes(k // 30),
    "ints": lambda k: (k - 700) ** 5,
    "small ints": lambda k: k - 700,
    "many kinds": lambda k: [k, f"k{k}", b"%d" % k, (k, "pair"), f"a name in the arena {k}"][k % 5],
}
VALUES: dict[str, Callable[[int], Any]] = {
    "ints": lambda k: (k - 700) ** (k % 7),
    "bounds of ints": lambda k: (-1 if k % 2 else 1) * ((1 << k % 63) - k % 3),
    "many kinds": lambda k: [None, True, False, k, f"{k}", b"%d" % k, "x" * (k % 200), k / 3, [k, "y"]][k % 9],
}


def keys_of(family: str, n: int) -> list[Any]:
    """Different ones in canonical order."""
    return sorted({KEYS[family](k): None for k in range(n)}, key=order)


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("family", KEYS)
@pytest.mark.parametrize("n", SIZES)
def test_rows_that_lie_in_order(n: int, family: str, values: str) -> None:
    now = 5
    state, plain = LWWMap("writer", clock=lambda: now), GSet("writer")
    rows, members, stamp = {}, {}, 0
    for number, key in enumerate(keys_of(family, n), 1):
        now += [0, 1, 1 << 30][number % 97 // 48 + (number % 601 == 600)]  # for a while often, then not at all
        stamp = max(now << 16, stamp + 1)
        state[key] = VALUES[values](number)
        plain.add(key)
        rows[key] = "writer", number, stamp, VALUES[values](number)
        members[key] = "writer", number, 0, None
    assert body(state) == written(7, {"writer": len(rows)}, rows)
    assert body(plain) == written(3, {"writer": len(rows)}, members)


@pytest.mark.parametrize("misplaced", [1, 63, 64, 65, 100, N - 1])
@pytest.mark.parametrize("family", ["short texts", "long texts", "ints"])
def test_one_row_that_does_not(family: str, misplaced: int) -> None:
    keys = keys_of(family, N)
    keys[misplaced - 1], keys[misplaced] = keys[misplaced], keys[misplaced - 1]
    state, rows = LWWMap("writer", clock=lambda: 1), {}
    for number, key in enumerate(keys, 1):
        state[key] = number
        rows[key] = "writer", number, (1 << 16) + number - 1, number
    assert body(state) == written(7, {"writer": N}, rows)


@pytest.mark.parametrize("count", [2, 3, 40])
@pytest.mark.parametrize("family", ["short texts", "many kinds"])
def test_rows_of_several_writers(family: str, count: int) -> None:
    names = [f"w{number:02d}" for number in range(count)]
    random.Random(count).shuffle(names)
    states = {name: LWWMap(name, clock=lambda: 1000) for name in names}
    events = dict.fromkeys(names, 0)
    rows: dict[Any, tuple[str, int, int, Any]] = {}
    keys = keys_of(family, N)
    for at, key in enumerate(keys):
        name = names[at // 100 % count] if at < N // 2 else names[at % count]
        events[name] += 1
        states[name][key] = at
        rows[key] = name, events[name], (1000 << 16) + events[name] - 1, at
    joined = LWWMap("reader")
    for state in states.values():
        joined.merge(state)
    assert body(joined) == written(7, events, rows)


def test_the_first_event_of_a_writer_after_the_last_that_another_can_have() -> None:
    events = {"a": (1 << 48) - 1, "b": 20}
    rows = {f"{k:03d}": ("b", k, k, k) if k else ("a", events["a"], 1, 0) for k in range(21)}
    message = written(7, events, rows)
    state = LWWMap.from_bytes(with_checksum(bytes([0xC5, 0x10]) + bytes(4) + message))
    assert body(state) == message


def test_more_than_was_thought_to_be_enough() -> None:
    """Rows that are longer than a large state's mostly are."""
    now = 0
    state, rows, stamp = LWWMap("writer", clock=lambda: now), {}, 0
    keys = [f"{number:011d}" for number in range(N)]
    random.Random(1).shuffle(keys)
    for number, key in enumerate(keys, 1):
        now += 1 << 31
        stamp = max(now << 16, stamp + 1)
        state[key] = (1 << 62) + number
        rows[key] = "writer", number, stamp, (1 << 62) + number
    data = body(state)
    assert data == written(7, {"writer": N}, rows)
    assert len(data) > 32 * N


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a byte too many": lambda data: data + b"\0",
    "cut short": lambda data: data[:-3],
    "a key out of order": lambda data: data.replace(b"00299", b"00001"),
    "a key twice": lambda data: data.replace(b"00299", b"00298"),
    "an event its sender cannot hold": lambda data: data.replace(b"w\0\xac\x02", b"w\0\xab\x02"),
    "more rows than there are": lambda data: data.replace(b"\xac\x02u", b"\xff\x02u"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", [GSet, ORSet, LWWMap])
def test_what_is_checked_while_it_lands_leaves_nothing_behind(kind: Any, damage: str) -> None:
    """A whole state where there is nothing is read once."""
    source = kind("w")
    for k in range(300):
        source.update({f"{k:05d}": k} if kind is LWWMap else [f"{k:05d}"])
    good = source.to_bytes()
    bad = with_checksum(DAMAGES[damage](good))
    assert bad != good
    state, untouched = kind("reader"), kind("reader")
    with pytest.raises(DecodeError):
        state._merge_bytes(bad, False)
    state.check_invariants()
    assert state.to_bytes() == untouched.to_bytes()
    assert state.digest() == untouched.digest()
    assert len(state) == 0 and "00007" not in state
    assert state.merge(good)
    assert state == source
    state.check_invariants()
