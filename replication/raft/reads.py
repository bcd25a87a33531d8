"""Linearizable reads without writing to the log: ReadIndex (dissertation section 6.4).

A read may be served from a state that has applied everything committed when the read began. A leader knows how far that
is once it has committed something in its own term, and only if it still leads: one round of heartbeats, sent after the
read came, that a majority answers, proves that for all reads that came before it. A follower asks the leader and waits
until it has applied as much itself.

A question to a leader has a number, its context, which is used once. What is asked again, of the same leader or
another, is asked under a new one: an answer that comes late is to a question that nobody has any more.
"""

from collections import deque
from heapq import heappop, heappush
from typing import NamedTuple

from replication.raft.messages import ReadIndex, ReadIndexAnswer
from replication.raft.state import State


class Round(NamedTuple):
    """Who waits for a round of heartbeats: reads of this node, and contexts of other nodes' questions."""

    number: int
    commit: int
    reads: list[int]
    questions: dict[str, int]


class Reads:
    """The reads that callers on this node wait for."""

    def __init__(self, state: State) -> None:
        self._state = state
        # Numbers of an earlier life of this node, which may still be under way, are not met again.
        self._number = state.random.getrandbits(48)
        self._unasked: list[int] = []
        self._asked: tuple[int, float, list[int]] | None = None  # context, when, reads: one question at a time
        self._waiting: list[tuple[int, int]] = []  # a heap: index, read
        self._open: set[int] = set()

    def __len__(self) -> int:
        return len(self._open)

    def begin(self) -> int:
        self._number += 1
        self._open.add(self._number)
        return self._number

    def ask(self, reads: list[int] | tuple[int, ...]) -> None:
        """Somebody must say up to where these have to wait."""
        if len(self._unasked) > 2 * len(self._open):
            self._unasked = [read for read in self._unasked if read in self._open]  # others were forgotten
        self._unasked.extend(read for read in reads if read in self._open)

    def take_unasked(self) -> tuple[int, ...]:
        """By a leader, which asks nobody."""
        reads, self._unasked = tuple(self._unasked), []
        return reads

    def forget(self, read: int) -> None:
        """Its caller does not wait any more."""
        self._open.discard(read)

    def lost_leader(self) -> None:
        """Whoever was asked is not to be relied on for an answer."""
        if self._asked is not None:
            self.ask(self._asked[2])
            self._asked = None

    def send(self) -> None:
        """Ask the leader, for all reads at once; if it has not answered for an election timeout, again."""
        state = self._state
        if self._asked is not None and state.now - self._asked[1] > state.options.election_timeout:
            self.lost_leader()
        if self._unasked and self._asked is None and state.leader not in ("", state.name):
            self._number += 1
            self._asked = (self._number, state.now, self._unasked)
            self._unasked = []
            state.send_when_promised(state.leader, ReadIndex(state.term, self._number))

    def answered(self, message: ReadIndexAnswer) -> None:
        if self._asked is not None and self._asked[0] == message.context:
            self.wait(message.commit, tuple(self._asked[2]))
            self._asked = None

    def wait(self, index: int, reads: tuple[int, ...]) -> None:
        """These may be served once `index` is applied."""
        for read in reads:
            if read in self._open:
                heappush(self._waiting, (index, read))

    def take_served(self) -> tuple[int, ...]:
        """Those that may be served now."""
        waiting, applied = self._waiting, self._state.applied
        served = []
        while waiting and waiting[0][0] <= applied:
            read = heappop(waiting)[1]
            if read in self._open:
                self._open.discard(read)
                served.append(read)
        return tuple(served)


class Rounds:
    """A leader's rounds of heartbeats, and what they prove."""

    def __init__(self) -> None:
        self.round = 0
        self.confirmed_since = float("-inf")  # when the newest round that a majority answered was sent
        self._reads: list[int] = []  # of this node
        self._questions: dict[str, int] = {}  # of others: the newest context of each
        self._under_way: deque[Round] = deque()
        self._sent: deque[tuple[int, float]] = deque()  # number and time of rounds not confirmed

    def add(self, reads: tuple[int, ...]) -> None:
        self._reads += reads

    def add_question(self, peer: str, context: int) -> None:
        """A peer asks one question at a time; whatever it asked before it does not want to know any more."""
        self._questions[peer] = context

    @property
    def are_wanted(self) -> bool:
        """Whether one should begin. One at a time: what comes meanwhile shares the next."""
        return bool(self._reads or self._questions) and not self._under_way

    def begin(self, now: float, commit: int) -> int:
        """A round is being sent. `commit` is what all that wait have to see; -1 if that is not known yet."""
        self.round += 1
        self._sent.append((self.round, now))
        if commit >= 0 and (self._reads or self._questions):
            self._under_way.append(Round(self.round, commit, self._reads, self._questions))
            self._reads, self._questions = [], {}
        return self.round

    def confirm(self, number: int) -> list[Round]:
        """A majority has answered that round, or a later one: the rounds that this proves."""
        while self._sent and self._sent[0][0] <= number:
            self.confirmed_since = self._sent.popleft()[1]
        proven = []
        while self._under_way and self._under_way[0].number <= number:
            proven.append(self._under_way.popleft())
        return proven

    def unproven_reads(self) -> list[int]:
        """Those of this node."""
        return [*[read for each in self._under_way for read in each.reads], *self._reads]
