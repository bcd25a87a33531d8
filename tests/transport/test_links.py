"""Links between nodes on a network made up: how they come about, which of them stay, and what they cost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.links.handshake import Known
from replication.messages import Check, InSync, NoPong, encode
from tests.transport.ether import Ether, FakeNode, pair

# What a frame costs in a stream besides its own bytes: `frames` says so.
FRAMING = 8

# ---- coming together


def test_a_seed_becomes_a_named_peer_and_messages_go_both_ways() -> None:
    ether = Ether()
    a, b = pair(ether)
    assert a.links.peers() == ("b",) and b.links.peers() == ("a",)
    assert a.told == [("up", "b")] and b.told == [("up", "a")]
    assert b.ask("a", 1) and a.ask("b", 2)
    ether.run(1)
    assert a.heard("b") == [1] and b.heard("a") == [2]
    assert a.known == {"b": Known(b"b", 1)}


def test_nothing_goes_to_an_unknown_name() -> None:
    a = FakeNode(Ether(), "a")
    assert not a.ask("nobody", 1)
    assert a.transport.dials == []


def test_a_learnt_address_is_dialled_when_something_is_sent() -> None:
    ether = Ether()
    a, b = FakeNode(ether, "a"), FakeNode(ether, "b")
    a.links.learn("b", "b")
    ether.run(1)
    assert a.transport.dials == []
    assert not a.ask("b", 1)
    ether.until(b.links.peers)
    assert a.ask("b", 2)
    ether.run(1)
    assert b.heard("a") == [2]


def test_a_node_that_moved_is_found_at_its_new_address() -> None:
    ether = Ether()
    a, b = FakeNode(ether, "a"), FakeNode(ether, "b", address="old")
    a.links.learn("b", "old")
    b.crash()
    b = FakeNode(ether, "b", address="new", incarnation=2)
    a.links.learn("b", "new")
    a.ask("b", 1)
    ether.until(lambda: a.links.peers() == ("b",))
    a.links.learn("b", "")
    assert a.ask("b", 2)


def test_waiting_between_dials_grows_and_begins_again_after_success() -> None:
    ether = Ether()
    b = FakeNode(ether, "b", seeds=("a",))
    ether.run(60)
    in_a_minute = len(b.transport.dials)
    assert 8 <= in_a_minute <= 40
    a = FakeNode(ether, "a")
    ether.until(b.links.peers)
    ether.run(5)
    a.crash()
    FakeNode(ether, "a", incarnation=2)
    assert ether.until(b.links.peers) < 0.3


def test_a_link_that_always_breaks_at_once_is_not_dialled_without_end() -> None:
    ether = Ether()
    _, b = pair(ether)

    def break_it() -> None:
        for link in b.transport.links:
            link.close("cut")
            link.other.close("cut")
            b.transport.events.closed(link, "lost")
        ether.after(0.01, break_it)

    break_it()
    ether.run(60)
    assert len(b.transport.dials) < 60


def test_a_node_that_dials_itself_does_so_once() -> None:
    ether = Ether()
    a = FakeNode(ether, "a", address="x", seeds=("x",))
    ether.run(60)
    assert a.transport.dials == ["x"]
    assert a.told == [] and a.links.peers() == ()
    assert a.links.unmet() == ()


def test_both_dial_at_the_same_time_and_keep_the_same_link() -> None:
    for seed in range(20):
        ether = Ether(seed, delay=0.3 if seed % 2 else 0.001)
        a, b = FakeNode(ether, "a"), FakeNode(ether, "b", seeds=("a",))
        for number in range(200):
            if number == 3 * seed:  # the link that will stay comes up to half a second after the other
                a.links.seek(("b",))
            a.ask("b", number)
            b.ask("a", number)
            ether.run(0.01)
        ether.run(5)
        open_links = [link for link in a.transport.links if link.open]
        assert [link.dialled for link in open_links] == [True]
        assert open_links[0].other.open
        assert a.told == [("up", "b")] and b.told == [("up", "a")]
        # Nothing that was queued is lost while one link takes the place of the other.
        for node, peer in ((a, "b"), (b, "a")):
            heard = node.heard(peer)
            assert sorted(heard) == list(range(min(heard), 200))
        assert a.ended("duplicate") + b.ended("duplicate") >= 1
        assert a.links.status()["troubles"] == b.links.status()["troubles"] == {}
        dials = len(a.transport.dials) + len(b.transport.dials)
        ether.run(30)
        assert len(a.transport.dials) + len(b.transport.dials) == dials


@pytest.mark.parametrize("seed", range(10))
def test_two_addresses_of_one_node_end_in_one_link(seed: int) -> None:
    ether = Ether(seed, reorder=0.7)
    a = FakeNode(ether, "a")
    a.transport.listen("also a")
    b = FakeNode(ether, "b", seeds=("a", "also a"))
    ether.run(5)
    assert len([link for link in a.transport.links if link.open]) == 1
    assert a.told == [("up", "b")] and b.told == [("up", "a")]
    dials = len(b.transport.dials)
    ether.run(30)
    assert len(b.transport.dials) == dials


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), loss=st.floats(0, 0.5), double=st.floats(0, 0.5), reorder=st.floats(0, 0.5))
def test_links_come_up_whatever_the_network_does_to_frames(
    seed: int, loss: float, double: float, reorder: float
) -> None:
    ether = Ether(seed, loss=loss, double=double, reorder=reorder)
    a = FakeNode(ether, "a", seeds=("b", "c"))
    b = FakeNode(ether, "b", seeds=("a",))
    c = FakeNode(ether, "c", seeds=("a", "b"))
    ether.until(lambda: [len(node.links.peers()) for node in (a, b, c)] == [2, 2, 2], 60)
    for node in (a, b, c):
        assert not [each for each in node.told if each[0] in ("refused", "rejected")]
    ether.loss = 0
    ether.run(1)
    before = len(a.heard("b"))
    assert b.ask("a", 7)
    ether.run(1)
    assert a.heard("b")[before:][:1] == [7]


# ---- what it costs


def test_two_nodes_in_sync_spend_less_than_64_bytes_each_way() -> None:
    ether = Ether()
    a, b = pair(ether)
    for node, peer, message in ((a, "b", Check(2**64 - 1)), (b, "a", InSync(2**64 - 1))):
        link = next(link for link in node.transport.links if link.open)
        link.sent.clear()
        assert node.links.send(peer, message)
        assert sum(len(frame) + FRAMING for frame in link.sent) <= 64


def test_traffic_is_counted_for_each_peer_and_over_all_links_to_it() -> None:
    ether = Ether()
    a, b = pair(ether)
    ether.run(1)
    before = b.links.status()["peers"]["a"]
    assert b.ask("a", 1)
    after = b.links.status()["peers"]["a"]
    assert after["frames_out"] == before["frames_out"] + 1
    assert after["bytes_out"] - before["bytes_out"] == 9 + len(encode(NoPong(1)))
    link = next(link for link in b.transport.links if link.open)
    link.full = True
    assert not b.ask("a", 2)
    assert b.links.status()["peers"]["a"]["dropped"] == 1
    link.close("cut")
    b.transport.events.closed(link, "lost")
    ether.until(b.links.peers)
    assert b.links.status()["peers"]["a"]["dropped"] == 1
    assert a.links.status()["peers"]["b"]["frames_in"] >= 2
