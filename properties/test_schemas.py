"""Programs of several ages on one state: what one does not declare it passes on all the same, and they all converge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crdt import Composite, GCounter, LWWMap, LWWRegister, MVRegister, OpBasedList, ORMap, ORSet, field


class New(Composite):
    n: GCounter
    tags: ORSet
    notes: LWWMap
    steps: OpBasedList
    one: LWWRegister
    some: MVRegister
    sets: ORMap = field(of=ORSet)


class Old(Composite):
    n: GCounter
    notes: LWWMap


class Retyped(Composite):
    n: GCounter
    tags: ORMap
    one: MVRegister


CLASSES: tuple[type[Composite], ...] = (New, New, Old, Retyped)
CHANGES: dict[str, Callable[[Any, int], object]] = {
    "count": lambda s, x: s.n.increment(),
    "tag": lambda s, x: s.tags.add(x),
    "untag": lambda s, x: s.tags.discard(x),
    "note": lambda s, x: s.notes.update({x: x}),
    "forget": lambda s, x: s.notes.pop(x, None),
    "step": lambda s, x: s.steps.append(x),
    "undo": lambda s, x: s.steps.clear(),
    "set": lambda s, x: s.one.set(x),
    "write": lambda s, x: s.some.set(x),
    "add below": lambda s, x: s.sets[x % 2].add(x),
    "remove below": lambda s, x: s.sets[x % 2].discard(x),
    "drop": lambda s, x: s.sets.__delitem__(x % 2) if x % 2 in s.sets else None,
}
# How the other of the two that know all fields hears of a change, if it does.
WAYS = ("not", "by delta", "through Old", "through Retyped", "through Old anew", "through Retyped anew")
STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(0, 1), st.integers(0, 1), st.sampled_from(WAYS)),
    max_size=30,
)


def relayed(states: list[Any], source: int, way: str) -> None:
    """A whole state to a program that does not know all of it, and from there what the other has not."""
    place = 2 if "Old" in way else 3
    if "anew" in way:
        states[place] = CLASSES[place].from_bytes(states[source].to_bytes(), f"writer-{place}")
    states[place].merge(states[source].to_bytes())
    tell(states[place], states[1 - source])


def tell(source: Any, target: Any) -> None:
    target.merge(source.delta(target.version))


@given(STEPS)
def test_they_converge_whoever_passes_what_on(steps: list[tuple[str, int, int, str]]) -> None:
    states: list[Any] = [cls(f"writer-{place}") for place, cls in enumerate(CLASSES)]
    for change, source, element, way in steps:
        CHANGES[change](states[source], element)
        if way == "by delta":
            tell(states[source], states[1 - source])
        elif way != "not":
            relayed(states, source, way)
    for _ in range(2):
        for source in range(len(states)):
            for target in range(len(states)):
                tell(states[source], states[target])
    assert len({state.to_bytes() for state in states}) == 1
    assert states[0].value == states[1].value
    for state in states:
        state.check_invariants()
