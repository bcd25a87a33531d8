"""What each type means, as a function of the visible history. The executable specification.

A replica has seen a set of operations; each operation knows which others its writer had seen
(happens-before). Nothing else may decide a value: not the order of delivery, not the number of
copies, not who asks. Every model below is that function in plain, slow Python. It knows nothing of
dots, tombstones, deltas or bytes, so a mistake in those cannot be repeated here.

Laws alone would not do: a set whose `remove` does nothing is commutative, associative and
idempotent. Comparing with these models finds it.

Inside an ORMap a `del` of the key reaches the child as an operation named "reset"; an update of the
child counts as long as no reset has seen it.

Sources: the method is that of AntidoteDB's type tests (specifications over visible operations,
Burckhardt et al., "Replicated data types: specification, verification, optimality", 2014). The list
order is FugueMax (Weidner, Kleppmann, "The Art of the Fugue", 2023, section 4 and appendix).
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Shape = Any  # what `shape` returns: comparable, hashable, and different whenever type or content is
ElementId = tuple[bytes, int, int]  # (writer name, its operation, index in that operation's run)


@dataclass(frozen=True, slots=True)
class Op:
    """One operation: what was done, by whom, and what its writer had seen before doing it."""

    writer: str
    number: int  # 1, 2, 3, ... for each writer
    seen: Mapping[str, int]  # how many operations of each writer
    name: str
    args: tuple[Any, ...] = ()
    stamp: int = 0  # hybrid logical clock; 0 for operations that carry none

    def saw(self, other: Op) -> bool:
        return other.number <= self.seen.get(other.writer, 0)

    @property
    def rank(self) -> tuple[int, bytes]:
        """Last writer wins by this: the stamp, then the writer's name."""
        return self.stamp, self.writer.encode()


Ops = Sequence[Op]
Model = Callable[[Ops], Shape]


def shape(value: Any) -> Shape:
    """Equality by type and content: 1, 1.0 and True differ, NaN equals itself, a tuple reads as a list."""
    if isinstance(value, (list, tuple)):
        return "list", tuple(shape(v) for v in value)
    if isinstance(value, dict):
        return "dict", frozenset((key_shape(k), shape(v)) for k, v in value.items())
    if isinstance(value, float):
        return "float", "nan" if math.isnan(value) else struct.pack(">d", value)
    return type(value).__name__, value


def key_shape(key: Any) -> Shape:
    """As `shape`, for keys and set elements: a tuple stays one, and 0.0 and -0.0 are one key."""
    if isinstance(key, tuple):
        return "tuple", tuple(key_shape(k) for k in key)
    return shape(key + 0.0 if isinstance(key, float) else key)


def causal_order(ops: Iterable[Op]) -> list[Op]:
    """Some order in which every operation comes after all it had seen."""
    return sorted(ops, key=lambda op: (sum(op.seen.values()), op.writer, op.number))


def live(ops: Ops) -> list[Op]:
    """The operations that no `reset` of an enclosing map has seen."""
    resets = [op for op in ops if op.name == "reset"]
    return [op for op in ops if op.name != "reset" and not any(r.saw(op) for r in resets)]


def g_counter(ops: Ops) -> Shape:
    return sum(op.args[0] for op in live(ops))


def pn_counter(ops: Ops) -> Shape:
    return sum(op.args[0] if op.name == "increment" else -op.args[0] for op in live(ops))


def g_set(ops: Ops) -> Shape:
    return frozenset(op.args[0] for op in live(ops))


def or_set(ops: Ops) -> Shape:
    """Add wins: an element is in if some add of it was seen by no remove of it and by no clear."""
    adds = [op for op in live(ops) if op.name == "add"]
    removes = [op for op in ops if op.name in ("remove", "clear")]
    return frozenset(
        add.args[0]
        for add in adds
        if not any(r.saw(add) and (r.name == "clear" or r.args == add.args) for r in removes)
    )


def lww_register(ops: Ops) -> Shape:
    writes = live(ops)
    return max(writes, key=lambda op: op.rank).args[0] if writes else shape(None)


def lww_map(ops: Ops) -> Shape:
    """For each key the greatest write or delete; a delete competes by its stamp like a write."""
    newest: dict[Shape, Op] = {}
    for op in live(ops):
        if op.args[0] not in newest or newest[op.args[0]].rank < op.rank:
            newest[op.args[0]] = op
    return frozenset((key, op.args[1]) for key, op in newest.items() if op.name == "set")


def mv_register(ops: Ops) -> Shape:
    """The values of the writes that no other write has seen; equal values are shown once."""
    writes = live(ops)
    return frozenset(w.args[0] for w in writes if not any(other.saw(w) for other in writes))


def or_map(child: Model) -> Model:
    """A key is in if an update below it was seen by no `del` of it; its child is made of such updates."""

    def value(ops: Ops) -> Shape:
        below: dict[Shape, list[Op]] = {}
        for op in ops:
            if op.name == "reset":
                continue
            key, *inner = op.args
            name, args = ("reset", ()) if op.name == "del" else inner
            below.setdefault(key, []).append(replace(op, name=name, args=args))
        outer = [op for op in ops if op.name == "reset"]
        return frozenset((key, child(inner + outer)) for key, inner in below.items() if live(inner + outer))

    return value


def composite(fields: Mapping[str, Model]) -> Model:
    def value(ops: Ops) -> Shape:
        shapes = []
        for name, model in fields.items():
            inner = [replace(op, name=op.args[1], args=op.args[2]) for op in ops if op.args[0] == name]
            shapes.append((name, model(inner)))
        return tuple(shapes)

    return value


@dataclass(frozen=True, slots=True)
class Element:
    """One inserted element. `left`: the visible element before the place of insertion, `right`: the
    next one after it, deleted ones included; None at an end of the list."""

    id: ElementId
    left: ElementId | None
    right: ElementId | None
    value: Any


def elements_in_order(ops: Ops) -> list[tuple[Element, bool]]:
    """Every element ever inserted, in list order, and whether it is visible."""
    tree = FugueMaxTree()
    dead: set[ElementId] = set()
    alive = {(op.writer, op.number) for op in live(ops)}
    for op in causal_order(op for op in ops if op.name != "reset"):
        if op.name == "delete":
            dead.update(op.args[0])
            continue
        for element in op.args[0]:
            tree.add(element)
            if (op.writer, op.number) not in alive:
                dead.add(element.id)
    return [(element, element.id not in dead) for element in tree.in_order()]


def needless(order: list[tuple[Element, bool]], among: set[ElementId]) -> set[ElementId]:
    """Of these elements the most that are origins of no element but each other."""
    found = set(among)
    while True:
        needed = {origin for e, _ in order if e.id not in found for origin in (e.left, e.right)}
        if not found & needed:
            return found
        found -= needed


class FugueMaxTree:
    """The tree of the paper, one node per element. Left children come before their parent, right
    children after it. Siblings on the left are ordered by writer; on the right by where their right
    origins are, furthest first, then by writer."""

    def __init__(self) -> None:
        self.nodes: dict[ElementId | None, Element | None] = {None: None}
        self.up: dict[ElementId | None, tuple[ElementId | None, str]] = {}  # parent and side
        self.children: dict[tuple[ElementId | None, str], list[ElementId]] = {}

    def add(self, e: Element) -> None:
        # An element that already has something on its right keeps it: the new one then goes to the
        # left of what follows.
        if e.right is not None and self.is_ancestor(e.left, e.right):
            place = (e.right, "left")
        else:
            place = (e.left, "right")
        self.nodes[e.id] = e
        self.up[e.id] = place
        self.children.setdefault(place, []).append(e.id)

    def path(self, node: ElementId | None) -> list[tuple[ElementId | None, str]]:
        """The steps from the root down to the node: (child, the side it hangs on)."""
        steps = []
        while node is not None:
            parent, side = self.up[node]
            steps.append((node, side))
            node = parent
        return steps[::-1]

    def is_ancestor(self, above: ElementId | None, below: ElementId) -> bool:
        return above is None or any(step[0] == above for step in self.path(below)[:-1])

    def compare(self, a: ElementId | None, b: ElementId | None) -> int:
        """Below 0 if `a` comes first in the list. None, the end of the list, comes last."""
        if a == b or a is None or b is None:
            return (a is None) - (b is None)
        left, right = self.path(a), self.path(b)
        depth = next((i for i, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None)
        if depth is None:  # one is above the other
            shorter = min(len(left), len(right))
            longer, sign = (left, 1) if len(left) > shorter else (right, -1)
            return -sign if longer[shorter][1] == "left" else sign
        (x, x_side), (y, y_side) = left[depth], right[depth]
        if x_side != y_side:
            return -1 if x_side == "left" else 1
        return self.compare_siblings(x, y, x_side)

    def compare_siblings(self, x: ElementId | None, y: ElementId | None, side: str) -> int:
        first, second = self.nodes[x], self.nodes[y]
        assert first is not None and second is not None
        if side == "right" and first.right != second.right:
            return -self.compare(first.right, second.right)
        return -1 if first.id < second.id else 1

    def in_order(self) -> list[Element]:
        found: list[Element] = []
        stack: list[tuple[ElementId | None, bool]] = [(None, False)]
        while stack:
            node, children_done = stack.pop()
            if children_done:
                element = self.nodes[node]
                if element is not None:
                    found.append(element)
                continue
            stack += [(child, False) for child in reversed(self.siblings(node, "right"))]
            stack.append((node, True))
            stack += [(child, False) for child in reversed(self.siblings(node, "left"))]
        return found

    def siblings(self, parent: ElementId | None, side: str) -> list[ElementId]:
        order = functools.cmp_to_key(lambda x, y: self.compare_siblings(x, y, side))
        return sorted(self.children.get((parent, side), ()), key=order)
