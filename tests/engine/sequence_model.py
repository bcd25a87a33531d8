"""FugueMax as the paper draws it: a tree of single elements, walked in order. The oracle.

Slow and plain on purpose; it shares no idea with the engine but the definition of the origins.
Source: Weidner and Kleppmann, "The Art of the Fugue" (2023), section on FugueMax.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Id = tuple[bytes, int]


@dataclass
class Element:
    id: Id
    left: Id | None
    right: Id | None
    unit: int
    deleted: bool = False
    left_children: list[Element] = field(default_factory=list)
    right_children: list[Element] = field(default_factory=list)


class Model:
    """One replica of a sequence; an element is a tuple of what it was born with."""

    def __init__(self) -> None:
        self.elements: dict[Id, Element] = {}
        self.roots: list[Element] = []  # right children of the start
        self.order: list[Element] = []

    def _walk(self) -> list[Element]:
        out: list[Element] = []
        stack: list[tuple[Element, bool]] = [(e, False) for e in reversed(self.roots)]
        while stack:
            element, seen = stack.pop()
            if seen:
                out.append(element)
                continue
            stack.extend((e, False) for e in reversed(element.right_children))
            stack.append((element, True))
            stack.extend((e, False) for e in reversed(element.left_children))
        return out

    def integrate(self, id: Id, left: Id | None, right: Id | None, unit: int) -> None:
        if id in self.elements:
            return
        element = Element(id, left, right, unit)
        parent = self.elements[right] if right is not None else None
        if parent is not None and parent.left == left:
            parent.left_children.append(element)
            parent.left_children.sort(key=lambda e: e.id)
        else:
            place = {e.id: i for i, e in enumerate(self.order)}
            siblings = self.roots if left is None else self.elements[left].right_children
            siblings.append(element)
            end = len(self.order)
            siblings.sort(key=lambda e: (-(end if e.right is None else place[e.right]), e.id))
        self.elements[id] = element
        self.order = self._walk()

    def visible(self) -> list[Element]:
        return [e for e in self.order if not e.deleted]

    def units(self) -> list[int]:
        return [e.unit for e in self.order if not e.deleted]

    def insert(self, position: int, id: Id, unit: int) -> None:
        left = self.visible()[position - 1] if position else None
        at = self.order.index(left) + 1 if left is not None else 0
        right = self.order[at] if at < len(self.order) else None
        self.integrate(id, left and left.id, right and right.id, unit)

    def delete(self, position: int, n: int) -> None:
        for element in self.visible()[position : position + n]:
            element.deleted = True

    def merge(self, other: Model) -> None:
        for element in other.elements.values():  # in order of arrival there: origins come first
            self.integrate(element.id, element.left, element.right, element.unit)
        for element in other.elements.values():
            if element.deleted:
                self.elements[element.id].deleted = True
