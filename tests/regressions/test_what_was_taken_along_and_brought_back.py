"""A node that could not be reached had its events written again by another, then came back and wrote them again too."""

import pytest

from crdt import GCounter, LWWMap, OpBasedList, RetiredError, Text

CHANGES = [
    (GCounter, lambda state: state.increment(), lambda state: state.value),
    (Text, lambda state: state.insert(len(state), "x"), lambda state: len(state)),
    (OpBasedList, lambda state: state.append(1), lambda state: len(state)),
]


@pytest.mark.parametrize(("kind", "change", "count"), CHANGES, ids=lambda each: getattr(each, "__name__", ""))
def test_it_is_there_once(kind, change, count):
    old, away, witness = (kind(name) for name in ("old", "away", "witness"))
    change(old)
    newer = old.fork("newer")
    newer._purge(newer.version, {"old": 1})
    change(away)
    witness.merge(away)
    newer.merge(witness.rebase(newer, "witness 2"))
    assert count(newer) == 2
    change(away)
    with pytest.raises(RetiredError):
        newer.merge(away)
    newer.merge(away.rebase(newer, "away 2"))
    assert count(newer) == 3


def test_a_purge_of_its_own_does_not_count_as_seen():
    """Two had purged up to the same cut, each by itself: which purge was a writer's newest is part of the state."""
    newer = LWWMap("newer")
    newer["gone"] = 1
    away = newer.fork("away")
    del away["gone"]
    newer.merge(away)
    cut = away.version
    assert away._purge(cut)
    assert newer._purge(cut)
    away["alone"] = 2
    newer["more"] = 3
    del newer["more"]
    assert newer._purge(newer.version)
    rebased = away.rebase(newer, "again")
    assert rebased.value == {"alone": 2}
    with pytest.raises(RetiredError):
        away.merge(rebased)
    assert away.rebase(rebased, "too").value == {"alone": 2}
