"""The log of one node is cut: once it has grown, a snapshot of the node's own state takes the place of its front.

A snapshot stands for entries whose changes lie on this disk, since what it says of agents is read from there. So it is
begun at one moment, and taken once everything is on disk that was merged before.

Pure.
"""

from collections.abc import Callable, Iterable
from random import Random

from replication.config import Config
from replication.core import Ready
from replication.raft.core import Raft
from replication.storage import Trim
from replication.strong.journal import Base, RecordLog
from replication.strong.machine import Machine
from replication.strong.snapshots import Snapshots


class Compaction:
    """asked  operations that are to be remembered beside the log
    send   called with what is to be written
    """

    def __init__(
        self,
        raft: Raft,
        snapshots: Snapshots,
        records: RecordLog,
        config: Config,
        random: Random,
        asked: Callable[[], Iterable[str]],
        send: Callable[[Ready], None],
    ) -> None:
        self._raft = raft
        self._snapshots = snapshots
        self._records = records
        self._config = config
        self._random = random
        self._asked = asked
        self._send = send
        # What was merged and is not on disk yet: up to which entry, oldest first.
        self._undurable: dict[int, None] = {}
        self._begun: tuple[int, bytes] | None = None  # the index of a snapshot that waits for that, and the machine

    def merged(self, last: int) -> None:
        """What entries up to that one have brought is being merged, and is not on disk yet."""
        self._undurable[last] = None

    def durable(self, last: int) -> None:
        """It is."""
        self._undurable.pop(last, None)
        self._take()

    def look(self, applied: int, machine: Machine) -> None:
        """Begin if the log has grown enough. `machine` is as of `applied`."""
        raft, limits = self._raft, self._config
        last = raft.snapshot.last_index
        has_grown = applied - last >= limits.log_entries_max or raft.log_bytes_after(last) >= limits.log_bytes_max
        if has_grown and applied > last and self._begun is None:
            self._begun = applied, machine.to_bytes()
            self._take()

    def _take(self) -> None:
        if self._begun is None or any(last <= self._begun[0] for last in self._undurable):
            return
        (index, machine), self._begun = self._begun, None
        raft, limits = self._raft, self._config
        snapshot = raft.snapshot_taken(index, self._random.randbytes(8))
        if snapshot is None:
            return  # another came meanwhile
        self._snapshots.keep(snapshot, machine, raft.snapshots_in_use())
        cut = raft.compact(max(index - limits.log_entries_kept, raft.first_within(index, limits.log_bytes_max)))
        base = Base(snapshot, machine, *(cut or (raft.offset, raft.offset_term)))
        records = self._records.base(base, raft.term, raft.vote, self._asked())
        self._send(Ready(persist=(*records, Trim(self._records.trim(base.offset)))))
