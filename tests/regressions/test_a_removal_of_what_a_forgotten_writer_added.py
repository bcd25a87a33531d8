"""Who removed the last that a retired writer had added told of it after dropping its name, and nobody understood."""

import pytest

from crdt import LWWMap, ORSet, VersionVector


@pytest.mark.parametrize("kind", [ORSet, LWWMap])
def test_it_is_removed_everywhere(kind):
    old, a, b = kind("old"), kind("a"), kind("b")
    add(old)
    a.merge(old)
    a._purge(a.version, VersionVector({"old": old.version["old"]}))
    b.merge(a)
    since = b.version
    remove(a)
    a._purge(since, VersionVector())
    a._purge(a.version, VersionVector())
    assert "old" not in a.version
    assert b.merge(a.delta(since))
    assert len(b) == 0 and b.to_bytes() == a.to_bytes()


def add(state):
    if isinstance(state, ORSet):
        state.add("element")
    elif isinstance(state, LWWMap):
        state["key"] = "value"


def remove(state):
    if isinstance(state, ORSet):
        state.discard("element")
    elif isinstance(state, LWWMap):
        del state["key"]
