"""An object whose `__init__` never ran refuses every member with an exception, and never crashes."""

import copy
import pickle
import sys
from collections.abc import Iterable

import pytest

from crdt import REGISTRY, Composite, DecodeError, GCounter, ORMap


class Forgetful(Composite):
    hits: GCounter
    tallies: ORMap

    def __init__(self):
        pass


TYPES = [*REGISTRY, Forgetful]
ARGUMENTS = [
    (),
    ("k",),
    (0,),
    (b"x",),
    (slice(0, 1),),
    ({"k": 1},),
    ([(0, 0, "x")],),
    (lambda state: None,),
    (0, "x"),
    ("k", 1),
    (0, 1),
    (0, ["x"]),
    (["k"], 1),
]
OF_ALL_OBJECTS = (set(dir(object)) - {"__eq__", "__repr__", "__reduce__", "__str__"}) | {"__pyx_vtable__", "__init__"}
# What says nothing of a state: of the class, or of the arguments alone.
OF_THE_CLASS = {"of", "fields", "from_bytes", "_bytes", "_default", "_only_root"} | {
    "_advice", "_declared", "_field_name", "_is_restricted", "_kind", "_levels", "_place", "_schema", "_strictest",
    "_top",
}  # fmt: skip


MEMBERS = [
    pytest.param(type_, name, id=f"{type_.__name__}.{name}")
    for type_ in TYPES
    for name in sorted(set(dir(type_)) - OF_ALL_OBJECTS - OF_THE_CLASS)
    if callable(getattr(type_, name)) or not name.startswith("__")
]


def used(member, arguments):
    """What a member gives; of what is walked through, its elements."""
    result = member(*arguments) if callable(member) else member
    return list(result) if isinstance(result, Iterable) else result


@pytest.mark.parametrize(("type_", "name"), MEMBERS)
def test_every_member_refuses(type_, name):
    for arguments in ARGUMENTS:
        state = type_.__new__(type_)
        try:
            result = used(getattr(state, name), arguments)
        except (AttributeError, TypeError, NotImplementedError):
            continue
        except (ValueError, DecodeError):
            assert arguments != ()  # those were no good to begin with
            continue
        assert result in (None, NotImplemented, []), f"{arguments} gave {result!r}"


def test_what_python_does_with_an_object():
    for type_ in TYPES:
        for act in (copy.copy, copy.deepcopy, pickle.dumps, repr, hash):
            with pytest.raises((AttributeError, TypeError)):
                act(type_.__new__(type_))
        sys.getsizeof(type_.__new__(type_))


def test_a_key_of_a_map():
    with pytest.raises(AttributeError):
        ORMap.__new__(ORMap)["k"]


def test_a_field_of_a_composite_that_forgot_its_base():
    with pytest.raises((AttributeError, TypeError)):
        Forgetful().hits.increment()
    with pytest.raises(AttributeError):
        Forgetful().tallies
