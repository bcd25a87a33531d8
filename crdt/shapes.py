"""Which shape, in the engine's terms, a Python type has.

A shape is a number: the kind in its low byte and, for an ORMap, the shape of its children above.
"""

from typing import Any

__all__ = ["KINDS", "LEVELS_MAX", "kind_of", "levels_of_type", "shape_of_type", "strictest_of_type"]

# The numbers of crdt/engine/container.h, which are on the wire and never change.
KINDS = {
    "GCounter": 1,
    "PNCounter": 2,
    "GSet": 3,
    "ORSet": 4,
    "LWWRegister": 5,
    "MVRegister": 6,
    "LWWMap": 7,
    "ORMap": 8,
    "OpBasedList": 9,
    "Text": 10,
    "Composite": 11,
}
NESTING_MAX = 3
LEVELS_MAX = 16  # of states below a whole one; no decoder goes further down


def kind_of(type_: object) -> int:
    """The kind of a state type; `TypeError` for anything else."""
    if isinstance(type_, type):
        for base in type_.__mro__:
            if base.__module__.partition(".")[0] == "crdt" and base.__name__ in KINDS:
                return KINDS[base.__name__]
    raise TypeError(f"{type_!r} is not a state type; one of {', '.join(KINDS)} or a subclass of Composite is meant")


def shape_of_type(type_: object, of: object = None, nesting: int = 0) -> tuple[int, int]:
    """The shape of a type (with `of`, if it is an ORMap) and the address of its schema, or 0."""
    kind = kind_of(type_)
    if kind == KINDS["ORMap"]:
        if nesting == NESTING_MAX:
            raise TypeError("ORMaps nest at most three deep")
        if nesting == 0 and levels_of_type(type_, of) > LEVELS_MAX:
            raise TypeError(f"ORMap(of={getattr(of, '__name__', of)}): states nest at most {LEVELS_MAX} levels deep")
        inner, schema = shape_of_type(of if of is not None else default_child(), None, nesting + 1)
        return kind | inner << 8, schema
    if of is not None:
        raise TypeError(f"of= is for an ORMap, not for a {getattr(type_, '__name__', type_)}")
    if kind == KINDS["Composite"] and not getattr(type_, "_schema", 0):
        raise TypeError("Composite itself has no fields: declare a subclass of it with some, and name that")
    return kind, getattr(type_, "_schema", 0)


def levels_of_type(type_: object, of: object = None) -> int:
    """How many levels of states there are below one of this type (with `of`, if it is an ORMap)."""
    if kind_of(type_) == KINDS["ORMap"]:
        return 1 + levels_of_type(of if of is not None else default_child())
    return getattr(type_, "_levels", 0)


def strictest_of_type(type_: object, of: object = None) -> Any:
    """The field with the strongest `at_least` anywhere below a state of this type; None if there is no field."""
    if kind_of(type_) == KINDS["ORMap"]:
        return strictest_of_type(of if of is not None else default_child())
    return getattr(type_, "_strictest", None)


def default_child() -> type:
    """What an ORMap holds when it is not told."""
    from crdt.counters import GCounter

    return GCounter
