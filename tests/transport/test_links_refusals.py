"""Who is let in: other clusters, versions and certificates, lost disks, restored backups, two nodes of one name."""

import pytest

from replication.links.handshake import Greeting, Known, remembered_incarnation
from tests.transport.ether import Ether, FakeNode, pair, reasons

# ---- who is not let in


def test_another_cluster_is_refused() -> None:
    ether = Ether()
    a, b = FakeNode(ether, "a"), FakeNode(ether, "b", seeds=("a",), cluster="other")
    ether.run(3)
    assert a.links.peers() == b.links.peers() == ()
    assert "cluster" in reasons(a, "rejected") + reasons(b, "rejected")
    assert "cluster" in b.links.status()["troubles"]["a"]["detail"]


def test_a_refused_address_is_dialled_slowly() -> None:
    ether = Ether()
    FakeNode(ether, "a")
    b = FakeNode(ether, "b", seeds=("a",), cluster="other")
    ether.run(60)
    assert 5 <= len(b.transport.dials) <= 13


def test_versions_without_overlap_are_refused_and_the_highest_common_is_used() -> None:
    ether = Ether()
    old = FakeNode(ether, "old", versions=(1, 2))
    new = FakeNode(ether, "new", versions=(3, 4), seeds=("old",))
    middle = FakeNode(ether, "middle", versions=(2, 3), seeds=("old", "new"))
    ether.run(3)
    assert "version" in reasons(old, "rejected")
    assert middle.links.peers() == ("new", "old") and new.links.peers() == ("middle",)
    versions = {name: peer["version"] for name, peer in middle.links.status()["peers"].items()}
    assert versions == {"new": 3, "old": 2}


def test_the_name_must_stand_in_the_certificate() -> None:
    ether = Ether()
    a = FakeNode(ether, "a", certified=("a",))
    b = FakeNode(ether, "b", seeds=("a",), certified=("c", "d"))
    ether.run(3)
    assert reasons(a, "rejected") == ["certificate"]
    assert reasons(b, "refused") == ["certificate"]
    detail = b.links.status()["troubles"]["a"]["detail"]
    assert "'b'" in detail and "'c', 'd'" in detail
    good = FakeNode(ether, "c", seeds=("a",), certified=("c", "d"))
    ether.until(good.links.peers)


def test_a_wiped_disk_under_an_old_name_is_refused_and_welcome_under_a_new_one() -> None:
    ether = Ether()
    a, b = pair(ether, store=b"first")
    b.crash()
    b = FakeNode(ether, "b", seeds=("a",), store=b"second", incarnation=9)
    ether.run(3)
    assert reasons(b, "refused") == ["store"] and reasons(a, "rejected") == ["store"]
    assert b.links.peers() == ()
    b.crash()
    fresh = FakeNode(ether, "b2", seeds=("a",), store=b"second")
    ether.until(fresh.links.peers)


def test_what_is_remembered_outlives_a_restart() -> None:
    ether = Ether()
    a, b = pair(ether, store=b"first", incarnation=5)
    a.crash()
    b.crash()
    FakeNode(ether, "a", known=a.known, incarnation=2)
    b = FakeNode(ether, "b", seeds=("a",), store=b"second", incarnation=6)
    ether.run(3)
    assert reasons(b, "refused") == ["store"]


def test_a_node_that_left_for_good_gives_its_name_back() -> None:
    ether = Ether()
    a, b = pair(ether, store=b"first")
    b.crash()
    a.links.forget("b")
    FakeNode(ether, "b", seeds=("a",), store=b"second")
    ether.until(a.links.peers)


def test_nodes_without_a_disk_come_back_under_their_name() -> None:
    ether = Ether()
    a, b = pair(ether)
    for _ in range(2):
        b.crash()
        b = FakeNode(ether, "b", seeds=("a",))
        b.hello = b.hello._replace(store=b"")
        b.links.introduce(b.hello)
        ether.until(a.links.peers)


def test_a_restored_backup_hears_what_it_must_rise_above_and_then_gets_in() -> None:
    ether = Ether()
    a, b = pair(ether, incarnation=7)
    b.crash()
    b = FakeNode(ether, "b", seeds=("a",), incarnation=4)
    ether.run(3)
    (refusal,) = [each for each in b.told if each[0] == "refused"]
    assert refusal[1:3] == ("a", "rolled back")
    assert remembered_incarnation(refusal[3]) == 7
    b.links.introduce(b.hello._replace(incarnation=8))
    assert ether.until(b.links.peers) < 1
    assert a.known["b"] == Known(b"b", 8)


@pytest.mark.parametrize("detail", ["", "incarnation=", "incarnation=x", "incarnation=" + "9" * 30, "7", "x" * 1000])
def test_a_detail_of_another_kind_names_no_incarnation(detail: str) -> None:
    assert remembered_incarnation(detail) is None


def test_a_linked_node_tells_of_a_new_incarnation() -> None:
    ether = Ether()
    a, b = pair(ether)
    b.links.introduce(b.hello._replace(incarnation=3))
    ether.run(1)
    assert a.known["b"] == Known(b"b", 3)
    assert a.told == [("up", "b")]


# ---- one name, two nodes


def test_of_two_nodes_with_one_name_the_newcomer_is_refused_loudly() -> None:
    ether = Ether()
    a, b = pair(ether)
    twin = FakeNode(ether, "b", address="elsewhere", seeds=("a",))
    ether.run(4)
    assert reasons(twin, "refused") == ["name"] and reasons(a, "rejected") == ["name"]
    assert a.ended("name") == 1
    assert a.told[0] == ("up", "b") and ("down", "b") not in a.told
    assert twin.links.peers() == ()
    assert b.links.peers() == ("a",)
    assert a.ask("b", 1)
    ether.run(1)
    assert b.heard("a") == [1]


def test_a_node_that_was_held_up_itself_asks_again_before_it_gives_a_name_away() -> None:
    ether = Ether()
    a, b = pair(ether)
    a.gone = True  # no ticks
    twin = FakeNode(ether, "b", address="elsewhere", seeds=("a",))
    b.transport.hanging = True
    ether.run(3)
    b.transport.hanging = False
    a.gone = False
    a._tick()
    ether.run(3)
    assert a.links.peers() == ("b",) and ("down", "b") not in a.told
    assert reasons(a, "rejected") == ["name"] and twin.links.peers() == ()


def test_a_node_is_not_linked_to_another_of_its_own_name() -> None:
    ether = Ether()
    a = FakeNode(ether, "a", address="x")
    twin = FakeNode(ether, "a", address="y", seeds=("x",))
    ether.run(2)
    assert "name" in reasons(a, "rejected") + reasons(twin, "rejected")
    assert a.links.peers() == twin.links.peers() == ()


def test_a_restarted_node_gets_in_while_its_old_link_hangs() -> None:
    ether = Ether()
    a, b = pair(ether)
    b.crash(quietly=True)
    ether.run(1)
    assert a.links.peers() == ("b",)
    again = FakeNode(ether, "b", seeds=("a",), incarnation=2)
    assert ether.until(again.links.peers) < 2
    ether.run(0.1)
    assert a.told == [("up", "b"), ("down", "b"), ("up", "b")]
    assert a.ended("superseded") == 1
    assert a.ask("b", 1)
    ether.run(1)
    assert again.heard("a") == [1]


def test_a_restarted_node_gets_in_at_once_when_its_old_link_ends() -> None:
    ether = Ether()
    a, b = pair(ether)
    b.crash(quietly=True)
    again = FakeNode(ether, "b", seeds=("a",), incarnation=2)
    ether.run(0.3)
    for link in a.transport.links:
        if link.other.owner is b.transport:
            link.end("lost")
    assert ether.until(again.links.peers) <= 0.3
    ether.run(0.1)
    assert a.told == [("up", "b"), ("down", "b"), ("up", "b")]


def test_two_restarts_in_a_row_end_with_the_last() -> None:
    ether = Ether()
    a, b = pair(ether)
    b.crash(quietly=True)
    second = FakeNode(ether, "b", seeds=("a",), incarnation=2)
    ether.run(0.2)
    second.crash(quietly=True)
    third = FakeNode(ether, "b", seeds=("a",), incarnation=3)
    assert ether.until(third.links.peers) < 4
    ether.run(3)
    assert a.known["b"].incarnation == 3
    assert a.ask("b", 1)
    ether.run(1)
    assert third.heard("a") == [1]


def test_an_answer_that_was_long_on_its_way_is_no_sign_of_life() -> None:
    ether = Ether()
    a, b = pair(ether)
    old = next(link for link in a.transport.links if link.open)
    answer = Greeting(b.hello, asks=0, answers=1).pack()
    b.crash(quietly=True)
    again = FakeNode(ether, "b", seeds=("a",), incarnation=2)
    ether.run(0.2)
    for _ in range(5):
        old.arrive(answer)
    ether.until(again.links.peers)
    assert reasons(again, "refused") == []
