"""A writer whose events had come as a whole state and whose name was dropped later was still waited for: every delta
said again, of every field, that nothing was left in it."""

from crdt import Composite, GCounter, ORSet
from crdt.version import span_of


class State(Composite):
    members: ORSet
    events: GCounter


def relayed() -> tuple[State, State]:
    """Who removed what a writer that has left had added, and who got that as a whole."""
    left, a = State("left"), State("a")
    left.members.add(1)
    a.merge(left)
    a.members.remove(1)
    b = State.from_bytes(a.to_bytes(), replica="b")
    assert a._purge(a.version, {"left": 1})
    return a, b


def test_once_its_name_is_dropped_nothing_is_told_of_it() -> None:
    a, b = relayed()
    b.merge(a)
    assert a._purge(a.version)
    b.merge(a)
    assert "left" not in a.version
    assert "left" not in b.version
    b.events.increment()
    delta = b.delta(a.version)
    assert b"members" not in delta
    assert b"left" not in delta
    assert a.merge(delta)
    assert a.to_bytes() == b.to_bytes()


def test_a_message_does_not_build_on_names_that_its_receiver_may_have_dropped() -> None:
    a, b = relayed()
    b.merge(a)
    assert a._purge(a.version)
    since = b.version
    b.events.increment()
    base, top = span_of(b.delta(since))
    assert since["left"] == 1
    assert base <= a.version
    assert "left" not in top
    assert top["b"] == 1
    assert a.merge(b.delta(since))
