"""One core on the bench: told things one at a time, its disk as slow as a test wants."""

from random import Random
from typing import Any, TypeVar

from replication.raft.configuration import Configuration
from replication.raft.core import Raft
from replication.raft.log import DATA, Entry
from replication.raft.messages import Appended, AppendEntries, Message, RequestVote, Snapshot, Vote
from replication.raft.options import Options
from replication.raft.ready import Ready, Saved, Write

M = TypeVar("M", bound=Message)


def entries(*terms: int, first: int = 1) -> tuple[Entry, ...]:
    return tuple(Entry(term, DATA, b"e%d" % index) for index, term in enumerate(terms, first))


class Bench:
    """Node a of a, b and c. What it sends is in `sent` until it is looked at."""

    def __init__(
        self,
        *log: int,
        term: int = 0,
        vote: str = "",
        voters: str = "abc",
        learners: str = "",
        snapshot: int = 0,
        slow: bool = False,
        random: int = 0,
        **options: Any,
    ) -> None:
        configuration = Configuration(tuple(voters), (), tuple(learners))
        kept = Snapshot(snapshot, log[snapshot - 1] if snapshot else 0, configuration, b"s" if snapshot else b"")
        saved = Saved(term, vote, kept, snapshot, kept.last_term, entries(*log)[snapshot:], snapshot)
        self.now, self.slow = 0.0, slow
        self.core = Raft("a", saved, Options(**options), Random(random), self.now)
        self.state = self.core._state
        self.sent: list[tuple[str, Message]] = []
        self.writes: list[Write] = []
        self.reads: list[int] = []
        self.applied: list[Entry] = []
        self.last_ready: Ready | None = None
        self.act()

    def act(self) -> None:
        for _ in range(100):
            ready = self.core.ready()
            self.sent += [(send.peer, send.message) for send in ready.send]
            self.reads += ready.reads
            if ready.write is not None:
                self.writes.append(ready.write)
                self.last_ready = ready
            if ready.apply is not None:
                self.applied += ready.apply.entries
                self.core.applied(ready.apply.first + len(ready.apply.entries) - 1)
            elif self.writes and not self.slow:
                self.written()
            elif ready == Ready():
                break
        self.core.check_invariants()

    def written(self, count: int = 100) -> None:
        """So many of the oldest writes are durable."""
        done, self.writes = self.writes[:count], self.writes[count:]
        if done:
            self.core.persisted(done[-1].number, self.now)
            self.act()

    def hear(self, peer: str, message: Message) -> None:
        self.core.step(peer, message, self.now)
        self.act()

    def wait(self, seconds: float, step: float = 0.05) -> None:
        for _ in range(round(seconds / step)):
            self.now += step
            self.core.tick(self.now)
            self.act()

    def take(self, kind: type[M], peer: str = "") -> list[M]:
        """What was sent of that kind; everything before it is forgotten."""
        found = [each for to, each in self.sent if isinstance(each, kind) and peer in ("", to)]
        self.sent.clear()
        return found

    def elect(self) -> None:
        """By the vote of b, of a log that a test made; what it writes is durable."""
        slow, self.slow = self.slow, False
        self.written()
        while self.core.role == "follower":
            self.wait(0.05)
        for pre in (True, False):
            self.hear("b", Vote(self.core.term + pre, pre, True))
        assert self.core.role == "leader"
        self.slow = slow

    def append(
        self, previous: int, previous_term: int, *terms: int, commit: int = 0, term: int = 0, by: str = "b"
    ) -> None:
        new = entries(*terms, first=previous + 1)
        self.hear(by, AppendEntries(term or self.core.term, previous, previous_term, commit, new))

    def acknowledge(self, peer: str, at: int) -> None:
        self.hear(peer, Appended(self.core.term, at, False, 0, 0))

    def ask_vote(
        self, peer: str, term: int, last: int, last_term: int, pre: bool = False, transfer: bool = False
    ) -> Vote | None:
        self.sent.clear()
        self.hear(peer, RequestVote(term, pre, transfer, last, last_term))
        votes = self.take(Vote)
        return votes[0] if votes else None

    @property
    def terms(self) -> list[int]:
        log = self.state.log
        return [log.term(index) for index in range(log.offset + 1, log.last + 1)]


def led(*log: int, **options: Any) -> Bench:
    """A leader of term 2 with one committed entry of its own, after that log."""
    node = Bench(*log, term=1, **options)
    node.elect()
    node.acknowledge("b", node.core.last)
    assert node.core.commit == node.core.last
    node.sent.clear()
    return node
