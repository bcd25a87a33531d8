"""Keys leave in canonical order, by type and then by bytes, however they came in and however much they share."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from crdt import GSet, LWWMap, ORMap, ORSet

N = 3000  # more than are sorted by comparing


def mixed(k: int) -> Any:
    return [k, f"k{k}", str(k) * (k % 9), f"{k}".encode(), (k, "pair"), k / 3, f"a name in the arena {k}"][k % 7]


FAMILIES: dict[str, Callable[[int], Any]] = {
    "numbered": lambda k: f"key-{k:08d}",
    "ints": lambda k: k * 7919 - 500_000,
    "two families": lambda k: f"{'user' if k % 2 else 'item'}:a long way in common:{k}",
    "one a beginning of the other": lambda k: "ab" * k,
    "zeros at the end": lambda k: b"x" * (k % 50) + bytes(k // 50),
    "agreeing in many parts": lambda k: "".join(f"{k >> bit & 1}agree--" for bit in range(12)),
    "mixed": mixed,
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", [GSet, ORSet, LWWMap])
def test_the_order_of_arrival_does_not_show(kind: Any, family: str) -> None:
    keys = [FAMILIES[family](k) for k in range(N)]
    states = []
    for seed in range(3):
        order = keys[:]
        random.Random(seed).shuffle(order)
        state = kind("writer", clock=lambda: 1)
        state.update(dict.fromkeys(order, 5) if kind is LWWMap else order)
        states.append(state)
    # Each writer gave its events in another order, so only what all have seen can be compared.
    joined = []
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        joint = kind("reader")
        for which in order:
            joint.merge(states[which].fork(f"writer {which}"))
        joined.append(joint)
    for state in [*states, *joined]:
        again = kind.from_bytes(state.to_bytes())  # which refuses keys that are not in order
        assert again.to_bytes() == state.to_bytes()
        assert again == state
        again.check_invariants()


def test_concurrent_entries_of_a_key_are_ordered_by_writer() -> None:
    maps = [ORMap(name, of=LWWMap) for name in "cab"]
    for number, m in enumerate(maps):
        names = [f"name {k}" for k in range(700)]
        random.Random(number).shuffle(names)
        m["m"].update(dict.fromkeys(names, number))
    one, other = ORMap("x", of=LWWMap), ORMap("y", of=LWWMap)
    for m in maps:
        one.merge(m)
    for m in reversed(maps):
        other.merge(m)
    assert one == other
    assert one.to_bytes() == other.to_bytes()
    assert ORMap.from_bytes(one.to_bytes(), of=LWWMap) == one
