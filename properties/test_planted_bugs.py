"""The properties find the mistakes that others shipped: each is planted once and must be caught.

A property that cannot fail proves nothing. The same histories and models that check `crdt` run here
on small Python types with one mistake each (`reference.py`); the engine's own mutants are in
`test_engine_mutants.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from . import nesting, reference, subjects
from .planted import IN_PYTHON, Planted
from .strategies import indexes
from .subjects import Subject
from .world import World

SOUND = ("GCounter", "ORSet", "LWWMap", "MVRegister", "ORMap", "Text")

few_keys = st.sampled_from(["x", "y"])
few_values = st.integers(0, 3)
COMMANDS: dict[str, st.SearchStrategy[Any]] = {
    "ORSet": st.tuples(st.sampled_from(["add", "add", "remove"]), few_keys),
    "LWWMap": st.tuples(st.just("set"), few_keys, few_values) | st.tuples(st.just("del"), few_keys),
    "MVRegister": st.tuples(st.just("set"), few_values),
    "Text": st.tuples(st.just("insert"), indexes, st.sampled_from(["p", "q", "stu"]))
    | st.tuples(st.just("delete"), indexes, st.just(1)),
}


def plain(name: str, bug: str) -> Subject:
    """The subject of that name, driving the Python type with that mistake instead of the real one."""
    type_ = type(name, (getattr(reference, name),), {"bug": bug})
    if name == "ORMap":
        counter = subjects.GCounter(reference.GCounter)
        counter.commands = st.tuples(st.just("increment"), st.integers(1, 3))
        subject: Subject = nesting.Nested(type_, counter)
        below = st.tuples(st.just("below"), few_keys, counter.commands)
        subject.commands = st.one_of(below, below, st.tuples(st.just("del"), few_keys))
        return subject
    subject = getattr(subjects, name)(type_)
    subject.commands = COMMANDS.get(name, subject.commands)
    return subject


def failure(subject: Subject, examples: int) -> Exception | None:
    """What the model property says of this subject, if it finds anything."""

    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(subject.histories(), st.integers(2, 3))
    def real_equals_model(history: list[Any], count: int) -> None:
        World(subject, count).run(history).settle()

    try:
        real_equals_model()
    except Exception as found:
        return found
    return None


@pytest.mark.parametrize("planted", IN_PYTHON, ids=lambda p: f"{p.type}: {p.bug}")
def test_a_planted_mistake_is_found(planted: Planted) -> None:
    assert failure(plain(planted.type, planted.bug), 600) is not None, f"not found: {planted.source}"


@pytest.mark.parametrize("name", SOUND)
def test_without_a_mistake_nothing_is_found(name: str) -> None:
    found = failure(plain(name, ""), 150)
    assert found is None, found
