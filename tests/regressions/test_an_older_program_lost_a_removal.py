"""A field that a program does not declare was emptied before the program got the state: its deltas did not tell so."""

import pytest

from crdt import Composite, GCounter, LWWMap, ORMap, ORSet, VersionVector


class New(Composite):
    n: GCounter
    tags: ORSet
    notes: LWWMap


class Old(Composite):
    n: GCounter


class Retyped(Composite):
    n: GCounter
    tags: ORMap


@pytest.mark.parametrize("program", [Old, Retyped])
@pytest.mark.parametrize("how", ["read", "merged", "merged into what it had"])
def test_who_had_it_hears_of_it_from_that_program(program: type[Composite], how: str) -> None:
    a, b = New("a"), New("b")
    a.n.increment()
    a.tags.add("x")
    b.merge(a)
    b.notes["kept"] = 1
    a.merge(b)
    a.tags.remove("x")
    if how == "read":
        relay = program.from_bytes(a.to_bytes(), "relay")
    else:
        relay = program("relay")
        if how == "merged into what it had":
            relay.n.increment()
        relay.merge(a.to_bytes())
    b.merge(relay.delta(b.version))
    assert not b.tags and b.notes["kept"] == 1
    c = New("c")
    c.merge(b.delta(VersionVector()))
    a.merge(relay.to_bytes())
    assert a == b == c and a.to_bytes() == b.to_bytes()
