"""An object whose `__init__` never ran refuses every member with an exception, and never crashes."""

import copy
import pickle
import sys

import pytest

from crdt import REGISTRY, Composite, GCounter


class Forgetful(Composite):
    hits: GCounter

    def __init__(self):
        pass


MEMBERS = [
    lambda s: s.replica,
    lambda s: s.version,
    lambda s: s.pending,
    lambda s: s.digest(),
    lambda s: s.delta(),
    lambda s: s.to_bytes(),
    lambda s: s.fork("x"),
    lambda s: s.merge(b"x"),
    lambda s: s.check_invariants(),
    lambda s: s._transact(lambda t: None),
    lambda s: copy.copy(s),
    lambda s: pickle.dumps(s),
    lambda s: repr(s),
]


@pytest.mark.parametrize("member", range(len(MEMBERS)))
@pytest.mark.parametrize("type_", [*REGISTRY, Forgetful], ids=lambda t: t.__name__)
def test_unstarted(type_, member):
    state = type_.__new__(type_)
    with pytest.raises((AttributeError, TypeError)):
        MEMBERS[member](state)
    sys.getsizeof(state)


def test_a_field_of_a_composite_that_forgot_its_base():
    with pytest.raises((AttributeError, TypeError)):
        Forgetful().hits.increment()
