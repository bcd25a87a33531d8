"""A state that removed a key, and what it had seen below it, was rebased onto one that had written there since.

The key stays, as after a merge; what the removal had seen went only if it was a counter or a register.
"""

import pytest

from crdt import GSet, LWWMap, OpBasedList, ORMap, ORSet


def put(child: ORSet | GSet | LWWMap | OpBasedList, word: str) -> None:
    if isinstance(child, LWWMap):
        child[word] = 1
    elif isinstance(child, OpBasedList):
        child.append(word)
    else:
        child.add(word)


def removed_and_written(of: type) -> tuple[ORMap, ORMap]:
    newer = ORMap("b", of=of)
    put(newer["key"], "old")
    away = newer.fork("a")
    del away["key"]
    put(newer["key"], "new")
    return away, newer


@pytest.mark.parametrize("of", [ORSet, GSet, LWWMap, OpBasedList])
def test_what_was_seen_of_the_key_goes(of: type) -> None:
    away, newer = removed_and_written(of)
    rebased = away.rebase(newer, "d")
    newer.merge(away)
    assert rebased.value == newer.value
    assert len(rebased["key"]) == 1
    rebased.check_invariants()


@pytest.mark.parametrize("of", [ORSet, GSet, LWWMap, OpBasedList])
def test_who_removed_it_comes_to_the_same_after_a_purge(of: type) -> None:
    away, newer = removed_and_written(of)
    successor = newer.fork("c")
    assert successor._purge(newer.version, {"b": newer.version["b"]})
    rebased = away.rebase(successor, "d")
    too = away.fork("f")
    too.merge(rebased)
    assert too.to_bytes() == rebased.to_bytes()
