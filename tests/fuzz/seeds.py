"""What the fuzzer starts from: short valid messages of every type, and states to merge them into."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    repair,
)

KEYS: list[Any] = ["k", "", 1, 1.0, True, None, b"1", (1, "x"), 2**70, "a key longer than nine", "é", float("nan")]
KEY = bytes(range(16))
VALUES: list[Any] = [0, -1, 2**63, -(2**70), 1.5, None, True, "v", "x" * 20, b"\0", [], {}, [1, {"a": [2.0]}], {1: "1"}]


class Newer(Composite):
    """What a newer version of a program may have: `Older` keeps what it does not know."""

    hits: GCounter
    tags: ORSet
    config: LWWMap
    notes: Text
    tallies: ORMap = crdt.field(of=PNCounter)
    groups: ORMap = crdt.field(of=ORSet)


class Older(Composite):
    hits: GCounter
    tags: GSet  # retyped since
    config: LWWMap


def edit(rng: random.Random, state: Any) -> None:
    """One random change of any state."""
    if isinstance(state, Composite):
        edit(rng, getattr(state, rng.choice(list(type(state).fields()))))
    elif isinstance(state, ORMap):
        key = rng.choice(KEYS)
        if key in state and rng.random() < 0.3:
            del state[key]
        else:
            edit(rng, state[key])
    else:
        EDITS[type(state)](rng, state)


def edit_set(rng: random.Random, state: Any) -> None:
    if isinstance(state, ORSet) and rng.random() < 0.3:
        state.discard(rng.choice(KEYS))
    else:
        state.add(rng.choice(KEYS))


def edit_map(rng: random.Random, state: Any) -> None:
    if rng.random() < 0.2:
        state.pop(rng.choice(KEYS), None)
    else:
        state[rng.choice(KEYS)] = rng.choice(VALUES)


def edit_sequence(rng: random.Random, state: Any) -> None:
    size = len(state)
    if size > 2 and rng.random() < 0.35:
        at = rng.randrange(size - 1)
        state.delete(at, rng.randint(1, min(3, size - at)))
    elif isinstance(state, Text):
        state.insert(rng.randint(0, size), rng.choice(["a", "bc", "é", "漢", "\U0001f600", "hello"]))
    else:
        state.insert_many(rng.randint(0, size), rng.choices(VALUES, k=rng.randint(1, 3)))


EDITS: dict[type, Callable[[random.Random, Any], None]] = {
    GCounter: lambda rng, c: c.increment(rng.choice([1, 5, 2**40])),
    PNCounter: lambda rng, c: rng.choice([c.increment, c.decrement])(rng.choice([1, 300])),
    GSet: edit_set,
    ORSet: edit_set,
    LWWRegister: lambda rng, r: r.set(rng.choice(VALUES)),
    MVRegister: lambda rng, r: r.set(rng.choice(VALUES)),
    LWWMap: edit_map,
    OpBasedList: edit_sequence,
    Text: edit_sequence,
}

MAKERS: dict[str, Callable[..., Any]] = {t.__name__: t for t in EDITS}
MAKERS["Composite"] = Newer
for child in (*EDITS, ORMap):
    MAKERS[f"ORMap-{child.__name__}"] = lambda name=None, child=child, **options: ORMap(name, of=child, **options)


@dataclass
class Target:
    """Messages to damage and a state to merge them into. `afterwards`, if any, is what the messages
    build on: it comes when a batch is over, and what was held back lands then."""

    name: str
    receiver: Any  # forked for every batch; None for a version vector
    messages: list[bytes]
    afterwards: bytes = b""
    land: Callable[[Any, bytes], bool] = lambda state, data: bool(state.merge(data))
    is_compared: bool = False  # symbols, to compare the receiver with


def clock() -> int:
    return 2**41


def targets(seed: int) -> list[Target]:
    found = []
    for name, make in sorted(MAKERS.items()):
        rng = random.Random(f"{seed}/{name}")
        older: Callable[..., Any] = Older if name == "Composite" else make
        full, deltas, late = [], [], []
        for _ in range(6):
            a, b = make("a", clock=clock), make("bb", clock=clock)
            for _ in range(rng.randint(1, 12)):
                edit(rng, rng.choice([a, b]))
                if rng.random() < 0.2:
                    a.merge(b)
            b.merge(a)
            before, base = a.version, a.to_bytes()
            a.merge(b)
            if rng.random() < 0.5:
                left = {"bb": a.version["bb"]} if "bb" in a.version and rng.random() < 0.5 else {}
                a._purge(a.version, left)
            for _ in range(rng.randint(1, 4)):
                edit(rng, a)
            full.append(a.to_bytes())
            deltas.append(a.delta(before) or full[-1])
            late.append(base)
        receiver = make("receiver", clock=clock)
        receiver.merge(late[-1])
        edit(rng, receiver)
        # What a second life of the same writer holds, and symbols of that.
        other = receiver.fork("receiver")
        for _ in range(4):
            edit(rng, rng.choice([other, receiver]))
        pieces = [repair.entries(other, KEY, None), repair.entries(other, KEY, None, other.version)]
        pieces += [repair.entries(make(), KEY, None), repair.entries(receiver.fork("z"), KEY, None)]
        symbols = [repair.Sketch(state, KEY).symbols(0, 12) for state in (other, make())]
        found.append(Target(f"{name}/repair", receiver, pieces, land=repair.repair))
        found.append(Target(f"{name}/symbols", receiver, symbols, is_compared=True))
        found.append(Target(f"{name}/full", make("receiver", clock=clock), full))
        found.append(Target(f"{name}/older", older("receiver", clock=clock), full + deltas))
        found.append(Target(f"{name}/delta", receiver, [*deltas, *full]))
        found.append(Target(f"{name}/late", make("receiver", clock=clock), deltas[-1:], late[-1]))
    vectors = [crdt.VersionVector({f"w{i}": 2 ** (i * 7) for i in range(n)}).to_bytes() for n in range(6)]
    found.append(Target("VersionVector/bytes", None, vectors))
    return found
