"""What a leader knows of one other member, and what it may send it.

    probe      what its log holds is not known: one message at a time, answered or given up at the next heartbeat
    replicate  it follows: entries are sent ahead of the answers, within bounds
    snapshot   it lacks what was compacted: no entries until a snapshot is there

Invariants: `match` never falls, `next` is above it (paper, figure 2), and what is in flight is bounded. The states are
those of etcd's raft. Knows nothing of the log.
"""

from collections import deque
from math import inf

from replication.raft.messages import Snapshot

PROBE, REPLICATE, SNAPSHOT = "probe", "replicate", "snapshot"


class Progress:
    __slots__ = (
        "_inflight",
        "chunk_offset",
        "chunk_time",
        "heard",
        "inflight_bytes",
        "match",
        "news_due",
        "next",
        "round",
        "snapshot",
        "state",
        "told",
        "waiting",
        "waits_until",
    )  # fmt: skip

    def __init__(self, next_index: int, now: float) -> None:
        self.state = PROBE
        self.match = 0  # it has said that its log is ours up to here, durably
        self.next = next_index  # the first entry to send
        self.told = 0  # the commit index it was sent
        self.news_due = inf  # when it is to be sent a newer one, though there are no entries to go with it
        self.waits_until = now  # it has asked for something: until then, without delay
        self.waiting = False  # for an answer to a probe
        self.heard = now
        self.round = 0  # the newest heartbeat it answered
        self.snapshot: Snapshot | None = None
        self.chunk_offset, self.chunk_time = 0, now
        self._inflight: deque[tuple[int, int]] = deque()  # last index and bytes of each message
        self.inflight_bytes = 0

    def probe(self) -> None:
        self._enter(PROBE)
        self.next = self.match + 1

    def replicate(self) -> None:
        self._enter(REPLICATE)
        self.next = self.match + 1

    def send_snapshot(self, snapshot: Snapshot, now: float) -> None:
        self._enter(SNAPSHOT)
        self.snapshot, self.chunk_offset, self.chunk_time = snapshot, 0, now

    def _enter(self, state: str) -> None:
        self.state, self.waiting, self.snapshot = state, False, None
        self._inflight.clear()
        self.inflight_bytes = 0

    def acknowledge(self, index: int) -> bool:
        """It has everything up to `index`. Whether that is more than was known; an old answer says nothing new."""
        while self._inflight and self._inflight[0][0] <= index:
            self.inflight_bytes -= self._inflight.popleft()[1]
        self.next = max(self.next, index + 1)
        if index <= self.match:
            return False
        self.match = index
        return True

    def refuse(self, index: int, hint: int) -> bool:
        """It has no such entry at `index`, but perhaps at `hint`. Whether that is news: it may be an old answer."""
        if self.state == REPLICATE:
            if index <= self.match:
                return False
            self.probe()
            return True
        if self.state != PROBE or index != self.next - 1:
            return False
        self.next = max(min(index, hint + 1), self.match + 1)
        self.waiting = False
        return True

    def sent(self, last: int, size: int) -> None:
        """A message with entries up to `last` is under way."""
        if self.state == REPLICATE:
            self.next = last + 1
            self._inflight.append((last, size))
            self.inflight_bytes += size

    def is_full(self, messages_max: int, bytes_max: int) -> bool:
        return len(self._inflight) >= messages_max or self.inflight_bytes >= bytes_max

    def check_invariants(self) -> None:
        assert self.next > self.match
        assert (self.state == SNAPSHOT) == (self.snapshot is not None)
        assert self.inflight_bytes == sum(size for _, size in self._inflight)
