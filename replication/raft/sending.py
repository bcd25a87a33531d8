"""A leader's way of having the others follow its log: who lacks what, and what is sent next.

Entries go ahead of answers, and ahead of the leader's own disk (dissertation section 10.2.1). What is lost on the way
is noticed when a later message is refused; a heartbeat's answer sees to it that there is a later one.
"""

from math import inf

from replication.raft.log import Entry
from replication.raft.messages import Appended, AppendEntries, Heartbeat, SnapshotChunk, SnapshotReceived
from replication.raft.progress import PROBE, REPLICATE, SNAPSHOT, Progress
from replication.raft.ready import ChunkWish
from replication.raft.state import State


class Sending:
    def __init__(self, state: State) -> None:
        self._state = state
        self.progress: dict[str, Progress] = {}
        self.news_due = inf  # when somebody is to be told what is committed, whatever happens
        self.adjust()

    def adjust(self) -> None:
        """To the members by the configuration in force: a new one is probed, one that was removed is sent nothing."""
        state, old = self._state, self.progress
        self.progress = {
            peer: old.get(peer) or Progress(state.log.last + 1, state.now)
            for peer in state.configuration.members
            if peer != state.name
        }

    def flush(self) -> None:
        """Send what there is to be sent, and room for."""
        last, commit = self._state.log.last, self._state.commit
        news_due = inf
        for peer, progress in self.progress.items():
            if progress.next > last and progress.told >= commit:
                continue  # it has been sent all there is, and then nothing is put off
            if self._is_due(progress, last, commit):
                while self.send_entries(peer, progress):
                    pass
            if progress.news_due < news_due:
                news_due = progress.news_due
        self.news_due = news_due

    def _is_due(self, progress: Progress, last: int, commit: int) -> bool:
        """What is committed is told with the next entries, if they come soon: a message of its own costs as much."""
        now = self._state.now
        if progress.next <= last or progress.waiting or progress.state == SNAPSHOT:
            progress.news_due = inf  # it is told with what it lacks, once that may be sent
            return progress.next <= last
        if progress.told >= commit or now < progress.waits_until:
            return progress.told < commit
        progress.news_due = min(progress.news_due, now + self._state.options.news_delay)
        return now >= progress.news_due

    def asked(self, peer: str) -> None:
        """It waits for what is committed, and is likely to do so again."""
        progress = self.progress.get(peer)
        if progress is not None:
            progress.waits_until = self._state.now + self._state.options.heartbeat_interval

    def send_entries(self, peer: str, progress: Progress, always: bool = False) -> bool:
        """The next message, without entries if only the commit index is news; empty if need be, if `always`.

        Whether there may be another one to send.
        """
        if progress.state == SNAPSHOT or progress.waiting:
            return False
        state, options = self._state, self._state.options
        log, previous = state.log, progress.next - 1
        if previous < log.offset:
            return self._send_snapshot(peer, progress)
        if progress.is_full(options.inflight_messages_max, options.inflight_bytes_max):
            entries: tuple[Entry, ...] = ()
        else:
            entries = log.between(progress.next, log.last, options.append_bytes_max)
        if not entries and progress.told >= state.commit and not always:
            return False
        message = AppendEntries(state.term, previous, log.term(previous), state.commit, entries)
        state.send(peer, message)
        progress.told, progress.news_due = state.commit, inf
        progress.waiting = progress.state == PROBE
        if not entries:
            return False
        end = previous + len(entries)
        progress.sent(end, log.bytes_after(previous) - log.bytes_after(end))
        return end < log.last

    def heartbeat(self, round: int) -> None:
        """To everybody. Nobody is told of a commit beyond what its log is known to have."""
        state = self._state
        for peer, progress in self.progress.items():
            state.send(peer, Heartbeat(state.term, min(progress.match, state.commit), round))
            if progress.state == SNAPSHOT and state.now - progress.chunk_time > state.options.election_timeout:
                self._wish(peer, progress)

    def heartbeat_answered(self, peer: str, progress: Progress) -> None:
        """It is there: if it lacks anything, what was sent may have been lost, and it is to say so."""
        if progress.match < self._state.log.last or progress.state == PROBE:
            progress.waiting = False
            self.send_entries(peer, progress, always=True)

    def appended(self, progress: Progress, message: Appended) -> bool:
        """Whether it has more than was known."""
        state, log = self._state, self._state.log
        if message.refused:
            if progress.refuse(message.at, log.last_of_term(message.hint_index, message.hint_term)):
                progress.told = 0
            return False
        if message.at > log.last:
            return False  # no answer to what was sent in this term
        news = progress.acknowledge(message.at)
        known_from = log.offset if progress.snapshot is None else min(log.offset, progress.snapshot.last_index)
        if progress.state != REPLICATE and message.at == progress.match >= known_from:
            # Its log is known now: it can be sent what follows, unless that was compacted meanwhile.
            if progress.match >= log.offset:
                progress.replicate()
            else:
                progress.probe()
            progress.told = min(progress.told, progress.match)
        assert progress.match <= state.log.last
        return news

    # ---- snapshots

    def _send_snapshot(self, peer: str, progress: Progress) -> bool:
        """To one that lacks what was compacted; if it is not heard of, when it is."""
        state = self._state
        if state.now - progress.heard <= state.options.election_timeout:
            progress.send_snapshot(state.snapshot, state.now)
            self._wish(peer, progress)
        return False

    def _wish(self, peer: str, progress: Progress) -> None:
        assert progress.snapshot is not None
        progress.chunk_time = self._state.now
        length = self._state.options.snapshot_chunk_bytes
        self._state.wishes.append(ChunkWish(peer, progress.snapshot, progress.chunk_offset, length))

    def chunk_read(self, wish: ChunkWish, data: bytes | None, last: bool) -> None:
        """What was wished for; None if that snapshot is no more, or cannot be read."""
        state, progress = self._state, self.progress.get(wish.peer)
        if progress is None or progress.snapshot != wish.snapshot or progress.chunk_offset != wish.offset:
            return
        if data is None:
            progress.probe()  # whatever it lacks, by then, and perhaps a newer snapshot
            progress.waiting = True
            return
        progress.chunk_time = state.now
        state.send(wish.peer, SnapshotChunk(state.term, wish.snapshot, wish.offset, data, last))

    def snapshot_received(self, peer: str, progress: Progress, message: SnapshotReceived) -> None:
        """Go on from where it is: further, or from the start if it was restarted. The same again is an old answer."""
        snapshot = progress.snapshot
        if snapshot is not None and snapshot.id == message.id and progress.chunk_offset != message.offset:
            progress.chunk_offset = message.offset
            self._wish(peer, progress)

    def compactable(self, index: int) -> int:
        """Up to where the log may be cut, so that those that a snapshot is on its way to can go on from it."""
        patience = self._state.options.election_timeout
        for progress in self.progress.values():
            if progress.snapshot is not None and self._state.now - progress.heard <= patience:
                index = min(index, progress.snapshot.last_index)
        return index

    def is_replicating(self, peer: str) -> bool:
        progress = self.progress.get(peer)
        return progress is not None and progress.state == REPLICATE
