"""The log as it lies on disk: records in order, and what a node starts with after reading them.

A record is what one write of the core gave the disk, what a snapshot of this node's own stands for, or which operations
this node is about to put to the group. They are added at the end and removed from the front only; what an entry
replaces is told by the order in which they are read. A record is needed while it has the newest term and vote, the
newest base, an entry that is in the log, or an operation without a verdict; those are told again when it goes.

Pure: records in and out.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, cast

import msgpack

from replication.message_fields import MessageError, check_of_class
from replication.raft.configuration import Configuration
from replication.raft.log import Entry
from replication.raft.messages import Snapshot
from replication.raft.ready import Saved, Write
from replication.storage import Record


class Written(NamedTuple):
    """`raft.ready.Write`, without its number. `installed` holds no snapshot or one, with the state of the machine."""

    term: int
    vote: str
    installed: "tuple[Base, ...]"
    first: int
    entries: tuple[Entry, ...]


class Base(NamedTuple):
    """A snapshot and the machine's state at its index; entries up to `offset` are not needed any more."""

    snapshot: Snapshot
    machine: bytes
    offset: int
    offset_term: int


class Asked(NamedTuple):
    """Operations that this node puts to the group, and may not have in its log before others have them in theirs."""

    op_ids: tuple[str, ...]


_CHECKS = {b"w": check_of_class(Written), b"b": check_of_class(Base), b"a": check_of_class(Asked)}


class Start(NamedTuple):
    """What a node starts with.

    machine  the state at `saved.snapshot`, b"" for the first
    asked    the operations that earlier lives of this node put to the group, some of which have their verdicts
    """

    saved: Saved
    machine: bytes
    asked: frozenset[str] = frozenset()


class RecordLog:
    """Numbers the records of one node, and says which may go."""

    def __init__(self, next_number: int, ends: Iterable[tuple[int, int]] = (), is_new: bool = True) -> None:
        self._next = next_number
        self.is_new = is_new  # there is no record yet but of what was asked
        # For each record that is kept, up to which index it has entries; 0 for none.
        self._ends: deque[tuple[int, int]] = deque(ends)

    def write(self, write: Write, base: Base | None) -> Record:
        """The record for a write; `base` belongs to a snapshot in it."""
        installed = () if base is None else (base,)
        written = Written(write.term, write.vote, installed, write.first, write.entries)
        self.is_new = False
        return self._add(b"w", written, write.first + len(write.entries) - 1 if write.entries else 0)

    def base(self, base: Base, term: int, vote: str, asked: Iterable[str] = ()) -> list[Record]:
        """Records for a snapshot of the own state, with all else that is in older ones, so that these may go."""
        self.is_new = False
        return [self._add(b"b", base, 0), self._add(b"w", Written(term, vote, (), 1, ()), 0), self.asked(asked)]

    def asked(self, op_ids: Iterable[str]) -> Record:
        """The record for operations that are about to be put to the group."""
        return self._add(b"a", Asked(tuple(op_ids)), 0)

    def trim(self, offset: int) -> int:
        """The number below which records may go once those are durable that `base` returned: the last three stay."""
        while len(self._ends) > 3 and self._ends[0][1] <= offset:
            self._ends.popleft()
        return self._ends[0][0]

    def _add(self, kind: bytes, fields: Written | Base | Asked, end: int) -> Record:
        record = Record(self._next, kind + msgpack.packb(fields))
        self._next += 1
        self._ends.append((record.number, end))
        return record


def read(records: Iterable[Record], configuration: Configuration) -> tuple[Start, RecordLog]:
    """What these records come to; of a node that has none, which members it is to begin with.

    MessageError if they are not what a `RecordLog` made.
    """
    term, vote = 0, ""
    base = Base(Snapshot(0, 0, configuration, b""), b"", 0, 0)
    entries: dict[int, Entry] = {}
    ends: list[tuple[int, int]] = []
    asked: set[str] = set()
    number, is_new = 0, True
    for number, data in records:
        if ends and number != ends[-1][0] + 1:
            raise MessageError(f"record {number} comes after record {ends[-1][0]}")
        fields = _unpacked(data)
        is_new = is_new and isinstance(fields, Asked)
        if isinstance(fields, Asked):
            asked.update(fields.op_ids)
            end = 0
        elif isinstance(fields, Base):
            base, end = fields, 0
        else:
            term, vote = fields.term, fields.vote
            if fields.installed:
                (base,), entries = fields.installed, {}
            for index in range(fields.first, max(entries, default=0) + 1) if fields.entries else ():
                entries.pop(index, None)
            entries.update(enumerate(fields.entries, fields.first))
            end = fields.first + len(fields.entries) - 1 if fields.entries else 0
        ends.append((number, end))
    kept = tuple(entries[index] for index in sorted(entries) if index > base.offset)
    if any(index not in entries for index in range(base.offset + 1, base.offset + len(kept) + 1)):
        raise MessageError("the log lacks an entry")
    saved = Saved(term, vote, base.snapshot, base.offset, base.offset_term, kept, base.snapshot.last_index)
    return Start(saved, base.machine, frozenset(asked)), RecordLog(number + 1, ends, is_new)


def _unpacked(data: bytes) -> Written | Base | Asked:
    check = _CHECKS.get(data[:1])
    if check is None:
        raise MessageError(f"a record that begins with {data[:1]!r}")
    try:
        fields = msgpack.unpackb(data[1:], use_list=False)
    except Exception as error:  # msgpack documents no common root of what it raises
        raise MessageError(f"a record is not msgpack: {error}") from None
    return cast("Written | Base | Asked", check(fields))
