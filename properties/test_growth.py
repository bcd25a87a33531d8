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


def test_who_holds_all_that_is_purged_is_told_of_the_purge() -> None:
    one = crdt.LWWMap("one")
    one["key"] = 1
    del one["key"]
    other = one.fork("other")
    assert one._purge(one.version)
    assert other.merge(one.delta(other.version))
    assert other._cut == one._cut
    assert other.to_bytes() == one.to_bytes()


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


def test_what_lost_to_a_purged_deletion_is_not_news() -> None:
    """An entry comes late and without the deletion that it lost to, which its receiver held already and has purged."""
    clock = iter(range(1_700_000_000_000, 1_700_000_001_000, 10))
    a, b, c, d = (crdt.ORMap(name, of=crdt.LWWMap, clock=lambda: next(clock)) for name in "abcd")
    c["k"]["x"] = "lost"
    a["k"]["x"] = "deleted"
    del a["k"]["x"]
    d.merge(a)
    before = d.version
    for replica in (a, b, d):
        replica.merge(c)
        replica.merge(a)
    d["other"]["y"] = "news"
    late = d.delta(before)
    assert b._purge(b.version)
    assert b.merge(late)
    assert b.value == d.value
    assert b.value["k"] == {}
    b.check_invariants()


def late_to_a_purge(write_again: bool) -> tuple[crdt.LWWMap, crdt.LWWMap]:
    """Who has purged a deletion, and who held all of it but not the purge, with news and what the deletion beat."""
    clock = iter(range(1_700_000_000_000, 1_700_000_001_000, 10))
    a, b, c, d = (crdt.LWWMap(name, clock=lambda: next(clock)) for name in "abcd")
    c["x"] = "lost"
    a["x"] = "deleted"
    d.merge(c)
    for replica in (a, b, c):
        replica.merge(a)
        replica.merge(c)
    del a["x"]
    for replica in (b, d):
        replica.merge(a)
    assert b._purge(b.version)
    if write_again:
        b["x"] = "again"
    d["y"] = "news"
    return b, d


@pytest.mark.parametrize("write_again", [False, True])
def test_a_deletion_that_comes_late_where_it_was_purged_is_not_news(write_again: bool) -> None:
    b, d = late_to_a_purge(write_again)
    assert b.merge(d.to_bytes())
    assert b._purgeable(b._cut) == 0
    b.check_invariants()
    d.merge(b)
    assert d.to_bytes() == b.to_bytes()
    assert b.value == ({"x": "again", "y": "news"} if write_again else {"y": "news"})


def test_a_removal_above_the_cut_still_holds_what_it_had_seen() -> None:
    a, b, c = three_counters()
    del b["k"]
    c.merge(b)
    c._purge({"a": 1})
    a["k"].increment(2)
    c.merge(a)
    assert c["k"].value == 2
