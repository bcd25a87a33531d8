"""The operations that a node has put to its group, while it cannot tell what became of them.

Only a majority can. One that may be committed, or may be later, is served by no weaker mode, which would apply it a
second time. A node cannot tell of what it finds in its log when it is opened; nor of what an earlier life of its had
put to the group, which others may have in their logs though it is not in this one; nor of what was under way when a
snapshot came in place of the entries that would tell.
"""

from collections.abc import Callable, Iterable, Iterator

from replication.message_fields import MessageError
from replication.raft.log import DATA
from replication.strong.entries import Piece, Proposal, decode
from replication.strong.journal import Start
from replication.strong.machine import Machine


class Undecided:
    """Those of one node.

    applied     how far the node's states have what the log brought
    last_found  the last entry of the log that the node began with
    """

    def __init__(self, start: Start, applied: Callable[[], int]) -> None:
        self.last_found = start.saved.offset + len(start.saved.entries)
        self._start: Start | None = start
        self._applied = applied
        self._in_log: frozenset[str] | None = None
        # By op_id, the number of the attempt that it was in; 0 for those of earlier lives. Replaced, not changed.
        self._asked = dict.fromkeys(start.asked, 0)

    def __contains__(self, op_id: str) -> bool:
        """Whether an operation of that name may be committed. From any thread. O(log found) the first time."""
        return op_id in self._asked or op_id in self._found()

    def __iter__(self) -> Iterator[str]:
        """Those that are in no log here."""
        return iter(self._asked)

    def lose(self, number: int, op_ids: Iterable[str]) -> None:
        """The attempt of that number will have no verdict here."""
        self._asked = self._asked | dict.fromkeys(op_ids, number)

    def decided(self, number: int) -> None:
        """The log has brought the attempt of that number: of those before it nothing comes any more."""
        if self._asked:
            self._asked = {op_id: asked for op_id, asked in self._asked.items() if asked >= number}

    def _found(self) -> frozenset[str]:
        """Those in the log that the node began with, until all of it is applied."""
        start = self._start
        if start is None:
            return frozenset()
        if self._applied() >= self.last_found:
            self._start = self._in_log = None  # with the entries, which the log may have let go since
            return frozenset()
        in_log = self._in_log
        if in_log is None:
            in_log = self._in_log = _op_ids(start)
        return in_log


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
