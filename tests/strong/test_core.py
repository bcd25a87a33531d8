"""The core of strong updates against a leader that the test plays."""

from random import Random

import msgpack
import pytest

from crdt import GCounter
from replication.config import Config
from replication.core import Landing, Ready, Send
from replication.errors import OutcomeUnknown
from replication.raft.configuration import Configuration
from replication.raft.log import DATA, Entry
from replication.raft.messages import AppendEntries, Snapshot, SnapshotChunk
from replication.raft.options import Options
from replication.storage import Trim
from replication.strong import journal
from replication.strong.attempt import Attempt
from replication.strong.core import StrongCore
from replication.strong.entries import Proposal, Result, encode, writer_of
from replication.strong.machine import CONFLICT, HOLDS, Machine
from replication.strong.messages import Propose
from replication.ticket import Ticket

WRITER = writer_of("g")
MEMBERS = Configuration(("a", "b", "c"))


class Follower:
    """Node c, whose disk does what the test says: nothing by itself."""

    def __init__(self) -> None:
        start, records = journal.read((), MEMBERS)
        self.groups: dict[str, str] = {}
        self.core = StrongCore(
            "c", 1, start, records, Options(), Random(1), 0.0, Config(log_entries_max=2),
            lambda attempt: None, lambda agent_id: None, lambda agent_id: (), "g",
            lambda peer: self.groups.get(peer, "g"), lambda group: True, lambda group: None, lambda peer: False,
            lambda seconds: None,
        )  # fmt: skip
        self.wishes: list[Ready] = []

    def hear(self, message: AppendEntries | SnapshotChunk) -> None:
        self.core.step("a", message, 0.0)
        self.run()

    def run(self) -> None:
        while any(ready := self.core.ready()):
            self.wishes.append(ready)

    def writes(self) -> list[Ready]:
        return [wish for wish in self.wishes if wish.persist]

    def written(self) -> None:
        """All that was to be written is on disk."""
        for wish in self.writes():
            for ticket in wish.settle:
                ticket.finish()
        self.wishes = [wish for wish in self.wishes if not wish.persist]
        self.run()

    def merged(self, durable: bool = True) -> None:
        """All that was delivered is merged and on disk."""
        for delivery in [delivery for wish in self.wishes for delivery in wish.deliver]:
            self.core.landed(Landing(delivery, ("landed",) * len(delivery.items)), 0.0)
            if durable:
                self.core.durable(delivery.token, 0.0)
        self.wishes = [wish for wish in self.wishes if not wish.deliver]
        self.run()


@pytest.fixture
def follower() -> Follower:
    return Follower()


def change(base: int, proposer: str = "a", boot: int = 1) -> Proposal:
    """One more, of whoever has seen so many."""
    counter = GCounter(WRITER)
    for _ in range(base + 1):
        counter.increment()
    return Proposal(proposer, boot, base + 1, "counter", base, counter.to_bytes(), counter.version.to_bytes(), ())


def snapshot(last_index: int, *entries: Proposal) -> SnapshotChunk:
    machine = Machine(WRITER)
    for entry in entries:
        machine.apply(entry)
    data = msgpack.packb((machine.to_bytes(), [("counter", [entries[-1].delta])]))
    return SnapshotChunk(1, Snapshot(last_index, 1, MEMBERS, b"id"), 0, data, True)


def append(previous: int, commit: int, *entries: Proposal) -> AppendEntries:
    return AppendEntries(
        1, previous, min(previous, 1), commit, tuple([Entry(1, DATA, encode(entry)) for entry in entries])
    )


def test_what_is_written_after_a_snapshot_waits_for_it(follower: Follower) -> None:
    """The disk was faster with an entry than with the snapshot before it, and the entry was judged without it."""
    follower.hear(snapshot(5, change(0)))
    follower.hear(append(5, 6, change(1)))
    follower.written()
    assert not follower.writes()
    assert follower.core.counts["applied"] == 0
    follower.merged()
    follower.written()
    follower.merged()
    assert follower.core.counts["conflicts"] == 0
    assert follower.core.counts["committed"] == 1
    assert follower.core.counts["applied"] == 6


def test_after_a_snapshot_that_cannot_be_read_nothing_is_acknowledged(follower: Follower) -> None:
    chunk = snapshot(5, change(0))
    follower.hear(chunk._replace(data=b"garbage"))
    follower.hear(append(5, 6, change(1)))
    for _ in range(3):
        follower.written()
        follower.merged()
    assert follower.core.counts["invalid"] == 1
    assert "cannot be read" in follower.core.stuck
    assert follower.core.counts["applied"] == 0
    assert not [send for wish in follower.wishes for send in wish.send if getattr(send.message, "at", 0) >= 5]


def test_a_snapshot_waits_until_the_disk_has_what_it_stands_for(follower: Follower) -> None:
    """Its agents are read from the disk: merged in memory is not enough."""
    follower.hear(append(0, 3, change(0), change(1), change(2)))
    follower.written()
    follower.merged(durable=False)
    follower.core.tick(0.0)
    follower.run()
    assert follower.core.counts["applied"] == 3
    assert follower.core.raft.snapshot.last_index == 0
    follower.core.durable(3, 0.0)
    follower.run()
    assert follower.core.raft.snapshot.last_index == 3
    assert [wish for wish in follower.writes() if any(isinstance(each, Trim) for each in wish.persist)]


def test_a_snapshot_is_of_an_index_and_of_no_entry_after_it(follower: Follower) -> None:
    """The machine is ahead of the states while these take in what it let pass."""
    follower.hear(append(0, 2, change(0), change(1)))
    follower.written()
    follower.merged()
    follower.hear(append(2, 3, change(2)))
    follower.written()
    follower.core.tick(0.0)
    follower.run()
    assert follower.core.raft.snapshot.last_index == 0
    follower.merged()
    follower.core.tick(0.0)
    follower.run()
    assert follower.core.raft.snapshot.last_index == 3


def test_who_waits_for_a_verdict_that_a_snapshot_hides_is_told(follower: Follower) -> None:
    attempt = put(follower, Result("once", b""))
    follower.written()
    follower.hear(snapshot(5, change(0)))
    follower.merged()
    follower.written()
    assert attempt.verdict == CONFLICT, "for what was built on it"
    assert isinstance(attempt.tickets[0].error, OutcomeUnknown)
    assert "once" in follower.core.undecided, "it may come after that"


def test_nobody_hears_of_an_operation_before_its_name_is_on_disk(follower: Follower) -> None:
    follower.hear(append(0, 0))
    put(follower, Result("once", b""))
    follower.run()
    assert not proposed(follower)
    follower.written()
    assert proposed(follower)


def test_what_conflicts_is_passed_over(follower: Follower) -> None:
    follower.hear(append(0, 2, change(0), change(0, "b")))
    follower.written()
    (delivery,) = [delivery for wish in follower.wishes for delivery in wish.deliver]
    assert len(delivery.items) == 1


def test_who_asked_is_answered_when_it_is_merged_and_not_before(follower: Follower) -> None:
    attempt = put(follower)
    follower.hear(append(0, 1, change(0, "c")))
    follower.written()
    assert attempt.verdict == "" and not attempt.tickets[0].is_settled
    follower.merged()
    assert attempt.verdict == HOLDS
    assert [ticket for wish in follower.wishes for ticket in wish.settle] == attempt.tickets


def test_what_comes_into_the_log_twice_is_told_once(follower: Follower) -> None:
    """It conflicts with itself the second time, which is nobody's concern."""
    attempt = put(follower)
    follower.hear(append(0, 2, change(0, "c"), change(0, "c")))
    follower.written()
    follower.merged()
    assert attempt.verdict == HOLDS
    assert [ticket for wish in follower.wishes for ticket in wish.settle] == attempt.tickets


def test_the_verdict_of_an_earlier_life_is_nobodys(follower: Follower) -> None:
    """chitchat#161: the numbers that a node gives begin anew when it does."""
    attempt = put(follower)
    follower.hear(append(0, 2, change(0, "c", boot=0), change(0, "c")))
    follower.written()
    follower.merged()
    assert attempt.verdict == CONFLICT, "what held was of before"
    assert (follower.core.counts["committed"], follower.core.counts["conflicts"]) == (1, 1)


def put(follower: Follower, *results: Result) -> Attempt:
    attempt = Attempt("counter", 0)
    attempt.results.extend(results)
    attempt.tickets.append(Ticket(None, lambda _: None))
    assert not follower.core.put([attempt], 0.0)
    return attempt


def proposed(follower: Follower) -> list[Propose]:
    sent = [send.message for wish in follower.wishes for send in wish.send if isinstance(send, Send)]
    return [message for message in sent if isinstance(message, Propose)]


def test_what_another_group_says_is_not_heard(follower: Follower) -> None:
    """memberlist's labels: its terms are numbers like ours, and it may have our names."""
    follower.groups = {"a": "another", "stranger": ""}
    for peer in follower.groups:
        follower.core.step(peer, append(0, 1, change(0))._replace(term=9), 0.0)
    follower.run()
    assert not follower.wishes
    assert follower.core.raft.term == 0 and follower.core.raft.last == 0
    assert follower.core.counts["strange"] == 2


def test_an_operation_counts_as_served_once_it_is_merged_here(follower: Follower) -> None:
    """Who asked again in between was told that it is committed, and did not see it."""
    once = change(0)._replace(results=(Result("once", b"answer"),))
    follower.hear(append(0, 1, once))
    follower.written()
    assert follower.core.machine.result("once") == b"answer"
    assert follower.core.result("once") is None
    follower.merged()
    assert follower.core.result("once") == b"answer"
