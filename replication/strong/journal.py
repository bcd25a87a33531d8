"""The log as it lies on disk: records in order, and what a node starts with after reading them.

A record is what one write of the core gave the disk, or what a snapshot of this node's own stands for. They are added
at the end and removed from the front only; what an entry replaces is told by the order in which they are read. A record
is needed while it has the newest term and vote, the newest base, or an entry that is in the log.

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


_CHECKS = {b"w": check_of_class(Written), b"b": check_of_class(Base)}


class Start(NamedTuple):
    """What a node starts with; `machine` is the state at `saved.snapshot`, b"" for the first."""

    saved: Saved
    machine: bytes


class RecordLog:
    """Numbers the records of one node, and says which may go."""

    @property
    def is_new(self) -> bool:
        """Whether there is no record yet."""
        return self._next == 1

    def __init__(self, next_number: int, ends: Iterable[tuple[int, int]] = ()) -> None:
        self._next = next_number
        # For each record that is kept, up to which index it has entries; 0 for none.
        self._ends: deque[tuple[int, int]] = deque(ends)

    def write(self, write: Write, base: Base | None) -> Record:
        """The record for a write; `base` belongs to a snapshot in it."""
        installed = () if base is None else (base,)
        written = Written(write.term, write.vote, installed, write.first, write.entries)
        return self._add(b"w", written, write.first + len(write.entries) - 1 if write.entries else 0)

    def base(self, base: Base, term: int, vote: str) -> list[Record]:
        """Records for a snapshot of the own state. With the term and vote, so that older records may go."""
        return [self._add(b"b", base, 0), self._add(b"w", Written(term, vote, (), 1, ()), 0)]

    def trim(self, offset: int) -> int:
        """The number below which records may go once those are durable that `base` returned: the last two stay."""
        while len(self._ends) > 2 and self._ends[0][1] <= offset:
            self._ends.popleft()
        return self._ends[0][0]

    def _add(self, kind: bytes, fields: Written | Base, end: int) -> Record:
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
    number = 0
    for number, data in records:
        if ends and number != ends[-1][0] + 1:
            raise MessageError(f"record {number} comes after record {ends[-1][0]}")
        fields = _unpacked(data)
        if isinstance(fields, Base):
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
    return Start(saved, base.machine), RecordLog(number + 1, ends)


def _unpacked(data: bytes) -> Written | Base:
    check = _CHECKS.get(data[:1])
    if check is None:
        raise MessageError(f"a record that begins with {data[:1]!r}")
    try:
        fields = msgpack.unpackb(data[1:], use_list=False)
    except Exception as error:  # msgpack documents no common root of what it raises
        raise MessageError(f"a record is not msgpack: {error}") from None
    return cast("Written | Base", check(fields))
