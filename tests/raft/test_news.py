"""How others learn that something is committed when there are no entries to tell it with."""

from math import inf

from replication.raft.messages import AppendEntries, ReadIndex
from tests.raft.bench import Bench


def led(**options: float) -> Bench:
    node = Bench(term=1, heartbeat_interval=0.4, news_delay=0.05, **options)
    node.elect()
    node.acknowledge("b", 1)
    node.acknowledge("c", 1)
    node.sent.clear()
    return node


def test_it_is_told_alone_after_a_while() -> None:
    node = led()
    assert node.core.commit == 1 and not node.take(AppendEntries)
    assert node.now < node.core.news_due <= node.now + 0.05
    node.wait(0.1)
    assert [message.commit for message in node.take(AppendEntries)] == [1, 1]
    assert node.core.news_due == inf


def test_who_asked_for_something_is_told_at_once() -> None:
    node = led()
    node.wait(0.1)
    node.sent.clear()
    node.hear("c", ReadIndex(node.core.term, 1))
    node.core.propose((b"x",), node.now, "c")
    node.act()
    node.sent.clear()
    node.acknowledge("b", 2)
    assert [message.commit for message in node.take(AppendEntries, "c")] == [2]


def test_nobody_is_reminded_of_who_does_not_answer() -> None:
    """What cannot be sent stayed due: the leader was called again and again in the same moment."""
    node = led()
    node.core.propose((b"x",), node.now)
    node.core.add_learner("d", node.now)
    node.act()
    node.wait(0.1)  # d is asked what it has
    node.acknowledge("b", 2)
    node.acknowledge("b", 3)
    node.wait(0.1)
    assert node.core.news_due > node.now
