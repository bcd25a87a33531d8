"""Purges at stable cuts change no value, and equal histories stay equal bytes, however they were heard."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import crdt

from .growth import GrowthWorld, histories
from .registry import EVERYTHING, NESTED, SIMPLE
from .strategies import Step
from .subjects import Subject

SUBJECTS = [SIMPLE["LWWMap"], SIMPLE["ORSet"], SIMPLE["Text"], SIMPLE["OpBasedList"], *NESTED, EVERYTHING]


@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
@given(data=st.data())
def test_purging_changes_no_value(subject: Subject, data: st.DataObject) -> None:
    history = data.draw(histories(subject), "history")
    GrowthWorld(subject, data.draw(st.sampled_from([1, 2, 2, 3, 3]), "replicas")).run(history).settle()


@pytest.mark.parametrize("subject", [SIMPLE["LWWMap"], NESTED[0]], ids=repr)
def test_a_cut_that_is_not_stable_is_found(subject: Subject) -> None:
    """The harness must be able to fail: here every replica purges at whatever it holds itself."""

    @settings(
        max_examples=1500,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(history=histories(subject), count=st.sampled_from([2, 3]))
    def purged_too_early(history: list[Step], count: int) -> None:
        GrowthWorld(subject, count, eager=True).run(history).settle()

    with pytest.raises((AssertionError, crdt.RetiredError)):
        purged_too_early()


def three_counters() -> tuple[crdt.ORMap, crdt.ORMap, crdt.ORMap]:
    """A key that one writer counted under, and that all hold."""
    a, b, c = (crdt.ORMap(name, of=crdt.GCounter) for name in "abc")
    a["k"].increment(5)
    b.merge(a)
    c.merge(a)
    return a, b, c


def test_a_count_that_began_anew_is_not_joined_with_what_was_purged() -> None:
    a, b, c = three_counters()
    del b["k"]
    a.merge(b)
    c.merge(b)
    assert a._purge({"a": 1, "b": 1})
    a["k"].increment(2)
    c["other"].increment()
    a.merge(c.to_bytes())
    assert a["k"].value == 2
    c.merge(a)
    assert c.to_bytes() == a.to_bytes()


def test_a_removal_above_the_cut_still_holds_what_it_had_seen() -> None:
    a, b, c = three_counters()
    del b["k"]
    c.merge(b)
    c._purge({"a": 1})
    a["k"].increment(2)
    c.merge(a)
    assert c["k"].value == 2
