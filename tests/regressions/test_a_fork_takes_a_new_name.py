"""A fork once went on under its parent's dots: two changes with one dot, of which one was lost."""

from crdt import ORSet


def test_a_fork_writes_under_its_own_name() -> None:
    a = ORSet("a")
    a.add("x")
    b = a.fork("b")
    a.add("y")
    b.remove("x")
    assert dict(a.version) == {"a": 2}
    assert dict(b.version) == {"a": 1, "b": 1}
    a.merge(b)
    b.merge(a)
    assert a.value == b.value == {"y"}
