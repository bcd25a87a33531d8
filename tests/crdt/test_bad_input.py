"""A mistake gets an answer that teaches: where it was made, what was found there, what is accepted.

The rows are what newcomers to state libraries really try. Whatever is refused has changed nothing.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import crdt
from crdt import (
    Composite,
    GCounter,
    GSet,
    LWWMap,
    LWWRegister,
    MVRegister,
    OpBasedList,
    ORMap,
    ORSet,
    PNCounter,
    Text,
    VersionVector,
)
from crdt.registry import REGISTRY


class Shade(enum.IntEnum):
    LIGHT = 1


class Name(str):
    __slots__ = ()


@dataclasses.dataclass
class Point:
    x: int = 1


class Agent(Composite):
    counters: GCounter
    config: LWWMap
    tallies: ORMap = crdt.field(of=PNCounter)


class Row(NamedTuple):
    state: Callable[[], Any]
    mistake: Callable[[Any], Any]
    error: type[Exception]
    words: tuple[str, ...]


def filled(type_: Any) -> Callable[[], Any]:
    def make() -> Any:
        state = type_("a")
        if type_ in (OpBasedList, Text):
            state.append("x")
        return state

    return make


def row(type_: Any, mistake: Callable[[Any], Any], error: type[Exception], *words: str) -> Any:
    return Row(filled(type_), mistake, error, words)


def put(key: Any, value: Any) -> Callable[[Any], None]:
    return lambda state: state.__setitem__(key, value)


NOW = datetime.datetime(2026, 1, 1)

VALUES = [
    row(LWWMap, put("when", NOW), TypeError, "when", "datetime", "str", "isoformat"),
    row(LWWMap, put("day", NOW.date()), TypeError, "day", "date"),
    row(LWWMap, put("tags", {1, 2}), TypeError, "tags", "set", "list"),
    row(LWWMap, put("tags", frozenset()), TypeError, "tags", "frozenset"),
    row(LWWMap, put("fn", lambda: 0), TypeError, "fn", "function"),
    row(LWWMap, put("obj", object()), TypeError, "obj", "object"),
    row(LWWMap, put("money", decimal.Decimal("1.5")), TypeError, "money", "Decimal", "str"),
    row(LWWMap, put("half", fractions.Fraction(1, 2)), TypeError, "half", "Fraction"),
    row(LWWMap, put("id", uuid.UUID(int=1)), TypeError, "id", "UUID"),
    row(LWWMap, put("shade", Shade.LIGHT), TypeError, "shade", "Shade", "int"),
    row(LWWMap, put("name", Name("x")), TypeError, "name", "Name", "str"),
    row(LWWMap, put("point", Point()), TypeError, "point", "Point", "asdict"),
    row(LWWMap, put("z", 1j), TypeError, "z", "complex"),
    row(LWWMap, put("deep", {"list": [1, {"inner": {3}}]}), TypeError, "deep", "set"),
    row(LWWMap, put("huge", 1 << 8 * 4097), ValueError, "huge", "4096"),
    row(LWWMap, put("lone", "\ud800"), UnicodeEncodeError, "surrogate"),
    row(LWWMap, put(["k"], 1), TypeError, "list", "tuple"),
    row(LWWMap, put(("k", ["x"]), 1), TypeError, "list"),
    row(LWWMap, put("k" * 70_000, 1), ValueError, "65535"),
    row(LWWMap, lambda m: m["nope"], KeyError, "nope"),
    row(LWWMap, lambda m: m.__delitem__("nope"), KeyError, "nope"),
    row(LWWMap, lambda m: m.pop("nope"), KeyError, "nope"),
    row(LWWMap, lambda m: m.update([("a", 1), ("b", {2})]), TypeError, "b", "set"),
    row(LWWMap, lambda m: m.update(5), TypeError, "int"),
    row(LWWMap, lambda m: m.setdefault("k", NOW), TypeError, "k", "datetime"),
    row(LWWRegister, lambda r: r.set(NOW), TypeError, "LWWRegister", "datetime"),
    row(MVRegister, lambda r: r.set({1}), TypeError, "MVRegister", "set"),
    row(OpBasedList, lambda v: v.append({1}), TypeError, "OpBasedList", "set"),
    row(OpBasedList, lambda v: v.insert_many(0, [1, NOW]), TypeError, "datetime"),
    row(OpBasedList, lambda v: v.extend(5), TypeError, "int"),
    row(GSet, lambda s: s.add([1]), TypeError, "GSet", "list", "tuple"),
    row(GSet, lambda s: s.add({}), TypeError, "dict"),
    row(GSet, lambda s: s.update([1, {2}]), TypeError, "set"),
    row(ORSet, lambda s: s.remove("nope"), KeyError, "nope"),
    row(ORSet, lambda s: s.add(object()), TypeError, "ORSet", "object"),
    row(ORSet, lambda s: [1] in s, TypeError, "list"),
    row(ORMap, lambda m: m[["k"]], TypeError, "list"),
    row(ORMap, lambda m: m.__delitem__("nope"), KeyError, "nope"),
    row(ORMap, lambda m: m["k"].increment("1"), TypeError, "k", "str"),
    row(ORMap, lambda m: m.__setitem__("k", 1), TypeError, "ORMap", "k"),
]

NUMBERS = [
    row(GCounter, lambda c: c.increment(-1), ValueError, "GCounter", "-1", "PNCounter"),
    row(GCounter, lambda c: c.increment(True), TypeError, "bool", "int"),
    row(GCounter, lambda c: c.increment(1.0), TypeError, "float", "int"),
    row(GCounter, lambda c: c.increment("1"), TypeError, "str", "int"),
    row(GCounter, lambda c: c.increment(None), TypeError, "NoneType", "int"),
    row(GCounter, lambda c: c.increment(2**64), OverflowError, "2**64"),
    row(PNCounter, lambda c: c.increment(-1), ValueError, "PNCounter", "-1", "decrement"),
    row(PNCounter, lambda c: c.decrement(-1), ValueError, "PNCounter", "-1", "increment"),
    row(PNCounter, lambda c: c.decrement(True), TypeError, "bool", "int"),
    row(PNCounter, lambda c: c.decrement(2**64), OverflowError, "2**64"),
]

PLACES = [
    row(OpBasedList, lambda v: v[1], IndexError, "1"),
    row(OpBasedList, lambda v: v[-2], IndexError, "-2"),
    row(OpBasedList, lambda v: v.insert(2, 0), IndexError, "2"),
    row(OpBasedList, lambda v: v.delete(1), IndexError, "1"),
    row(OpBasedList, lambda v: v.delete(0, 2), IndexError, "2"),
    row(OpBasedList, lambda v: v.__delitem__(1), IndexError, "1"),
    row(OpBasedList, lambda v: v.index("nope"), ValueError, "nope"),
    row(OpBasedList, lambda v: v["x"], TypeError, "str"),
    row(OpBasedList, lambda v: v.insert("0", 1), TypeError, "str"),
    row(Text, lambda t: t[1], IndexError, "1"),
    row(Text, lambda t: t.insert(2, "a"), IndexError, "2"),
    row(Text, lambda t: t.delete(0, 2), IndexError, "2"),
    row(Text, lambda t: t.delete(0, -1), (IndexError, ValueError), "-1"),  # type: ignore[arg-type]
    row(Text, lambda t: t.insert(0, 5), TypeError, "int", "str"),
    row(Text, lambda t: t.insert(0, b"x"), TypeError, "bytes", "str"),
    row(Text, lambda t: t.append("\udfff"), UnicodeEncodeError, "surrogate"),
    row(Text, lambda t: t.apply([(0, 0, "a"), (9, 0, "b")]), IndexError, "9"),
    row(Text, lambda t: t.apply([(0, 0, "a"), (0, 9, "")]), IndexError, "9"),
    row(Text, lambda t: t.apply([(0, 0, "a"), (0, 0, 7)]), TypeError, "int"),
    row(Text, lambda t: t.apply([(0, 0, "a"), (0, 0, "\ud800")]), UnicodeEncodeError),
    row(Text, lambda t: t.apply([(0, 0)]), (TypeError, ValueError)),  # type: ignore[arg-type]
]

SCHEMA = [
    row(Agent, lambda s: s.nope, AttributeError, "nope"),
    row(Agent, lambda s: setattr(s, "nope", 1), AttributeError, "nope", "config"),
    row(Agent, lambda s: setattr(s, "counters", 3), AttributeError, "counters", "GCounter"),
    row(Agent, lambda s: delattr(s, "counters"), AttributeError, "counters"),
    row(Agent, lambda s: s.config.__setitem__("when", NOW), TypeError, "config", "when", "datetime"),
    row(Agent, lambda s: s.counters.increment(-1), ValueError, "counters", "-1"),
    row(Agent, lambda s: s.tallies["k"].increment(1.5), TypeError, "tallies", "k", "float"),
    row(Agent, lambda s: s.config.merge(LWWMap("b")), TypeError, "config", "Agent"),
    row(Agent, lambda s: s.config.to_bytes(), TypeError, "config", "Agent"),
]

MERGES = [
    row(GSet, lambda s: s.merge(ORSet("b")), TypeError, "GSet", "ORSet"),
    row(GSet, lambda s: s.merge(5), TypeError, "GSet", "int"),
    row(GSet, lambda s: s.merge("text"), TypeError, "GSet", "str"),
    row(GSet, lambda s: s.merge(b"text of another kind"), crdt.DecodeError, "GSet"),
    row(GSet, lambda s: s.merge(LWWMap("b").to_bytes()), crdt.DecodeError, "GSet", "type"),
    row(GSet, lambda s: s.delta(5), TypeError, "int"),
    row(GSet, lambda s: s.fork(""), ValueError, "64"),
    row(GSet, lambda s: s.fork(5), TypeError, "int"),
    row(GSet, lambda s: GSet("x" * 65), ValueError, "64"),
    row(GSet, lambda s: GSet(7), TypeError, "int", "str"),
    row(GSet, lambda s: GSet("a", clock=7), TypeError, "clock", "int"),
    row(GSet, lambda s: GSet.from_bytes(b""), crdt.DecodeError),
    row(GSet, lambda s: GSet.from_bytes(None), TypeError, "NoneType"),
    row(GSet, lambda s: ORMap("a", of=int), TypeError, "int"),
    row(GSet, lambda s: ORMap("a", of=GSet("x")), TypeError, "GSet"),
    row(GSet, lambda s: s.version.merge(5), TypeError, "int"),
    row(GSet, lambda s: hash(s), TypeError, "GSet"),
]


@pytest.mark.parametrize("case", [*VALUES, *NUMBERS, *PLACES, *SCHEMA, *MERGES])
def test_a_mistake_is_named_and_changes_nothing(case: Row) -> None:
    state = case.state()
    before = state.to_bytes()
    with pytest.raises(case.error) as caught:
        case.mistake(state)
    message = str(caught.value)
    for word in case.words:
        assert word in message, f"{word!r} is missing in: {message}"
    assert state.to_bytes() == before
    state.check_invariants()


def test_counters_overflow_at_the_end_of_64_bits_and_stay_as_they_were() -> None:
    c = GCounter("a")
    c.increment(2**64 - 1)
    with pytest.raises(OverflowError):
        c.increment()
    assert c.value == 2**64 - 1
    other = GCounter("b")
    other.increment(2**64 - 1)
    c.merge(other)
    assert c.value == 2**65 - 2, "the sum over writers is exact"
    p = PNCounter("a")
    p.decrement(2**64 - 1)
    with pytest.raises(OverflowError):
        p.decrement()
    p.increment(2**64 - 1)
    assert p.value == 0


def test_nesting_ends_at_64() -> None:
    m = LWWMap("a")

    def nested(depth: int) -> Any:
        value: Any = 1
        for level in range(depth):
            value = [value] if level % 2 else {"k": value}
        return value

    m["fits"] = nested(64)
    assert m["fits"] == nested(64)
    with pytest.raises((ValueError, TypeError), match="64"):
        m["deep"] = nested(65)
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises((ValueError, TypeError)):
        m["cycle"] = cycle
    with pytest.raises((ValueError, TypeError)):
        m[((),) * 1] = cycle
    assert list(m) == ["fits"]


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"n": int}, TypeError, ("n", "int")),
        ({"n": "Nonsense"}, TypeError, ("n", "Nonsense")),
        ({"merge": GCounter}, TypeError, ("merge",)),
        ({"value": GCounter}, TypeError, ("value",)),
        ({"_hidden": GCounter}, TypeError, ("_hidden",)),
    ],
)
def test_a_wrong_schema_is_named_at_once(
    fields: dict[str, Any], error: type[Exception], words: tuple[str, ...]
) -> None:
    with pytest.raises(error) as caught:
        type("Broken", (Composite,), {"__annotations__": fields})
    for word in ("Broken", *words):
        assert word in str(caught.value)


def test_a_wrong_mode_in_a_schema_lists_the_right_ones() -> None:
    with pytest.raises(ValueError, match="replicated") as caught:
        crdt.field(at_least="strongly")
    assert "strongly" in str(caught.value)


@pytest.mark.parametrize(
    ("time", "error", "shown"),
    [
        ("noon", TypeError, "str: 'noon'"),
        ("x" * 1000, TypeError, "xxx..."),
        (None, TypeError, "NoneType"),
        (True, TypeError, "bool: True"),
        (-1, ValueError, "not -1"),
        (2**60, ValueError, f"not {2**60}"),
        (float("inf"), ValueError, "not inf"),
        (float("-inf"), ValueError, "not -inf"),
        (float("nan"), ValueError, "not nan"),
        (10**400, ValueError, "not 1000"),
        (10**5000, ValueError, "not 0x"),
    ],
    ids=lambda each: each[:12] if isinstance(each, str) else type(each).__name__,
)
def test_a_clock_that_returns_nonsense_is_named(time: Any, error: type[Exception], shown: str) -> None:
    times = [1000]
    m, register = LWWMap("a", clock=lambda: times[0]), LWWRegister("a", clock=lambda: times[0])
    m["k"] = 1
    register.set(1)
    before, delta = (m.to_bytes(), register.to_bytes()), LWWMap("b", clock=lambda: 1000)
    delta["k"] = 2
    times[0] = time
    mistakes: list[Callable[[], Any]] = [
        lambda: m.__setitem__("k", 2),
        lambda: m.update({"k": 2, "l": 3}),
        lambda: m.pop("k"),
        m.clear,
        lambda: register.set(2),
        lambda: m.merge(delta.to_bytes()),
    ]
    for mistake in mistakes:
        with pytest.raises(error, match="clock: ") as caught:
            mistake()
        assert shown in str(caught.value) and len(str(caught.value)) < 150
    assert (m.to_bytes(), register.to_bytes()) == before
    m.check_invariants()


def test_a_clock_that_raises_leaves_nothing() -> None:
    def broken() -> int:
        raise RuntimeError("no time")

    m = LWWMap("a", clock=broken)
    with pytest.raises(RuntimeError, match="no time"):
        m["k"] = 1
    assert len(m) == 0
    m.check_invariants()


def test_assigning_to_an_element_of_a_list_says_what_to_do_instead() -> None:
    items = OpBasedList("a")
    items.append(1)
    before = items.to_bytes()
    with pytest.raises(TypeError, match="delete it and insert another"):
        items[0] = 2  # type: ignore[index]
    with pytest.raises(TypeError, match="delete it and insert another"):
        items[:] = [2]  # type: ignore[index]
    assert items.to_bytes() == before


@pytest.mark.parametrize("data", [None, "text", 5, [1], object()], ids=lambda data: type(data).__name__)
@pytest.mark.parametrize("type_", [*REGISTRY, Agent, VersionVector], ids=lambda type_: type_.__name__)
def test_from_bytes_of_no_bytes_says_what_it_reads(type_: Any, data: Any) -> None:
    words = rf"^{type_.__name__}.from_bytes reads bytes, not {type(data).__name__}: give it what to_bytes\(\) returned"
    with pytest.raises(TypeError, match=words):
        type_.from_bytes(data)


def test_from_bytes_of_a_state_says_how_to_copy_it() -> None:
    with pytest.raises(TypeError, match=r"GCounter.from_bytes reads bytes, not GCounter: fork or copy"):
        GCounter.from_bytes(GCounter("a"))  # type: ignore[arg-type]
