"""What goes in comes out: exact types, stored by content, equal by type and content."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from crdt import GSet, LWWMap, LWWRegister, MVRegister, OpBasedList, ORSet

INTEGERS = [0, 1, -1, 127, 128, 255, 256, -128, -129, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1]
INTEGERS += [2**64 - 1, 2**64, 2**70, -(2**70), 2**2000, (1 << 8 * 4096) - 1, 1 - (1 << 8 * 4096)]
FLOATS = [0.0, -0.0, 1.0, 0.1, 1e308, 5e-324, math.inf, -math.inf]
TEXTS = [
    "",
    "a",
    "a\0b",
    "nine char",
    "x" * 14,
    "x" * 15,
    "x" * 16,
    "é",
    "漢字",
    "\U0001f600" * 50,
    "\x7f\x80\xff",
    "ß" * 70,
]
BLOBS = [b"", b"\0", b"\xff" * 8, b"\0" * 1000, bytes(range(256))]
NESTS: list[Any] = [
    [],
    {},
    [[]],
    [[[]]],
    {"a": {"b": {}}},
    [1, [2.0, ["3", [b"4", [None, [True]]]]]],
    {1: 2, "1": 3, b"1": 4},
]
NESTS += [{(1, "x"): [], None: {}}, {"z": 1, "a": 2, "m": 3}, [{}, {"k": [{}]}], list(range(300))]
PLAIN = [None, True, False, *INTEGERS, *FLOATS, *TEXTS, *BLOBS, *NESTS]


def exact(a: Any, b: Any) -> bool:
    """Equal with equal types all the way down; floats by their bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack(">d", a) == struct.pack(">d", b)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(exact, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(exact(a[k], b[k]) for k in a)
    return bool(a == b)


@pytest.mark.parametrize(
    "value", PLAIN, ids=lambda v: f"{type(v).__name__}-{str(v)[:12]}" if type(v) is not int else hex(v)[:12]
)
def test_a_value_comes_back_exactly(value: Any) -> None:
    m, r, v, items = LWWMap("a"), LWWRegister("a"), MVRegister("a"), OpBasedList("a")
    m["k"] = value
    r.set(value)
    v.set(value)
    items.append(value)
    for state in (m, r, v, items):
        again = type(state).from_bytes(state.to_bytes())
        for read in (state, again):
            found = {LWWMap: lambda s: s["k"], OpBasedList: lambda s: s[0]}.get(type(read), lambda s: s.value)(read)
            assert exact(found, value), (found, value)
        assert again.to_bytes() == state.to_bytes()


def test_a_tuple_comes_back_as_a_list_and_nan_as_nan() -> None:
    m = LWWMap("a")
    m["t"] = (1, (2, [3]), {"k": (4,)})
    assert m["t"] == [1, [2, [3]], {"k": [4]}]
    m["nan"] = [math.nan, -math.nan, struct.unpack(">d", bytes.fromhex("7ff8000000001234"))[0]]
    assert all(math.isnan(x) for x in m["nan"])


def test_equal_values_have_equal_bytes() -> None:
    """Dict order, a NaN's payload and tuple or list do not matter; -0.0 does."""
    one, two = LWWRegister("a", clock=lambda: 1), LWWRegister("a", clock=lambda: 1)
    one.set({"a": 1, "b": (1, math.nan)})
    two.set({"b": [1, -math.nan], "a": 1})
    assert one.to_bytes() == two.to_bytes()
    one.set(0.0)
    two.set(-0.0)
    assert one.to_bytes() != two.to_bytes()


KEYS = [
    None,
    True,
    False,
    1,
    1.0,
    0,
    0.5,
    "1",
    b"1",
    "",
    b"",
    (),
    (1,),
    (1.0,),
    (True,),
    ("1",),
    ((),),
    ((1,), 1),
    math.inf,
]
KEYS += [math.nan, 2**70, -(2**70), 2**63, -(2**63), "é", "a\0b", "x" * 11, "x" * 12, "x" * 65_000, (math.nan,), b"\0"]


@pytest.mark.parametrize("type_", [GSet, ORSet])
def test_elements_are_equal_by_type_and_content(type_: Any) -> None:
    s = type_("a")
    for key in KEYS:
        assert key not in s
        s.add(key)
        assert key in s
    for key in KEYS:
        s.add(key)
    assert len(s) == len(KEYS) == len(list(s))
    again = type_.from_bytes(s.to_bytes())
    for x in again:
        assert (
            any((type(x) is type(key) and (x == key or x != x or x == (math.nan,))) or x is key for key in KEYS)
            or type(x) is tuple
        )
    assert sorted(type(x).__name__ for x in again) == sorted(type(x).__name__ for x in KEYS)
    assert 0.0 not in s
    s.add(-0.0)
    assert 0.0 in s
    assert -0.0 in s
    assert 2 not in s
    assert "nope" not in s


def test_map_keys_are_equal_by_type_and_content() -> None:
    m = LWWMap("a")
    for number, key in enumerate(KEYS):
        m[key] = number
    assert len(m) == len(KEYS)
    assert [m[key] for key in KEYS] == list(range(len(KEYS)))
    assert m.get_many(KEYS) == list(range(len(KEYS)))
    assert m.get_many(["nope", 1], default="d") == ["d", 3]


def test_what_was_passed_in_or_read_is_not_shared() -> None:
    inner = {"a": [1, 2, {"b": [3]}]}
    m, r, v, items = LWWMap("a"), LWWRegister("a"), MVRegister("a"), OpBasedList("a")
    m["k"] = inner
    r.set(inner)
    v.set(inner)
    items.append(inner)
    was = {"a": [1, 2, {"b": [3]}]}
    inner["a"].append(9)
    for read in (lambda: m["k"], lambda: m.get("k"), lambda: m.value["k"], lambda: r.value, lambda: v.value):
        assert read() == was
        read()["a"].append(7)
        assert read() == was
    for read in (lambda: v.values[0], lambda: items[0], lambda: items.value[0], lambda: items[:][0]):
        assert read() == was
        read()["a"][2]["b"].clear()
        assert read() == was
    m.value["other"] = 1
    items.value.append(1)
    assert len(m) == len(items) == 1
    s = GSet("a")
    s.add(1)
    s.value.add(2)
    assert len(s) == 1


@pytest.mark.parametrize("short", [(), ("z",), ((("z",),),)])
def test_a_tuple_within_a_value_has_the_limit_of_a_key(short: tuple[Any, ...]) -> None:
    """It was taken, and the bytes were then of a state that no decoder took."""
    m = LWWMap("a")
    m["k"] = [{("x" * 65_000, *short): 1}]
    assert LWWMap.from_bytes(m.to_bytes()) == m
    was = m.to_bytes()
    for key in [("x" * 40_000, "y" * 40_000), ("x" * 65_530, *short, "yy"), (("x" * 40_000, "y" * 40_000), *short)]:
        for value in ({key: 1}, [{"a": {key: 1}}]):
            with pytest.raises(ValueError, match="the limit is 65535"):
                m["k"] = value
    assert m.to_bytes() == was
