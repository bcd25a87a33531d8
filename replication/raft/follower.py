"""What a node does that is led: it has its log follow the leader's, and installs what the leader's no longer holds.

Messages get here only from the leader of the current term. Who that is, and when to stop waiting for it, `roles` sees.
"""

from replication.raft.messages import (
    Appended,
    AppendEntries,
    Heartbeat,
    HeartbeatAnswer,
    Snapshot,
    SnapshotChunk,
    SnapshotReceived,
)
from replication.raft.snapshots import Incoming
from replication.raft.state import State


class Follower:
    def __init__(self, state: State) -> None:
        self._state = state
        self._incoming = Incoming()

    def append_entries(self, leader: str, message: AppendEntries) -> None:
        """Paper section 5.3, and figure 2: AppendEntries RPC."""
        state, log = self._state, self._state.log
        _, previous, previous_term, commit, entries = message
        end = previous + len(entries)
        if previous < state.commit:
            # What is committed here is the same at every leader: only what lies beyond it is to be looked at. It may
            # have been compacted too, which is no conflict.
            entries = entries[state.commit - previous :]
            previous, previous_term = state.commit, log.term(state.commit)
        if log.term(previous) != previous_term:
            hint = log.last_of_term(min(previous, log.last), previous_term)
            refusal = Appended(state.term, previous, True, hint, max(log.term(hint), 0))
            state.send_when_promised(leader, refusal)
            return
        state.replace(previous, entries)
        # Only up to the last entry that this message has shown to be the leader's: what may follow here is not.
        verified = max(end, state.commit)
        state.commit_to(min(commit, verified))
        state.send_when_written(leader, Appended(state.term, verified, False, 0, 0))

    def heartbeat(self, leader: str, message: Heartbeat) -> None:
        """The commit index in it is one that this log has been seen to match."""
        state = self._state
        if message.commit <= state.log.last:
            state.commit_to(message.commit)
        state.send_when_promised(leader, HeartbeatAnswer(state.term, message.round))

    def snapshot_chunk(self, leader: str, message: SnapshotChunk) -> None:
        state, incoming = self._state, self._incoming
        if self._caught_up(message.snapshot):
            # Its entries are here, and perhaps more that were acknowledged: nothing of them is given up.
            state.commit_to(message.snapshot.last_index)
            state.send_when_written(leader, Appended(state.term, message.snapshot.last_index, False, 0, 0))
            return
        if incoming.complete or state.is_installing:
            return  # there is room for one
        piece = incoming.take(message)
        if piece is not None:
            state.pieces.append(piece)
        if incoming.complete:
            self.install()
        else:
            state.send_when_promised(leader, SnapshotReceived(state.term, message.snapshot.id, incoming.offset))

    def _caught_up(self, snapshot: Snapshot) -> bool:
        state = self._state
        return snapshot.last_index <= state.commit or state.log.term(snapshot.last_index) == snapshot.last_term

    def install(self) -> None:
        """Install what is complete, unless something is being applied just now; called again when that is done."""
        state, snapshot = self._state, self._incoming.snapshot
        if not self._incoming.complete or state.applying != state.applied:
            return
        assert snapshot is not None
        self._incoming.clear()
        if self._caught_up(snapshot):  # while it was waiting
            state.commit_to(snapshot.last_index)
        else:
            state.install(snapshot)
        if state.leader not in ("", state.name):
            state.send_when_written(state.leader, Appended(state.term, snapshot.last_index, False, 0, 0))
