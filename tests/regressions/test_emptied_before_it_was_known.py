"""A replica that got a whole state in which a set had been emptied knew nothing of that set, and did not
tell others, who still held elements, that they had been removed."""

import pytest

from crdt import Composite, GCounter, MVRegister, ORMap, ORSet, field


class State(Composite):
    members: ORSet
    tallies: ORMap = field(of=GCounter)
    opinion: MVRegister
    events: GCounter


def emptied() -> tuple[State, State]:
    """Who still holds elements, and who has removed them."""
    a = State("a")
    a.members.add(48)
    a.tallies["x"].increment()
    c = State("c")
    c.merge(a)
    c.members.remove(48)
    del c.tallies["x"]
    return a, c


def relay_by_bytes(c: State) -> State:
    return State.from_bytes(c.to_bytes(), replica="b")


def relay_by_merge(c: State) -> State:
    b = State("b")
    b.events.increment()
    b.merge(c.to_bytes())
    return b


@pytest.mark.parametrize("relay", [relay_by_bytes, relay_by_merge])
@pytest.mark.parametrize("writes", [False, True])
def test_a_relay_tells_what_was_removed_before_it_came(relay, writes):
    a, c = emptied()
    b = relay(c)
    if writes:
        b.members.add(9)
        b.tallies["y"].increment()
    a.merge(b.delta(a.version))
    c.merge(b.delta(c.version))
    assert a == b == c
    assert a.to_bytes() == b.to_bytes()
    assert a.value["members"] == ({9} if writes else set())


def test_a_relay_of_a_relay_tells_it_too():
    a, c = emptied()
    far = State("far")
    far.merge(relay_by_bytes(c).delta(far.version))
    a.merge(far.delta(a.version))
    assert a == c
