"""What the contract names can be passed by its name."""

from crdt import Composite, GCounter, LWWMap, OpBasedList, PNCounter, Text


def test_arguments_by_name() -> None:
    c, p = GCounter(replica="a"), PNCounter("a")
    c.increment(by=2)
    p.increment(by=5)
    p.decrement(by=1)
    fork = c.fork(replica="b")
    fork.increment(by=1)
    assert fork.delta(since=c.version)
    assert c.merge(other=fork)
    assert (c.value, p.value) == (3, 4)
    m = LWWMap("a")
    assert m.get("k", default=1) == 1
    assert m.get_many(keys=["k"], default=0) == [0]
    items, text = OpBasedList("a"), Text("a")
    items.insert(i=0, v="x")
    items.insert_many(i=1, vs=["y", "z"])
    items.delete(i=0, n=2)
    text.insert(pos=0, s="hello")
    text.delete(pos=0, n=1)
    text.apply(patches=[(0, 0, "H")])
    assert (items.value, str(text)) == (["z"], "Hello")
    assert text.index_of(text.cursor(i=2, side="left")) == 2
    assert GCounter.from_bytes(c.to_bytes(), replica="z").value == 3


def test_a_composite_by_name() -> None:
    class State(Composite):
        hits: GCounter

    s = State(replica="a")
    s.hits.increment(by=3)
    assert State.from_bytes(data=s.to_bytes(), replica="b").value == {"hits": 3}
