"""The states behind `golden/*.bin`, made the same way every time.

    python -m tests.crdt.samples            write the samples that are missing
    python -m tests.crdt.samples --rewrite  write all: only when the format changes on purpose, with
                                            its version, docs/explanation/wire-format.md and CHANGELOG.md

A sample that was once released is never rewritten: every later version must read it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import crdt
from crdt import Composite, GCounter, GSet, LWWMap, LWWRegister, MVRegister, OpBasedList, ORMap, ORSet, PNCounter, Text

GOLDEN = Path(__file__).parent / "golden"
MS = 1_700_000_000_000


class Agent(Composite):
    hits: GCounter
    budget: PNCounter = crdt.field(at_least="replicated")
    flags: GSet
    tags: ORSet
    mode: LWWRegister
    votes: MVRegister
    config: LWWMap
    logs: OpBasedList
    notes: Text
    tallies: ORMap = crdt.field(of=GCounter)
    groups: ORMap = crdt.field(of=ORSet)


VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    255,
    2**63 - 1,
    -(2**63),
    2**70,
    -(2**2000),
    0.0,
    -0.0,
    1.5,
    float("inf"),
]
VALUES += [
    "",
    "nine char",
    "漢字 \U0001f600",
    "x" * 300,
    b"",
    b"\0\xff",
    [],
    {},
    [1, [2, {"k": [3.0]}]],
    {1: "1", "1": 1},
]
KEYS: list[Any] = [
    None,
    True,
    1,
    1.0,
    "1",
    b"1",
    (),
    (1, ("x", None)),
    float("nan"),
    -(2**70),
    "é",
    "a key longer than nine",
]


def replicas(type_: Any, **options: Any) -> tuple[Any, Any]:
    """Two writers whose clocks differ by a second."""
    return type_("alice", clock=lambda: MS, **options), type_("bob", clock=lambda: MS + 1000, **options)


def g_counter() -> Any:
    a, b = replicas(GCounter)
    a.increment(2**64 - 1000)
    b.increment(300)
    a.merge(b)
    return a


def pn_counter() -> Any:
    a, b = replicas(PNCounter)
    a.increment(5)
    b.decrement(2**40)
    a.merge(b)
    return a


def g_set() -> Any:
    a, b = replicas(GSet)
    a.update(KEYS)
    b.update(KEYS[:3])
    a.merge(b)
    return a


def or_set() -> Any:
    a, b = replicas(ORSet)
    a.update(KEYS)
    b.merge(a)
    a.remove("1")
    b.add("1")
    b.remove(None)
    a.add(None)
    a.merge(b)
    return a


def lww_register() -> Any:
    a, b = replicas(LWWRegister)
    a.set("first")
    b.set(VALUES[4:])
    a.merge(b)
    return a


def mv_register() -> Any:
    a, b = replicas(MVRegister)
    a.set("from alice")
    b.set({"from": "bob"})
    a.merge(b)
    return a


def lww_map() -> Any:
    a, b = replicas(LWWMap)
    for index, value in enumerate(VALUES):
        (a, b)[index % 2][f"v{index}"] = value
    for index, key in enumerate(KEYS):
        a[key] = index
    a.merge(b)
    del a["v2"]
    return a


def nested(of: Any, *edits: Callable[[Any], None]) -> Any:
    """Two children; one key deleted while the other writer was at it."""
    a, b = replicas(ORMap, of=of)
    for edit in edits:
        edit(a["both"])
        edit(b["both"])
        edit(a[(1, "x")])
    b.merge(a)
    del b[(1, "x")]
    edits[0](a[(1, "x")])
    a.merge(b)
    return a


def op_list() -> Any:
    a, b = replicas(OpBasedList)
    a.insert_many(0, VALUES)
    b.merge(a)
    a.insert(3, "between")
    b.insert(3, "also between")
    b.delete(5, 4)
    a.merge(b)
    return a


def text() -> Any:
    a, b = replicas(Text)
    a.append("The quick brown fox ")
    b.merge(a)
    for letter in "jumps":
        a.append(letter)
    b.insert(4, "very ")
    b.insert(4, "漢字\U0001f600")
    b.delete(0, 2)
    a.merge(b)
    return a


def agent() -> Any:
    a, b = replicas(Agent)
    a.hits.increment(3)
    a.budget.decrement(2)
    a.flags.add("ready")
    b.tags.update(["x", "y"])
    b.mode.set({"level": 2})
    a.votes.set("yes")
    b.votes.set("no")
    a.config["model"] = "small"
    b.config["model"] = "large"
    a.logs.extend(["one", 2, None])
    b.notes.append("notes é")
    b.tallies["k"].increment(2)
    a.tallies["k"].increment(3)
    a.groups["g"].add(1)
    a.merge(b)
    del a.groups["g"]
    return a


STATES: dict[str, Callable[[], Any]] = {
    "g_counter": g_counter,
    "pn_counter": pn_counter,
    "g_set": g_set,
    "or_set": or_set,
    "lww_register": lww_register,
    "mv_register": mv_register,
    "lww_map": lww_map,
    "op_based_list": op_list,
    "text": text,
    "or_map_g_counter": lambda: nested(GCounter, lambda c: c.increment(7)),
    "or_map_pn_counter": lambda: nested(PNCounter, lambda c: c.increment(7), lambda c: c.decrement(9)),
    "or_map_g_set": lambda: nested(GSet, lambda s: s.add("x")),
    "or_map_or_set": lambda: nested(ORSet, lambda s: s.add("x"), lambda s: s.add("y"), lambda s: s.remove("x")),
    "or_map_lww_register": lambda: nested(LWWRegister, lambda r: r.set("v")),
    "or_map_mv_register": lambda: nested(MVRegister, lambda r: r.set("v"), lambda r: r.set(2)),
    "or_map_lww_map": lambda: nested(LWWMap, lambda m: m.update({"k": 1, "gone": 2}), lambda m: m.pop("gone")),
    "or_map_op_based_list": lambda: nested(OpBasedList, lambda v: v.extend([1, "two", 3]), lambda v: v.delete(1)),
    "or_map_text": lambda: nested(Text, lambda t: t.append("hello"), lambda t: t.delete(1, 2)),
    "composite": agent,
}


def purged(state: Any) -> Any:
    """After a purge of all it holds, with one of its writers retired."""
    retired = {name: count for name, count in state.version.items() if name != state.replica}
    state._purge(state.version, retired)
    return state


STATES["lww_map_purged"] = lambda: purged(lww_map())
STATES["or_map_g_counter_purged"] = lambda: purged(nested(GCounter, lambda c: c.increment(7)))
STATES["composite_purged"] = lambda: purged(agent())


def late_edit(state: Any) -> None:
    """One more change, for the sample of a delta."""
    if isinstance(state, Composite):
        state.config["late"] = True
        state.groups["g"].add("late")
        state.notes.insert(0, "late ")
    elif isinstance(state, ORMap):
        late_edit(state["late"])
    elif isinstance(state, (GCounter, PNCounter)):
        state.increment()
    elif isinstance(state, LWWMap):
        state["late"] = True
    elif isinstance(state, (LWWRegister, MVRegister)):
        state.set("late")
    elif isinstance(state, (OpBasedList, Text)):
        state.insert(0, "late")
        if len(state) > 2:
            state.delete(1, 1)
    else:
        state.add("late")


def delta_of(state: Any) -> bytes:
    before = state.version
    late_edit(state)
    return state.delta(before)


def samples() -> dict[str, bytes]:
    found = {}
    for name, make in STATES.items():
        state = make()
        found[name] = state.to_bytes()
        found[f"{name}.delta"] = delta_of(state)
    found["version_vector"] = agent().version.to_bytes()
    return found


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, data in samples().items():
        path = GOLDEN / f"{name}.bin"
        if "--rewrite" in sys.argv or not path.exists():
            path.write_bytes(data)
            print(f"{path.name}: {len(data)} bytes")
