"""More of `test_shipped_bugs`: members, snapshots, leaders that have to go."""

from replication.raft.configuration import Configuration
from replication.raft.log import CONFIGURATION, DATA, Entry
from replication.raft.messages import (
    Appended,
    AppendEntries,
    Heartbeat,
    HeartbeatAnswer,
    Snapshot,
    SnapshotChunk,
    SnapshotReceived,
    TimeoutNow,
    Vote,
)
from replication.raft.ready import Proposed, Refused
from tests.raft.bench import Bench, led
from tests.raft.script import Script


def configuration_entry(term: int, voters: str, outgoing: str = "", learners: str = "") -> Entry:
    return Entry(term, CONFIGURATION, Configuration(tuple(voters), tuple(outgoing), tuple(learners)).to_bytes())


def test_two_leaders_that_change_members_do_not_commit_apart() -> None:
    """The same, whole: each tries to go on with a group of which the other's half knows nothing."""
    script = Script()
    for line in ("nodes a b c d", "campaign a", "stabilize", "run 0.1", "cut a c d", "cut b c d"):
        script.do(line)
    a, c = script.machines["a"].core, script.machines["c"].core
    script.do("change a voters=a,b")
    script.do("run 0.5")
    assert a.commit == 1, "the old group has to agree too, and its majority is not here"
    script.do("campaign c")
    script.do("stabilize")
    script.do("run 3")
    assert c.commit == 1 and c.role != "leader"
    script.do("heal")
    script.do("run 3")
    assert len({machine.digest for machine in script.machines.values() if machine.index == a.commit}) == 1


def test_who_removes_itself_may_be_the_only_one_that_can_be_elected() -> None:
    """Dissertation section 4.2.2; found here by a world of seed 42."""
    joint = configuration_entry(1, "b", "ab")
    log = (Entry(1, DATA, b""), joint, configuration_entry(1, "b"))
    node = Bench(voters="ab", term=1)
    node.hear("b", AppendEntries(1, 0, 0, 2, log))
    assert node.core.configuration.voters == ("b",)
    node.wait(2)
    assert node.core.role == "pre-candidate"
    node.hear("b", AppendEntries(1, 3, 1, 3, ()))
    node.wait(5)
    assert node.core.role == "follower", "it is committed: nobody needs it any more"


def test_no_change_of_members_before_an_own_entry_is_committed() -> None:
    """raft-dev, "bug in single-server membership changes"."""
    node = Bench(1, term=1)
    node.elect()
    assert node.core.remove("c", node.now) == Refused("pending", "a")
    node.acknowledge("b", 2)
    assert isinstance(node.core.remove("c", node.now), Proposed)
    assert node.core.remove("b", node.now) == Refused("pending", "a"), "nor while another is under way"


def snapshot_chunk(snapshot: Snapshot, offset: int, data: bytes, last: bool, term: int = 1) -> SnapshotChunk:
    return SnapshotChunk(term, snapshot, offset, data, last)


def test_whoever_stands_needs_both_halves_of_a_joint_configuration() -> None:
    """openraft#1796 is the other way about: it could never be had."""
    node = Bench(term=1)
    node.hear("b", AppendEntries(1, 0, 0, 0, (configuration_entry(1, "ade", "abc"),)))
    node.wait(2.5)
    for pre in (True, False):
        role = "pre-candidate" if pre else "candidate"
        term = node.core.term + pre
        for voter in "de":
            node.hear(voter, Vote(term, pre, True))
            assert node.core.role == role
        node.hear("b", Vote(term, pre, True))
    assert node.core.role == "leader"
    node.acknowledge("d", 2)
    node.acknowledge("e", 2)
    assert node.core.commit == 0
    node.acknowledge("c", 2)
    assert node.core.commit == 2 and node.core.configuration.voters == tuple("ade")


ABC = Configuration(tuple("abc"))


def test_a_snapshot_waits_for_what_is_being_applied() -> None:
    """openraft, etcd#18055."""
    node = Bench(1, 1, term=1)
    node.hear("b", Heartbeat(1, 0, 1))
    node.core.step("b", AppendEntries(1, 2, 1, 2, ()), node.now)
    ready = node.core.ready()
    assert ready.apply is not None
    node.core.step("b", snapshot_chunk(Snapshot(9, 1, ABC, b"s"), 0, b"all", True), node.now)
    ready = node.core.ready()
    assert ready.pieces and ready.write is None and ready.apply is None
    node.core.applied(2)
    ready = node.core.ready()
    assert ready.write is not None and ready.write.snapshot is not None
    node.core.step("b", AppendEntries(1, 9, 1, 10, (Entry(1, DATA, b"x"),)), node.now)
    later = node.core.ready()
    assert later.apply is None, "nothing is applied while it is installed"
    assert later.write is not None
    node.core.persisted(later.write.number, node.now)
    node.act()
    assert [entry.data for entry in node.applied] == [b"x"] and node.state.applied == 10


def test_a_snapshot_is_not_installed_if_its_entries_came_meanwhile() -> None:
    node = Bench(1, 1, term=1)
    node.core.step("b", AppendEntries(1, 2, 1, 2, ()), node.now)
    assert node.core.ready().apply is not None
    node.core.step("b", snapshot_chunk(Snapshot(3, 1, ABC, b"s"), 0, b"all", True), node.now)
    node.core.step("b", AppendEntries(1, 2, 1, 2, (Entry(1, DATA, b"x"), Entry(1, DATA, b"y"))), node.now)
    node.core.applied(2)
    node.act()
    assert node.terms == [1, 1, 1, 1] and node.core.commit == 3 and node.core.snapshot.last_index == 0
    assert [entry.data for entry in node.applied] == [b"x"]


def test_a_snapshot_that_cannot_be_read_is_given_up_for_the_newest() -> None:
    node = led(1, 1, 1)
    node.core.snapshot_taken(3, b"three")
    node.core.compact(3)
    node.core.step("c", Appended(2, 3, True, 0, 0), node.now)
    (wish,) = node.core.ready().chunks
    node.core.snapshot_taken(4, b"four")
    node.core.chunk_read(wish, None, False, node.now)
    node.core.chunk_read(wish, b"late", True, node.now)
    node.act()
    assert not node.take(SnapshotChunk)
    node.core.step("c", HeartbeatAnswer(2, 0), node.now)
    (wish,) = node.core.ready().chunks
    assert (wish.snapshot.id, wish.offset) == (b"four", 0)


def test_a_newer_snapshot_replaces_one_that_is_not_complete() -> None:
    node = Bench(term=1)
    old, new = Snapshot(5, 1, ABC, b"old"), Snapshot(9, 1, ABC, b"new")
    node.hear("b", snapshot_chunk(old, 0, b"abc", False))
    node.hear("b", snapshot_chunk(old, 0, b"abc", False))
    node.hear("b", snapshot_chunk(new, 0, b"de", False))
    node.hear("b", snapshot_chunk(new, 5, b"?", False))
    received = node.take(SnapshotReceived)
    assert received == [
        SnapshotReceived(1, id, offset) for id, offset in ((b"old", 3), (b"old", 3), (b"new", 2), (b"new", 2))
    ]
    node.hear("b", snapshot_chunk(new, 2, b"f", True))
    assert node.take(Appended) == [Appended(1, 9, False, 0, 0)] and node.core.snapshot == new


def test_a_snapshot_goes_on_only_where_the_same_leader_sends_it() -> None:
    """Another has made its bytes of other states, and what came of the two could not be read."""
    node = Bench(term=1)
    snapshot = Snapshot(5, 1, ABC, b"same")
    node.hear("b", snapshot_chunk(snapshot, 0, b"abc", False))
    node.hear("c", snapshot_chunk(snapshot, 3, b"DEF", True, term=2))
    assert node.take(SnapshotReceived) == [SnapshotReceived(1, b"same", 3), SnapshotReceived(2, b"same", 0)]
    node.hear("c", snapshot_chunk(snapshot, 0, b"ABC", False, term=2))
    assert node.core.snapshot.last_index == 0
    node.hear("c", snapshot_chunk(snapshot, 3, b"DEF", True, term=2))
    assert node.core.snapshot == snapshot


def test_a_snapshot_of_what_is_here_takes_nothing() -> None:
    """hashicorp raft#395: entries beyond it were acknowledged."""
    node = Bench(1, 1, 1, term=1)
    node.hear("b", snapshot_chunk(Snapshot(2, 1, ABC, b"s"), 0, b"", True))
    assert node.terms == [1, 1, 1] and node.core.commit == 2
    assert node.take(Appended) == [Appended(1, 2, False, 0, 0)]


def test_a_snapshot_brings_its_members() -> None:
    """PySyncObj#133, openraft."""
    node = Bench(term=1)
    other = Configuration(tuple("abd"), (), ("e",))
    node.hear("b", snapshot_chunk(Snapshot(5, 1, other, b"s"), 0, b"", True))
    assert node.core.configuration == other


def test_members_are_those_of_before_when_their_entry_is_replaced() -> None:
    """openraft: configuration not rolled back on truncation."""
    node = Bench(1, term=1)
    node.hear("b", AppendEntries(1, 1, 1, 1, (configuration_entry(1, "abd", "abc"),)))
    assert node.core.configuration.is_joint
    node.append(1, 1, 2, term=2, by="c")
    assert node.core.configuration == ABC


def test_a_follower_just_behind_the_cut_catches_up() -> None:
    """hashicorp raft#212: the snapshot it was sent ends before the log begins."""
    script = Script()
    for line in ("nodes a b c", "campaign a", "stabilize", "cut c", "propose a x", "stabilize", "snapshot a 40"):
        script.do(line)
    for line in ("compact a 2", "heal", "pass 0.2 a", "deliver a->c", "deliver c->a", "deliver a->c", "deliver c->a"):
        script.do(line)
    assert script.machines["a"].core.progress()["c"].state == "snapshot"
    for line in ("cut c", "run 3", "propose a y", "stabilize", "snapshot a 40", "compact a 3", "heal", "run 5"):
        script.do(line)
    assert script.machines["c"].core.commit == 3
    assert script.machines["a"].core.progress()["c"].state == "replicate"


def test_the_log_is_kept_for_who_is_being_sent_a_snapshot() -> None:
    node = led(1, 1, 1)
    node.core.snapshot_taken(3, b"three")
    assert node.core.compact(3) == (3, 1)
    node.hear("c", Appended(2, 3, True, 0, 0))
    assert node.core.progress()["c"].state == "snapshot" and node.core.snapshots_in_use() == {b"three"}
    assert node.core.snapshot_taken(4, b"four") and node.core.snapshot_taken(3, b"late") is None
    assert node.core.compact(4) is None
    assert node.core.snapshots_in_use() == {b"three", b"four"}
    node.acknowledge("c", 3)
    assert node.core.progress()["c"].state == "replicate" and node.core.compact(4) == (4, 2)


def test_a_leader_whose_disk_hangs_stops() -> None:
    """hashicorp raft#503, consul#3552: it kept its heartbeats, and the cluster waited for ever."""
    node = led(slow=True)
    node.core.propose((b"x",), node.now)
    for _ in range(20):
        node.wait(0.05)
        for peer in ("b", "c"):
            node.acknowledge(peer, 1)
    assert node.core.role == "leader"
    node.sent.clear()
    node.wait(0.1)
    assert node.core.role == "follower" and node.core.stepped_down == "its disk hangs"
    node.take(Heartbeat)
    node.wait(5)
    assert node.core.role == "follower" and not node.sent, "nor does it stand while it hangs"


def test_a_leader_that_was_away_does_nothing_first() -> None:
    node = led()
    node.now += 1.5
    assert node.core.propose((b"x",), node.now) == Refused("not leader", "")
    assert node.core.stepped_down == "it was away" and node.core.last == 1


def test_a_removed_member_is_sent_nothing_and_its_words_count_for_nothing() -> None:
    """etcd raft#83, openraft."""
    node = led()
    node.acknowledge("c", 1)
    node.core.remove("c", node.now)
    node.act()
    node.acknowledge("b", 2)
    assert node.core.configuration.voters == ("a", "b") and "c" not in node.core.progress()
    node.take(AppendEntries)
    node.acknowledge("c", 3)
    assert node.core.commit == 2
    node.core.propose((b"x",), node.now)
    node.wait(0.5)
    assert not [peer for peer, _ in node.sent if peer == "c"]


def test_a_transfer_to_nobody_ends_and_loses_nothing() -> None:
    """hashicorp raft GH-413, GH-581."""
    node = led()
    node.core.propose((b"in flight",), node.now)
    assert node.core.transfer("b", node.now) is None
    node.act()
    assert not node.take(TimeoutNow), "b lacks what is in flight"
    assert node.core.propose((b"x",), node.now) == Refused("transferring", "b")
    assert node.core.remove("c", node.now) == Refused("transferring", "b")
    for _ in range(11):
        node.wait(0.1)
        node.acknowledge("c", 2)
    assert node.core.commit == 2
    assert node.core.propose((b"x",), node.now) == Proposed(3, 2)


def test_uncommitted_bytes_are_bounded_and_come_free_again() -> None:
    node = led(uncommitted_bytes_max=100)
    placed = [node.core.propose((bytes(30),), node.now) for _ in range(4)]
    assert placed[:2] == [Proposed(2, 2), Proposed(3, 2)] and placed[2:] == [Refused("overloaded", "a")] * 2
    node.act()
    node.acknowledge("b", 2)
    assert node.core.propose((bytes(30),), node.now) == Proposed(4, 2)


def test_of_what_is_proposed_together_as_much_is_put_as_there_is_room_for() -> None:
    node = led(uncommitted_bytes_max=100)
    assert node.core.propose([bytes(30)] * 4, node.now) == Refused("overloaded", "a") and node.core.last == 3
    node.act()
    node.acknowledge("b", 3)
    assert node.core.commit == 3
    assert node.core.propose([bytes(30)] * 2, node.now) == Proposed(5, 2)
