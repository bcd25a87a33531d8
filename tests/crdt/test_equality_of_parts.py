"""Fields and children are equal if what they hold is, told apart by type and content, as states are."""

from typing import Any

import pytest

from crdt import Composite, GSet, LWWMap, LWWRegister, MVRegister, OpBasedList, ORMap, ORSet

NAN = float("nan")


class All(Composite):
    grown: GSet
    tags: ORSet
    notes: LWWMap
    steps: OpBasedList
    one: LWWRegister
    some: MVRegister


def write(state: All, value: Any) -> None:
    state.grown.add(value)
    state.tags.add(value)
    state.notes["k"] = value
    state.steps.append(value)
    state.one.set(value)
    state.some.set(value)


FIELDS = ("grown", "tags", "notes", "steps", "one", "some")


@pytest.mark.parametrize("field", FIELDS)
def test_a_part_with_nan_is_equal_to_itself_and_to_one_that_holds_the_same(field: str) -> None:
    one, other = All("a"), All("b")
    write(one, NAN)
    write(other, float("nan"))
    assert getattr(one, field) == getattr(one, field)
    assert getattr(one, field) == getattr(other, field)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("left", "right"), [(1, True), (1, 1.0), (0, False), ((1,), (True,))])
def test_values_of_other_types_are_others(field: str, left: Any, right: Any) -> None:
    one, other = All("a"), All("b")
    write(one, left)
    write(other, right)
    assert getattr(one, field) != getattr(other, field)


def test_two_elements_are_not_one_that_python_takes_for_both() -> None:
    one, other = All("a"), All("b")
    one.grown.update([1, True])
    other.grown.add(1)
    assert one.grown != other.grown


def test_children_are_compared_by_what_is_below() -> None:
    one, other = ORMap("a", of=All), ORMap("b", of=All)
    for state in (one, other):
        write(state["k"], NAN)
    assert one["k"] == other["k"] and one["k"].notes == other["k"].notes
    other["k"].notes["l"] = 1
    assert one["k"] != other["k"]
