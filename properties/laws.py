"""What must hold of every type, whatever it means: the laws of a join with deltas and canonical bytes.

Each law takes a subject and three replicas of it that have heard of each other's doings in part. A
replica is never changed by a law: it works on forks.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

from .subjects import Subject
from .world import assert_equal_states

Law = Callable[[Subject, Any, Any, Any], None]


def merged(state: Any, *others: Any) -> Any:
    result = state.fork("merged")
    for other in others:
        result.merge(other)
    return result


def commutative(subject: Subject, a: Any, b: Any, c: Any) -> None:
    assert_equal_states(merged(a, b), merged(b, a))


def associative(subject: Subject, a: Any, b: Any, c: Any) -> None:
    assert_equal_states(merged(merged(a, b), c), merged(a, merged(b, c)))


def idempotent(subject: Subject, a: Any, b: Any, c: Any) -> None:
    once = merged(a, b)
    before = once.to_bytes()
    for again in (a, b, once.fork("twin"), b.to_bytes(), b.delta(None), b.delta(a.version), once.delta(once.version)):
        assert once.merge(again) is False
    assert once.to_bytes() == before


def inflationary(subject: Subject, a: Any, b: Any, c: Any) -> None:
    """A merge only adds: the version becomes the least one that contains both."""
    both = merged(a, b)
    assert a.version <= both.version and b.version <= both.version
    writers = {*a.version, *b.version}
    least = {w: max(a.version.get(w, 0), b.version.get(w, 0)) for w in writers}
    assert dict(both.version) == least
    joined = copy.copy(a.version)
    joined.merge(b.version)
    assert joined == both.version


def delta_join_is_full_join(subject: Subject, a: Any, b: Any, c: Any) -> None:
    by_delta, by_bytes, by_object = a.fork("merged"), a.fork("merged"), a.fork("merged")
    results = {by_delta.merge(b.delta(a.version)), by_bytes.merge(b.to_bytes()), by_object.merge(b)}
    assert len(results) == 1
    assert_equal_states(by_delta, by_bytes)
    assert_equal_states(by_delta, by_object)
    assert subject.view(by_delta) == subject.view(by_bytes) == subject.view(by_object)


def a_delta_since_less_still_lands(subject: Subject, a: Any, b: Any, c: Any) -> None:
    """A delta may carry what the receiver already has: it lands wherever its base is held."""
    for since in (None, c.version, type(a.version)()):
        if since is None or since <= a.version:
            assert_equal_states(merged(a, b.delta(since)), merged(a, b))


def a_relay_carries_everything(subject: Subject, a: Any, b: Any, c: Any) -> None:
    """What one replica learned from another goes on in its own deltas, removals included."""
    relay = b.fork("relay")
    relay.merge(a.delta(relay.version))
    target = c.fork("merged")
    target.merge(relay.delta(target.version))
    assert_equal_states(target, merged(c, a, b))


def merge_says_whether_it_changed(subject: Subject, a: Any, b: Any, c: Any) -> None:
    for other in (b, b.to_bytes(), b.delta(a.version)):
        result = a.fork("merged")
        before = result.to_bytes()
        assert result.merge(other) is (result.to_bytes() != before)


def digest_is_equality(subject: Subject, a: Any, b: Any, c: Any) -> None:
    for x in (a, b, c, merged(a, b)):
        assert len(x.digest()) == 16
        for y in (a, b, c, merged(b, a)):
            same = x.to_bytes() == y.to_bytes()
            assert (x.digest() == y.digest()) is same
            assert (x == y) is same
            assert (x != y) is not same


def copies_are_equal_and_independent(subject: Subject, a: Any, b: Any, c: Any) -> None:
    before = a.to_bytes()
    rebuilt = subject.from_bytes(before, "other")
    for twin in (a.fork("other"), copy.copy(a), pickle.loads(pickle.dumps(a)), rebuilt):
        assert_equal_states(twin, a)
        assert subject.view(twin) == subject.view(a)
        twin.check_invariants()
        twin.merge(b)
        twin.merge(c)
        assert_equal_states(twin, merged(a, b, c))
        assert a.to_bytes() == before
    names = {a.replica, copy.copy(a).replica, pickle.loads(pickle.dumps(a)).replica}
    assert len(names) == 3, "two writers never share a name"


def own_version_leaves_nothing_to_send(subject: Subject, a: Any, b: Any, c: Any) -> None:
    assert a.delta(a.version) == b""
    assert a.delta(merged(a, b, c).version) == b""
    assert merged(a, a.delta(None)).to_bytes() == a.to_bytes()


LAWS: list[Law] = [
    commutative,
    associative,
    idempotent,
    inflationary,
    delta_join_is_full_join,
    a_delta_since_less_still_lands,
    a_relay_carries_everything,
    merge_says_whether_it_changed,
    digest_is_equality,
    copies_are_equal_and_independent,
    own_version_leaves_nothing_to_send,
]
