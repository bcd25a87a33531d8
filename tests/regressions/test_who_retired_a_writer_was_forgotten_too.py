"""A writer was retired by one who was retired, too, and both names went: messages did not meet any more."""

import pytest

from crdt import LWWMap, VersionVector


def state(name: str) -> LWWMap:
    return LWWMap(name)


@pytest.fixture
def two():
    """Two states that hold the same: `a` retired `c`, and `b` retired `a`."""
    a, b, c = state("a"), state("b"), state("c")
    c["x"] = 1  # what keeps the name of `c` until `b` deletes it
    a.merge(c)
    a._purge(a.version, VersionVector({"c": 1}))
    b.merge(a)
    b._purge(b.version, VersionVector({"a": b.version["a"]}))
    del b["x"]
    other = state("d")
    other.merge(b)
    return b, other


def test_who_still_has_both_names_merges_what_has_neither(two):
    b, other = two
    since = b.version
    b._purge(since, VersionVector())
    b._purge(b.version, VersionVector())
    assert set(b.version) == {"b"} and set(other.version) == {"a", "b", "c"}
    assert other.merge(b.delta(since))
    assert other.to_bytes() == b.to_bytes()


def test_who_has_neither_merges_what_has_both(two):
    b, other = two
    b._purge(b.version, VersionVector())
    b._purge(b.version, VersionVector())
    assert set(b.version) == {"b"}
    other["y"] = 1
    assert b.merge(other.to_bytes())
    other.merge(b)
    assert other.value == b.value == {"y": 1} and other.to_bytes() == b.to_bytes()
