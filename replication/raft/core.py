"""One node of the group: a state machine that is told what happens and says what is to be done.

The shape is that of etcd's RawNode. Whoever acts

    calls    step(peer, message, now), tick(now) at least a few times in each heartbeat interval, propose, read, ...
    takes    ready() after each, or after several, and does what it says (`ready.Ready`)
    reports  persisted(number) when a write is durable, applied(index) when entries have been, chunk_read(...)

and nothing of it waits for anything else: entries are sent while they are written, and applied while others are. The
core reads no clock: `now` is in seconds, never goes back, and may be any clock that no two nodes share; a node whose
ticks come late knows by it that it was away. It is for one thread.

Here is what happens to a node in whatever role, and what it hands out; which role it has, and how it comes to it, is in
`roles`.
"""

from collections.abc import Iterable, Sequence
from math import inf
from random import Random

from replication.raft.configuration import Configuration
from replication.raft.follower import Follower
from replication.raft.messages import (
    KINDS_OF_MESSAGES,
    AppendEntries,
    Heartbeat,
    Message,
    ReadIndexAnswer,
    RequestVote,
    Snapshot,
    SnapshotChunk,
    TimeoutNow,
    Vote,
    check,
)
from replication.raft.options import Options
from replication.raft.progress import Progress
from replication.raft.ready import NOTHING, ChunkWish, Proposed, Ready, Refused, Saved
from replication.raft.roles import FROM_LEADER, Roles


class Raft(Roles):
    """One node. Everything that came of an event is in the next `ready()`."""

    handles: tuple[type[Message], ...] = KINDS_OF_MESSAGES

    def __init__(self, name: str, saved: Saved, options: Options, random: Random, now: float) -> None:
        super().__init__(name, saved, options, random, now)
        self._follower = Follower(self._state)

    # ---- what happens

    def step(self, peer: str, message: Message, now: float) -> None:
        """A message came from `peer`. MessageError if no node would send it; then nothing was done."""
        check(message)
        self._wake(now)
        if message.term != self._state.term and not self._admit(peer, message):
            return
        kind = type(message)
        if kind in FROM_LEADER:
            self._follow(peer)
            if isinstance(message, AppendEntries):
                self._follower.append_entries(peer, message)
            elif isinstance(message, Heartbeat):
                self._follower.heartbeat(peer, message)
            elif isinstance(message, SnapshotChunk):
                self._follower.snapshot_chunk(peer, message)
        elif isinstance(message, RequestVote):
            self._vote_requested(peer, message)
        elif isinstance(message, Vote):
            self._vote_came(peer, message)
        elif isinstance(message, TimeoutNow):
            self._told_to_stand()
        elif isinstance(message, ReadIndexAnswer):
            self._reads.answered(message)
        elif self._leader is not None:
            self._leader.step(peer, message)
            self._retire()

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._wake(now)
        self._ticked = now
        if self._leader is not None:
            self._leader.tick()
            self._retire()
        elif now >= self._deadline:
            self._timed_out()

    def persisted(self, number: int, now: float) -> None:
        """All writes up to that one are durable."""
        self._wake(now)
        self._state.persisted(number)
        self._release()
        if self._leader is not None:
            self._leader.advance()
            self._retire()
        self._follower.install()

    def applied(self, index: int) -> None:
        """All that was handed out up to that index has been applied."""
        state = self._state
        assert state.applied < index <= state.applying and not state.is_installing
        self._is_stirred = True
        state.applied = index
        self._follower.install()

    def chunk_read(self, wish: ChunkWish, data: bytes | None, last: bool, now: float) -> None:
        """What a `ChunkWish` asked for, and whether it is the end; None if that snapshot cannot be read any more."""
        self._wake(now)
        if self._leader is not None:
            self._leader.sending.chunk_read(wish, data, last)

    # ---- what is wished

    def propose(self, data: Sequence[bytes], now: float, peer: str = "") -> Proposed | Refused:
        """Put entries into the log, for a member that waits for them to be committed or for this node.

        Proposed tells where the last of them is. As many as there is room for are put also if it is Refused. ValueError
        if one is more than `entry_bytes_max`; then none is.
        """
        limit, longest = self._state.options.entry_bytes_max, max(map(len, data), default=0)
        if longest > limit:
            raise ValueError(f"an entry of {longest} bytes: it has at most {limit}")
        self._wake(now)
        if self._leader is None:
            return Refused("not leader", self._state.leader)
        if peer:
            self._leader.sending.asked(peer)
        return self._leader.propose(data)

    def change(self, voters: Iterable[str], learners: Iterable[str], now: float) -> Proposed | Refused:
        """Have these members and no others. What is proposed is the joint configuration; the way out of it follows.

        ValueError if no group has such members.
        """
        self._wake(now)
        if self._leader is None:
            return Refused("not leader", self._state.leader)
        return self._leader.change(voters, learners)

    def add_learner(self, name: str, now: float) -> Proposed | Refused:
        old = self.configuration
        return self.change({*old.voters} - {name}, {*old.learners, name}, now)

    def add_voter(self, name: str, now: float) -> Proposed | Refused:
        """Have a learner vote."""
        old = self.configuration
        return self.change({*old.voters, name}, {*old.learners} - {name}, now)

    def remove(self, name: str, now: float) -> Proposed | Refused:
        old = self.configuration
        return self.change({*old.voters} - {name}, {*old.learners} - {name}, now)

    def transfer(self, target: str, now: float) -> Refused | None:
        """Have that voter lead. Given up after an election timeout; until then nothing can be proposed."""
        self._wake(now)
        if self._leader is None:
            return Refused("not leader", self._state.leader)
        return self._leader.transfer(target)

    def read(self, now: float) -> int | Refused:
        """Begin a linearizable read, on any node; its number is in `Ready.reads` once it may be served.

        That may take until there is a leader, or for ever: see `forget_read`.
        """
        self._wake(now)
        if len(self._reads) >= self._state.options.reads_max:
            return Refused("overloaded", self._state.leader)
        read = self._reads.begin()
        if self._leader is not None:
            self._leader.read((read,))
        else:
            self._reads.ask((read,))
        return read

    def forget_read(self, read: int) -> None:
        """Nobody waits for it any more."""
        self._reads.forget(read)

    def snapshot_taken(self, index: int, id: bytes) -> Snapshot | None:
        """The state as of `index`, which has been applied, is kept under a name that no other snapshot has.

        What is returned is to be saved with it, before the log is compacted; None if one as new has come meanwhile.
        """
        return self._state.snapshot_taken(index, id)

    def compact(self, index: int) -> tuple[int, int] | None:
        """Forget entries up to `index`, as far as a snapshot stands for them.

        Returns up to where that was done and the term there, the new `Saved.offset` and `Saved.offset_term`; None if
        nothing was. Entries that a follower may still ask for are worth keeping; those that one will that is being
        sent a snapshot are kept.
        """
        if self._leader is not None:
            index = self._leader.sending.compactable(index)
        self._is_stirred = True  # who lacks what goes is to be sent a snapshot
        if self._state.compact(index):
            return self._state.log.offset, self._state.log.offset_term
        return None

    # ---- what is to be done

    def ready(self) -> Ready:
        """Everything that is to be done now, each thing once. O(1) when nothing has happened since the last time."""
        if not self._is_stirred:
            return NOTHING
        self._is_stirred = False
        state = self._state
        if self._leader is not None:
            self._leader.flush()
        else:
            self._reads.send()
        write = state.next_write()
        self._release()
        pieces, sends, wishes = state.pieces, state.out, state.wishes
        reads, apply = self._reads.take_served(), state.next_apply()
        if not (pieces or write or sends or wishes or apply or reads):
            return NOTHING
        state.pieces, state.out, state.wishes = [], [], []
        return Ready(tuple(pieces), write, tuple(sends), tuple(wishes), apply, reads)

    # ---- to look at

    @property
    def news_due(self) -> float:
        """When `ready` has something to send though nothing has happened; infinite if that will not be."""
        return self._leader.sending.news_due if self._leader is not None else inf

    @property
    def term(self) -> int:
        return self._state.term

    @property
    def leader(self) -> str:
        """Who leads in this term, "" if that is not known."""
        return self._state.leader

    @property
    def configuration(self) -> Configuration:
        return self._state.configuration

    @property
    def commit(self) -> int:
        return self._state.commit

    @property
    def last(self) -> int:
        """The index of the last entry in the log."""
        return self._state.log.last

    @property
    def vote(self) -> str:
        return self._state.vote

    def log_bytes_after(self, index: int) -> int:
        """Of the entries beyond that index, which is in the log or its offset."""
        return self._state.log.bytes_after(index)

    def first_within(self, index: int, size: int) -> int:
        """The lowest index after which entries up to `index` come to no more than so many bytes."""
        return self._state.log.first_within(index, size)

    @property
    def offset(self) -> int:
        """Entries up to here are gone; the last of them was of `offset_term`."""
        return self._state.log.offset

    @property
    def offset_term(self) -> int:
        return self._state.log.offset_term

    @property
    def snapshot(self) -> Snapshot:
        """The newest. One that is being sent may be older: see `snapshots_in_use`."""
        return self._state.snapshot

    def snapshots_in_use(self) -> set[bytes]:
        """The names of snapshots that `ChunkWish`es may still ask for."""
        sent = [progress.snapshot for progress in self.progress().values()]
        return {snapshot.id for snapshot in [self._state.snapshot, *sent] if snapshot is not None}

    def progress(self) -> dict[str, Progress]:
        """How far the others are, on a leader; to be looked at only."""
        return self._leader.sending.progress if self._leader is not None else {}

    def check_invariants(self) -> None:
        self._state.check_invariants()
        for progress in self.progress().values():
            progress.check_invariants()
            assert progress.match <= self._state.log.last
