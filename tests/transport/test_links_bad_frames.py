"""Frames that no honest node sends, or not now: the link ends with a counted reason, and nothing else happens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.links.handshake import MAGIC, Greeting
from replication.messages import Check, Hello, Refused, Rumours, encode
from tests.transport.ether import Ether, FakeNode, inject, pair, reasons, stranger_at


def change(frame: bytes, place: int) -> bytes:
    """One byte of it is another."""
    return frame[:place] + bytes([frame[place] ^ 0x55]) + frame[place + 1 :]


@pytest.mark.parametrize(
    ("place", "reason"),
    [(0, "version"), (1, "cluster"), (4, "cluster"), (5, "incarnation"), (8, "incarnation"), (9, "undecodable")],
)
def test_a_frame_of_another_kind_closes_the_link_with_its_reason(place: int, reason: str) -> None:
    ether = Ether()
    a, b = pair(ether)
    b.ask("a", 1)
    (link,) = [link for link in b.transport.links if link.open]
    frame = change(link.sent[-1], place)
    ether.run(1)
    inject(a, frame)
    assert a.ended(reason) == 1
    assert a.heard("b") == [1]
    ether.until(a.links.peers)  # and comes back


def test_frames_recorded_before_a_restart_are_refused() -> None:
    ether = Ether()
    a, b = pair(ether)
    b.ask("a", 1)
    recorded = [frame for link in b.transport.links for frame in link.sent]
    ether.run(1)
    b.crash()
    ether.run(0.1)
    FakeNode(ether, "b", seeds=("a",), incarnation=2)
    ether.until(a.links.peers)
    messages = [frame for frame in recorded if not frame.startswith(MAGIC)]
    assert messages
    inject(a, messages[-1])
    assert a.ended("incarnation") == 1
    assert a.heard("b") == [1]


def test_a_recorded_hello_of_an_older_run_does_not_get_in() -> None:
    ether = Ether()
    a, b = pair(ether, incarnation=3)
    recorded = [frame for link in b.transport.links for frame in link.sent]
    b.crash()
    ether.run(0.1)
    b = FakeNode(ether, "b", seeds=("a",), incarnation=4)
    ether.until(a.links.peers)
    stranger_at(ether, "a").arrive(recorded[0])
    ether.run(3)
    assert reasons(a, "rejected") == ["rolled back"]
    assert a.told[-2:-1] == [("up", "b")]
    assert a.ask("b", 1)
    ether.run(1)
    assert b.heard("a") == [1]


GARBAGE = [
    b"G",
    b"GET / HTTP/1.1\r\n\r\n",
    bytes(40),
    b"\xff" * 40,
    MAGIC,
    MAGIC + bytes(12),
    MAGIC + bytes(12) + b"\x01\xc1",
    MAGIC + bytes(12) + encode(Check(1)),
    Greeting(Hello(1, 1, "c", "", 1, 1, b"", "")).pack(),
    Greeting(Hello(1, 1, "c", "x" * 45, 1, 1, b"", "")).pack(),
    Greeting(Hello(1, 1, "c", "x", 1, 2**60, b"", "")).pack(),
    Greeting(Hello(1, 1, "c", "x", 1, 1, b"s" * 100, "")).pack(),
]


@pytest.mark.parametrize("frame", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("linked", [False, True], ids=["stranger", "peer"])
def test_garbage_closes_the_link_and_changes_nothing(frame: bytes, linked: bool) -> None:
    ether = Ether()
    a, b = pair(ether)
    known = dict(a.known)
    if linked:
        inject(a, frame)
    else:
        stranger_at(ether, "a").arrive(frame)
    assert a.ended("undecodable") + a.ended("cluster") == 1
    assert a.messages == [] and a.known == known
    ether.until(b.links.peers)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200), prefix=st.sampled_from([b"", MAGIC, MAGIC + bytes(12), b"\x01"]))
def test_no_bytes_let_an_exception_out(data: bytes, prefix: bytes) -> None:
    ether = Ether()
    a, b = pair(ether)
    frame = next(f for link in b.transport.links for f in link.sent if f.startswith(MAGIC))
    for each in (prefix + data, frame[:30] + data, data + frame):
        ether.until(a.links.peers)
        inject(a, each)
    assert a.messages == []


def test_whoever_says_nothing_is_closed_in_time() -> None:
    ether = Ether()
    a = FakeNode(ether, "a")
    link = stranger_at(ether, "a")
    ether.run(6)
    assert a.ended("handshake") == 1
    assert not link.welcomed


def test_messages_before_the_handshake_are_dropped() -> None:
    ether = Ether()
    a = FakeNode(ether, "a")
    link = stranger_at(ether, "a")
    FakeNode(ether, "z")
    b = FakeNode(ether, "y", seeds=("z",))
    ether.until(b.links.peers)
    b.ask("z", 1)
    link.arrive(b.transport.links[0].sent[-1])
    assert a.messages == [] and link.open
    assert a.links.status()["early_frames"] == 1


def test_a_hello_among_messages_is_refused() -> None:
    ether = Ether()
    a, b = pair(ether)
    (link,) = [link for link in b.transport.links if link.open]
    b.ask("a", 1)
    header = link.sent[-1][:9]
    inject(a, header + encode(b.hello))
    assert a.ended("undecodable") == 1


def test_a_link_does_not_change_who_it_leads_to() -> None:
    ether = Ether()
    a, b = pair(ether)
    inject(a, Greeting(b.hello._replace(name="c"), asks=9).pack())
    assert a.ended("incarnation") == 1


def test_reasons_made_up_by_others_do_not_fill_the_counters() -> None:
    ether = Ether()
    a, _ = pair(ether)
    for number in range(30):
        ether.until(a.links.peers, 60)
        inject(a, Greeting(Refused(f"made up {number}", "")).pack())
    assert a.ended("refused: other") == 30
    assert len(a.links.status()["ended"]) < 5


def test_a_stranger_that_refuses_is_counted_and_nobody_is_alarmed() -> None:
    ether = Ether()
    a = FakeNode(ether, "a")
    stranger_at(ether, "a").arrive(Greeting(Refused("name", "go away")).pack())
    assert a.ended("refused: name") == 1
    assert a.told == []


def test_a_flood_from_a_peer_is_taken_without_keeping_anything() -> None:
    ether = Ether()
    a, b = pair(ether)
    for _ in range(1000):
        inject(a, Greeting(b.hello, asks=1).pack())
    assert a.links.peers() == ("b",)
    assert len(a.links._sessions.restless) <= 1
    assert a.links.status()["peers"]["b"]["frames_in"] > 1000


def test_a_peer_that_takes_nothing_costs_its_messages_and_nobody_elses() -> None:
    ether = Ether()
    a, b = pair(ether)
    c = FakeNode(ether, "c", seeds=("a",))
    ether.until(c.links.peers)
    for link in a.transport.links:
        link.full = link.other.owner is b.transport
    for number in range(10):
        assert not a.ask("b", number)
        assert a.ask("c", number)
    ether.run(1)
    assert c.heard("a") == list(range(10))
    assert a.links.status()["peers"]["b"]["dropped"] >= 10


def test_one_message_to_many_is_encoded_once_and_comes_whole() -> None:
    ether = Ether()
    a, b = pair(ether)
    c = FakeNode(ether, "c", seeds=("a",))
    ether.until(c.links.peers)
    message = Rumours(())
    assert a.links.send("b", message) and a.links.send("c", message)
    ether.run(1)
    assert b.messages == c.messages == [("a", message)]


def test_after_close_nothing_happens() -> None:
    ether = Ether()
    a, b = pair(ether)
    a.links.close()
    told, dials = list(a.told), len(a.transport.dials)
    assert not a.ask("b", 1)
    ether.run(5)
    assert a.told == told and len(a.transport.dials) == dials
    assert b.told[-1] == ("down", "a")


def test_status_is_the_same_for_the_same_events() -> None:
    def run() -> dict[str, object]:
        ether = Ether(5, loss=0.2, double=0.2, reorder=0.2)
        nodes = [FakeNode(ether, name, seeds=("a", "b", "c", "d")) for name in "abcd"]
        ether.run(10)
        return {node.name: node.links.status() for node in nodes}

    assert run() == run()
