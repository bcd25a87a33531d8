"""Memory is given back: a state that stays small stays small, however often it was changed.

A million changes each, in batches, so that a leak of one byte a change is a megabyte here. Peak
memory of the process is watched too: what leaks outside of the state does not show in its size.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from typing import Any

import pytest

from crdt import GCounter, GSet, LWWMap, LWWRegister, MVRegister, OpBasedList, ORMap, ORSet, PNCounter, Text

ROUNDS = 1_000_000


def overwrite(m: Any, n: int) -> None:
    for k in range(n):
        m["k"] = k


def overwrite_long(m: Any, n: int) -> None:
    for k in range(n):
        m["a key longer than nine"] = f"a value longer than eight {k}"


def set_long(r: Any, n: int) -> None:
    for k in range(n):
        r.set(f"a value longer than eight {k}")


def put_and_delete(m: Any, n: int) -> None:
    for k in range(n // 2):
        m["a key longer than nine"] = k
        del m["a key longer than nine"]


def add_and_remove(s: Any, n: int) -> None:
    for _ in range(n // 2):
        s.add("an element longer than eleven")
        s.discard("an element longer than eleven")


def add_and_clear(s: Any, n: int) -> None:
    for _ in range(n // 5):
        s.update(["a", "b", "c", "an element longer than eleven"])
        s.clear()


def add_again(s: Any, n: int) -> None:
    for _ in range(n):
        s.add("x")


def increment(c: Any, n: int) -> None:
    for _ in range(n):
        c.increment()


def make_and_delete(m: Any, n: int) -> None:
    for _ in range(n // 2):
        m["k"].increment()
        del m["k"]


def make_and_delete_sets(m: Any, n: int) -> None:
    for _ in range(n // 2):
        m["k"].add("an element longer than eleven")
        del m["k"]


CASES: list[tuple[Callable[[], Any], Callable[[Any, int], None]]] = [
    (lambda: LWWMap("a"), overwrite),
    (lambda: LWWMap("a"), overwrite_long),
    (lambda: LWWMap("a"), put_and_delete),
    (lambda: LWWRegister("a"), set_long),
    (lambda: MVRegister("a"), set_long),
    (lambda: ORSet("a"), add_and_remove),
    (lambda: ORSet("a"), add_and_clear),
    (lambda: ORSet("a"), add_again),
    (lambda: GSet("a"), add_again),
    (lambda: GCounter("a"), increment),
    (lambda: PNCounter("a"), increment),
    (lambda: ORMap("a", of=GCounter), make_and_delete),
    (lambda: ORMap("a", of=ORSet), make_and_delete_sets),
]


@pytest.mark.parametrize(("make", "churn"), CASES, ids=[f"{make()!r:.7}-{churn.__name__}" for make, churn in CASES])
def test_churn_does_not_grow_the_state(make: Callable[[], Any], churn: Callable[[Any, int], None]) -> None:
    state = make()
    churn(state, 1000)
    size, whole = sys.getsizeof(state), len(state.to_bytes())
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    churn(state, ROUNDS)
    assert sys.getsizeof(state) <= size + 8192
    assert len(state.to_bytes()) <= whole + 32  # numbers grow by digits
    if "asan" not in os.environ.get("LD_PRELOAD", ""):  # a sanitizer keeps freed memory to catch its use
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_kb < 8 * 1024
    state.check_invariants()


def test_a_receiver_of_churn_does_not_grow_either() -> None:
    a, b = ORSet("a"), ORSet("b")
    sizes = []
    for k in range(3000):
        for x in ("x", "y", k % 10):
            a.add(x)
            a.discard(x)
        b.merge(a.delta(b.version))
        sizes.append(sys.getsizeof(b))
    assert max(sizes[1000:]) <= max(sizes[:1000]) + 8192
    assert len(b) == 0
    assert len(b.to_bytes()) < 64


def test_what_is_deleted_from_a_sequence_leaves_little() -> None:
    """A deleted element keeps its place in the order, but not its content."""
    text = Text("a")
    for _ in range(50):
        text.append("x" * 20_000)
        text.delete(0, 20_000)
    assert sys.getsizeof(text) < 500_000  # of a million characters
    items = OpBasedList("a")
    for _ in range(20):
        items.extend(["v" * 1000] * 100)
        items.delete(0, 100)
    assert sys.getsizeof(items) < 100_000


def test_a_big_state_gives_its_memory_back() -> None:
    m = LWWMap("a")
    m.update({f"key number {k}": f"value number {k}" for k in range(50_000)})
    full = sys.getsizeof(m)
    assert full > 50_000 * 20
    s = ORSet("a")
    s.update(range(50_000))
    full = sys.getsizeof(s)
    s.clear()
    assert sys.getsizeof(s) < full / 4


@pytest.mark.parametrize("type_", [GCounter, GSet, ORSet, LWWMap, Text, OpBasedList])
def test_getsizeof_counts_the_c_memory(type_: Any) -> None:
    state = type_("a")
    empty = sys.getsizeof(state)
    assert empty < 4096
    for k in range(20_000):
        if type_ is GCounter:
            state.increment()
        elif type_ is LWWMap:
            state[k] = k
        elif type_ in (Text, OpBasedList):
            state.append("12345678")
        else:
            state.add(k)
    if type_ is GCounter:
        assert sys.getsizeof(state) < empty + 1024
    else:
        assert sys.getsizeof(state) > empty + 20_000 * 8


@pytest.mark.parametrize("order", [reversed, sorted])
def test_a_long_chain_of_late_deltas_lands_in_linear_time(order: Callable[[Any], Any]) -> None:
    source, deltas = GSet("a"), []
    for k in range(5000):
        before = source.version
        source.add(k)
        deltas.append(source.delta(before))
    late, passes = GSet("b"), 0
    for _, delta in order(list(enumerate(deltas))):
        passes += late.merge(delta)
    assert late == source
    assert late.pending == 0
    assert passes == (1 if order is reversed else 5000)
