"""The core of strong updates against a leader that the test plays."""

from random import Random

import msgpack
import pytest

from crdt import GCounter
from replication.config import Config
from replication.core import Landing, Ready
from replication.raft.configuration import Configuration
from replication.raft.log import DATA, Entry
from replication.raft.messages import AppendEntries, Snapshot, SnapshotChunk
from replication.raft.options import Options
from replication.strong import journal
from replication.strong.core import StrongCore
from replication.strong.entries import Proposal, encode, writer_of
from replication.strong.machine import Machine

WRITER = writer_of("g")
MEMBERS = Configuration(("a", "b", "c"))


class Follower:
    """Node c, whose disk does what the test says: nothing by itself."""

    def __init__(self) -> None:
        start, records = journal.read((), MEMBERS)
        self.core = StrongCore(
            "c", 1, start, records, Options(), Random(1), 0.0, Config(),
            lambda attempt: None, lambda agent_id: None, lambda agent_id: (),
            "g", lambda peer: "g", lambda group: True, lambda group: None, lambda peer: False,
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

    def merged(self) -> None:
        """All that was delivered is merged and on disk."""
        for delivery in [delivery for wish in self.wishes for delivery in wish.deliver]:
            self.core.landed(Landing(delivery, ("landed",) * len(delivery.items)), 0.0)
            self.core.durable(delivery.token, 0.0)
        self.wishes = [wish for wish in self.wishes if not wish.deliver]
        self.run()


@pytest.fixture
def follower() -> Follower:
    return Follower()


def change(base: int) -> Proposal:
    """One more, of whoever has seen so many."""
    counter = GCounter(WRITER)
    for _ in range(base + 1):
        counter.increment()
    return Proposal("a", 1, base + 1, "counter", base, counter.to_bytes(), counter.version.to_bytes(), ())


def snapshot(last_index: int, *entries: Proposal) -> SnapshotChunk:
    machine = Machine(WRITER)
    for entry in entries:
        machine.apply(entry)
    data = msgpack.packb((machine.to_bytes(), [("counter", [entries[-1].delta])]))
    return SnapshotChunk(1, Snapshot(last_index, 1, MEMBERS, b"id"), 0, data, True)


def append(previous: int, commit: int, *entries: Proposal) -> AppendEntries:
    return AppendEntries(1, previous, 1, commit, tuple([Entry(1, DATA, encode(entry)) for entry in entries]))


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
    assert follower.core.counts["applied"] == 0
    assert not [send for wish in follower.wishes for send in wish.send if getattr(send.message, "at", 0) >= 5]
