"""What a node of the group holds in whatever role: its promises, its log, and its ways out.

Invariants, on every node and after every event:

1. term and commit never fall, a vote is never changed within a term (paper section 5.2)
2. log.offset <= snapshot.last_index <= applied <= applying <= commit <= log.last, and nothing is applied that is not on
   this disk. Only while a snapshot is installed is `applied` that of the state before.
3. an entry up to `commit` is never replaced

Which role it has is for `roles` to say, and who takes which step for `core`, `leader` and `follower`.
"""

from collections.abc import Sequence
from random import Random

from replication.raft.configuration import Configuration
from replication.raft.configurations import Configurations
from replication.raft.log import CONFIGURATION, DATA, Entry, Log
from replication.raft.messages import Message, Snapshot
from replication.raft.options import Options
from replication.raft.ready import Apply, ChunkWish, Piece, Saved, Send, Write
from replication.raft.writes import Writes

NEVER = float("-inf")


class State:
    __slots__ = (
        "_install",
        "_installing",
        "_promise",
        "_promise_made",
        "applied",
        "applying",
        "commit",
        "configurations",
        "heard",
        "leader",
        "log",
        "name",
        "now",
        "options",
        "out",
        "pieces",
        "random",
        "snapshot",
        "term",
        "vote",
        "wishes",
        "writes",
    )  # fmt: skip

    def __init__(self, name: str, saved: Saved, options: Options, random: Random, now: float) -> None:
        self.name, self.options, self.random, self.now = name, options, random, now
        self.term, self.vote = saved.term, saved.vote
        self.leader = ""
        # A node that was just restarted may have answered a leader that counts on it to vote for nobody for a while.
        self.heard = now if options.lease_reads else NEVER
        self.snapshot = saved.snapshot
        self.log = Log(saved.offset, saved.offset_term, saved.entries)
        self.configurations = Configurations(saved.snapshot.last_index, saved.snapshot.configuration)
        for index in range(saved.snapshot.last_index + 1, self.log.last + 1):
            if (entry := self.log.entry(index)).kind == CONFIGURATION:
                self.configurations.append(index, Configuration.from_bytes(entry.data))
        # What was applied had been committed; what else was, the leader will say.
        self.commit = self.applying = self.applied = saved.applied
        self.writes = Writes()
        self.out: list[Send] = []
        self.wishes: list[ChunkWish] = []
        self.pieces: list[Piece] = []
        self._promise = (self.term, self.vote)  # as the newest write has it
        self._promise_made = 0  # the write that has it
        self._install: Snapshot | None = None  # for the next write
        self._installing = 0  # the write that has it; 0 when it is durable
        self.check_invariants()

    @property
    def configuration(self) -> Configuration:
        return self.configurations.newest

    # ---- ways out

    def send(self, peer: str, message: Message) -> None:
        self.out.append(Send(peer, message))

    def send_when_promised(self, peer: str, message: Message) -> None:
        """Once term and vote are durable."""
        number = self._promise_made if self._promise == (self.term, self.vote) else self.writes.made + 1
        self._send_after(number, peer, message)

    def send_when_written(self, peer: str, message: Message) -> None:
        """Once everything is durable, the log included."""
        self._send_after(self.writes.made + self.has_unwritten, peer, message)

    def _send_after(self, number: int, peer: str, message: Message) -> None:
        if number <= self.writes.done and peer != self.name:
            self.send(peer, message)
        else:
            self.writes.hold(number, peer, message)

    @property
    def has_unwritten(self) -> bool:
        log = self.log
        return log.handed < log.last or self._promise != (self.term, self.vote) or self._install is not None

    def next_write(self) -> Write | None:
        """Everything that no write has yet."""
        if not self.has_unwritten:
            return None
        log = self.log
        first = log.handed + 1
        entries = log.between(first, log.last, log.bytes)
        number = self.writes.add(log.last, self.now)
        if self._promise != (self.term, self.vote):
            self._promise, self._promise_made = (self.term, self.vote), number
        install, self._install = self._install, None
        if install is not None:
            self._installing = number
        log.handed = log.last
        return Write(number, self.term, self.vote, install, first, entries)

    @property
    def is_installing(self) -> bool:
        """Whether a snapshot is on its way to the disk, in place of everything."""
        return self._install is not None or self._installing > 0

    def persisted(self, number: int) -> None:
        """All writes up to that one are durable."""
        self.log.durable = max(self.log.durable, self.writes.report(number))
        if 0 < self._installing <= number:
            self._installing, self.applied = 0, self.applying

    def next_apply(self) -> Apply | None:
        last = min(self.commit, self.log.durable)
        if self.applying != self.applied or last <= self.applied:
            return None
        entries = self.log.between(self.applied + 1, last, self.options.apply_bytes_max)
        self.applying = self.applied + len(entries)
        return Apply(self.applied + 1, entries)

    # ---- changes

    def enter_term(self, term: int, vote: str = "") -> None:
        assert term > self.term
        self.term, self.vote, self.leader = term, vote, ""

    def append(self, entry: Entry) -> int:
        self.log.append((entry,))
        if entry.kind == CONFIGURATION:
            self.configurations.append(self.log.last, Configuration.from_bytes(entry.data))
        return self.log.last

    def append_data(self, data: Sequence[bytes]) -> int:
        term = self.term
        self.log.append([Entry(term, DATA, each) for each in data])
        return self.log.last

    def replace(self, previous: int, entries: tuple[Entry, ...]) -> None:
        """Have the log hold these entries after `previous`, dropping what conflicts with one, and nothing else."""
        log = self.log
        first = log.conflict(previous, entries)
        new = entries[first - previous - 1 :]
        if not new:
            return  # a tail that is longer than this message is not in conflict with it
        assert first > self.commit, "what is committed never changes"
        if first <= log.last:
            log.truncate(first)
            self.writes.truncate(first)
            self.configurations.truncate(first)
        log.append(new)
        for index, entry in enumerate(new, first):
            if entry.kind == CONFIGURATION:
                self.configurations.append(index, Configuration.from_bytes(entry.data))

    def commit_to(self, index: int) -> None:
        assert index <= self.log.last
        self.commit = max(self.commit, index)

    def install(self, snapshot: Snapshot) -> None:
        """The snapshot in place of the log; nothing is being applied."""
        assert snapshot.last_index > self.commit and self.applying == self.applied
        self.log.reset(snapshot.last_index, snapshot.last_term)
        self.writes.truncate(snapshot.last_index + 1)
        self.configurations.reset(snapshot.last_index, snapshot.configuration)
        self.snapshot = self._install = snapshot
        self.commit = self.applying = snapshot.last_index  # applied once it is on disk

    def snapshot_taken(self, index: int, id: bytes) -> Snapshot | None:
        """The state after applying up to `index` has been kept under that name. None if there is one as new."""
        if index <= self.snapshot.last_index:
            return None
        assert index <= self.applied
        self.snapshot = Snapshot(index, self.log.term(index), self.configurations.at(index), id)
        return self.snapshot

    def compact(self, index: int) -> bool:
        """Drop entries up to there, as far as a snapshot stands for them. Whether there were any."""
        index = min(index, self.snapshot.last_index)
        if index <= self.log.offset or self.is_installing:
            return False
        self.log.compact(index)
        self.configurations.compact(index)
        return True

    def check_invariants(self) -> None:
        log = self.log
        log.check_invariants()
        assert log.offset <= self.snapshot.last_index <= self.applying <= self.commit <= log.last
        assert self.applied <= self.applying <= log.durable
        assert self.snapshot.last_index <= self.applied or self.snapshot.last_index == self.applying
        assert self.configurations.newest_index <= log.last
        self.configuration.check_invariants()
