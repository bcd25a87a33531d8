"""A snapshot that is coming in, piece by piece (paper section 7; dissertation section 5).

Pieces come in order, one at a time, each acknowledged; a leader that sends one again is told where to go on. Another
snapshot replaces one that is not complete, and so does the same from another leader, or from one that was restarted: it
is as good, but its bytes are others, since each makes them of the states that it has. Holds no bytes, only how far it
is.
"""

from replication.raft.messages import Snapshot, SnapshotChunk
from replication.raft.ready import Piece


class Incoming:
    __slots__ = ("complete", "offset", "snapshot", "term")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.snapshot: Snapshot | None = None
        self.offset = self.term = 0
        self.complete = False

    def take(self, message: SnapshotChunk) -> Piece | None:
        """The piece to keep, if the message has the one that is next."""
        assert not self.complete
        if self.snapshot != message.snapshot or self.term != message.term:
            self.snapshot, self.term, self.offset = message.snapshot, message.term, 0
        if message.offset != self.offset:
            return None
        self.offset += len(message.data)
        self.complete = message.last
        return Piece(message.snapshot, message.offset, message.data)
