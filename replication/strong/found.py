"""The operations in the log that a node finds on its disk, while it cannot tell which of them were committed.

Only a majority can. Until it has, an operation that this node had called committed in an earlier life of its is one
that may be: a weaker mode that served it would apply it a second time.
"""

from collections.abc import Callable

from replication.message_fields import MessageError
from replication.raft.log import DATA
from replication.strong.entries import Piece, Proposal, decode
from replication.strong.journal import Start
from replication.strong.machine import Machine


class Found:
    """Those of the log that a node starts with.

    applied  how far the node's states have what the log brought
    """

    def __init__(self, start: Start, applied: Callable[[], int]) -> None:
        self._last = start.saved.offset + len(start.saved.entries)
        self._start: Start | None = start
        self._applied = applied
        self._op_ids: frozenset[str] | None = None

    def may_be_committed(self, op_id: str) -> bool:
        """Whether an operation of that name has no verdict yet. From any thread. O(log found) the first time."""
        start = self._start
        if start is None:
            return False
        if self._applied() >= self._last:
            self._start = None  # with the entries, which the log may have let go since
            return False
        if self._op_ids is None:
            self._op_ids = _op_ids(start)
        return op_id in self._op_ids


def _op_ids(start: Start) -> frozenset[str]:
    pieces = (Machine.from_bytes(start.machine) if start.machine else Machine()).pieces
    op_ids: set[str] = set()
    for entry in start.saved.entries:
        if entry.kind != DATA:
            continue
        try:
            said = decode(entry.data)
            whole = pieces.take(said) if isinstance(said, Piece) else said
        except MessageError:
            continue  # it comes to nothing on every member
        if isinstance(whole, Proposal):
            op_ids.update(result.op_id for result in whole.results)
    return frozenset(op_ids)
