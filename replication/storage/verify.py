"""Reads a whole store before anything is written to it, and refuses one that is damaged.

What is checked, and which damage it finds:

1. the constant fields of the file header                     a flip that changes how pages are read
2. the schema, word by word                                   a flip in the table's definition
3. SQLite's own `quick_check`                                 the page trees and the free list, so that later
                                                              writes land on pages that are really free
4. each row's checksum, and that the keys ascend              a changed row; a row that a search would miss
5. the count and the sum of all rows, in the commit record    a row that vanished
6. the number of the commit record against the commit mark,   commits that vanished with the end of the log
   and against what the end of the log says was synced

The connection is read-only: SQLite would otherwise fold what it believes of the log into the file
and delete the rest, and with it what could still be rescued by hand.
"""

import sqlite3
import struct
from array import array
from collections.abc import Iterable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from replication.errors import CorruptStore, StoreError
from replication.storage import Loaded, Operation, Part, Record
from replication.storage.buckets import KEY_PREFIX, SUM_MASK, add_leaf, bucket_of, leaf_of, no_sums
from replication.storage.journal import Journal, completed, parts_of, unpack
from replication.storage.layout import (
    APPLICATION_ID,
    COMMIT,
    NOTE,
    OPERATION,
    PAGE_BYTES,
    PART,
    RECORD,
    SCHEMA,
    Commit,
    is_whole,
)
from replication.storage.rows import Row, all_rows, journal_rows
from replication.storage.wal import first_bad_frame, synced_commit

_MAGIC = b"SQLite format 3\0"
# Offset, bytes, meaning: the header fields that never change in a store of ours.
_HEADER = (
    (16, struct.pack(">H", PAGE_BYTES), "page size"),
    (18, b"\2\2", "journal mode"),
    (20, b"\0", "reserved bytes"),
    (21, bytes((64, 32, 32)), "payload fractions"),
    (44, struct.pack(">I", 4), "schema format"),
    (56, struct.pack(">I", 1), "text encoding"),
    (64, struct.pack(">I", 1), "incremental vacuum"),
    (72, bytes(20), "reserved space"),
)


# Ends every message about damage.
ADVICE = (
    "Nothing was changed: keep a copy of the directory, then restore a backup of the whole directory, "
    "or re-sync this node from its peers"
)


class Contents(NamedTuple):
    """What a store holds besides its agents' parts, and the sums over its agents (`Storage.sums`)."""

    commit: Commit
    operations: list[Operation]
    notes: dict[str, bytes]
    records: list[Record]
    agents: int
    sums: "array[int]"
    journal: Journal


def verify(database: str, promised: int | None) -> Contents:
    """Read everything; CorruptStore at the first damage, StoreError if it is not a store of ours.

    `promised` is the commit mark, None if the mark is not readable. Takes some microseconds a row.
    """
    check_header(database, promised is not None)
    with translated(database), closing(connect(database, read_only=True)) as connection:
        return verify_through(connection, database, promised)


def verify_through(connection: sqlite3.Connection, database: str, promised: int | None) -> Contents:
    """`verify` after `check_header`, over a connection that stays open.

    As long as any connection is open, in any process, SQLite goes by what the log held for its last writer. Once all
    are closed, the next looks for itself, and finds the commit that a killed writer had put there without being done
    with it. So whoever means to write keeps this connection until it does: else a reader beside it that goes
    in between makes it write on top of a commit that it did not see.
    """
    with translated(database):
        _check_schema(database, connection)
        damage = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
        if damage != ["ok"]:
            raise CorruptStore(f"{database} is damaged: {damage[0]}. {ADVICE}", path=database, offset=_page(damage[0]))
        contents = _read(database, connection)
    _check_mark(database, contents, promised)
    return contents


def connect(database: str, read_only: bool) -> sqlite3.Connection:
    """A connection without Python's own transactions, usable from any thread, one at a time."""
    uri = f"{Path(database).as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        for setting in ("cache_size=-4000", "trusted_schema=OFF", "cell_size_check=ON"):
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


def check_header(database: str, ours: bool) -> None:
    """The first look, before SQLite opens it: closing the file again would take SQLite's locks on it away."""
    with open(database, "rb") as file:
        header = file.read(100)
    if not ours and (header[:16] != _MAGIC or header[68:72] != struct.pack(">I", APPLICATION_ID)):
        raise StoreError(
            f"{database} is not a file of this library, and was not touched: "
            "give another directory, or move the file away if nothing needs it",
            path=database,
        )
    expected = ((0, _MAGIC, "magic"), (68, struct.pack(">I", APPLICATION_ID), "application id"), *_HEADER)
    for offset, value, meaning in expected:
        if header[offset : offset + len(value)] != value:
            raise CorruptStore(
                f"{database} is damaged: the {meaning} at byte {offset} of its header is "
                f"{header[offset : offset + len(value)].hex() or 'cut off'}, not {value.hex()}. {ADVICE}",
                path=database,
                offset=offset,
            )


def _check_schema(database: str, connection: sqlite3.Connection) -> None:
    schema = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    if schema != [("table", name, name, text) for name, text in zip(("record", "aside"), SCHEMA, strict=True)]:
        raise CorruptStore(f"{database} is damaged: its schema reads {schema!r}. {ADVICE}", path=database, offset=100)


def _read(database: str, connection: sqlite3.Connection) -> Contents:
    commit: Commit | None = None
    operations: list[Operation] = []
    notes: dict[str, bytes] = {}
    records: list[Record] = []
    agents = _Agents(Journal())
    read_journal(database, connection, agents.journal)
    rows = total = 0
    last: tuple[int, bytes, int] = (-1, b"", 0)
    for kind, row_id, number, checksum, digest, data in all_rows(connection):
        if not is_whole(kind, row_id, number, checksum, digest, data):
            raise damaged_row(database, row_id, number, data)
        key = (kind, row_id, number)
        if key <= last:
            raise CorruptStore(
                f"{database} is damaged: the row of {row_id!r} is out of order. {ADVICE}",
                path=database,
                offset=locate(database, data),
            )
        last = key
        if kind == COMMIT:
            commit = decode_commit(database, data)
            continue
        rows += 1
        total += checksum
        if kind == PART:
            agents.add(row_id, number, digest)
        elif kind == OPERATION:
            operations.append(Operation(row_id.decode(), number, data))
        elif kind == NOTE:
            notes[row_id.decode()] = data
        elif kind == RECORD:
            records.append(Record(number, data))
    if commit is None:
        raise CorruptStore(f"{database} is damaged: the commit record is missing. {ADVICE}", path=database, offset=100)
    if (rows, total & SUM_MASK) != (commit.rows, commit.sum):
        lost = (
            f"{rows} rows where {commit.rows} were written" if rows != commit.rows else "other rows than were written"
        )
        raise CorruptStore(f"{database} is damaged: it holds {lost}. {ADVICE}", path=database, offset=PAGE_BYTES)
    operations.sort(key=lambda operation: operation.number)
    sums = agents.finish()
    return Contents(commit, operations, notes, records, agents.count, sums, agents.journal)


def decode_commit(database: str, data: bytes) -> Commit:
    """The commit record; StoreError if a newer version wrote it."""
    try:
        return Commit.decode(data)
    except ValueError as error:
        raise StoreError(
            f"{database} was written by a newer version of this library ({error}): open it with that version",
            path=database,
        ) from None


def read_journal(database: str, connection: sqlite3.Connection, journal: Journal, after: int = -1) -> int:
    """Put journal rows above a number into the journal; the number of the last. CorruptStore if one is damaged."""
    for row in journal_rows(connection, after):
        if not is_whole(*row):
            raise damaged_row(database, row[1], row[2], row[5])
        after = row[2]
        journal.add(after, unpack(row[5]))
    return after


class _Agents:
    """Counts and sums the agents whose parts come by in order; the last part of each has its newest digest.

    What the journal holds is newer; it is rid of what rows of agents have.
    """

    def __init__(self, journal: Journal) -> None:
        self.count = 0
        self.journal = journal
        self._sums = no_sums()
        self._key, self._number, self._digest = b"", 0, b""

    def add(self, key: bytes, number: int, digest: bytes) -> None:
        if key != self._key:
            self._sum_up()
        self._key, self._number, self._digest = key, number, digest

    def finish(self) -> "array[int]":
        self._sum_up()
        for agent_id in self.journal.agents():
            self._count(agent_id, self.journal.digest(agent_id))
        return self._sums

    def _sum_up(self) -> None:
        if self._key:
            agent_id = self._key[KEY_PREFIX:].decode()
            self.journal.forget(agent_id, self._number)
            if not self.journal.digest(agent_id):
                self._count(agent_id, self._digest)

    def _count(self, agent_id: str, digest: bytes) -> None:
        self.count += 1
        add_leaf(self._sums, bucket_of(agent_id), leaf_of(agent_id, digest))


def _check_mark(database: str, contents: Contents, promised: int | None) -> None:
    found = contents.commit.number
    if promised is None:
        if found <= 1:  # killed before the first mark was written
            return
        mark = str(Path(database).with_name("mark"))
        raise CorruptStore(
            f"{mark} is damaged or missing, so it cannot be told whether {database} still holds every commit that "
            f"was promised: it holds {found}. {ADVICE}",
            path=mark,
            offset=0,
        )
    log = f"{database}-wal"
    # After a power cut the mark may be older than the log; that something follows what is damaged cannot be.
    promised = max(promised, synced_commit(log))
    if found < promised:
        offset = first_bad_frame(log)
        place, at = (database, 0) if offset is None else (log, offset)
        raise CorruptStore(
            f"{place} is damaged: {promised} commits were promised and {found} can be read"
            + (f"; the log breaks off at byte {offset}" if offset is not None else "")
            + f". {ADVICE}",
            path=place,
            offset=at,
        )


def assembled(database: str, agent_id: str, rows: list[Row], waiting: Iterable[Part]) -> Loaded:
    """An agent from its rows in order and what the journal had of it before they were read.

    CorruptStore if a row is damaged or missing.
    """
    parts: list[bytes] = []
    last = rows[0][2] - 1 if rows else -1
    for kind, row_id, number, checksum, digest, data in rows:
        if not is_whole(kind, row_id, number, checksum, digest, data):
            raise damaged_row(database, row_id, number, data)
        try:
            parts += parts_of(data, number - last)
        except ValueError as error:
            raise _lacks(database, agent_id, last + 1, error) from None
        last = number
    try:
        return completed(Loaded(parts, last + 1, rows[-1][4] if rows else b""), waiting)
    except ValueError as error:
        raise _lacks(database, agent_id, last + 1, error) from None


def _lacks(database: str, agent_id: str, number: int, error: Exception) -> CorruptStore:
    return CorruptStore(
        f"{database} is damaged: agent {agent_id!r} is not whole from its part {number} on ({error}). {ADVICE}",
        path=database,
    )


def damaged_row(database: str, row_id: object, number: object, data: object) -> CorruptStore:
    """The error for a row that does not match its checksum."""
    return CorruptStore(
        f"{database} is damaged: row {number!r} of {row_id!r} does not match its checksum. {ADVICE}",
        path=database,
        offset=locate(database, data),
    )


def locate(database: str, data: object) -> int:
    """Where in the database file these bytes begin; 0 if they lie in the log or in pieces."""
    if not isinstance(data, bytes) or not data:
        return 0
    try:
        return max(0, Path(database).read_bytes().find(data[:64]))
    except OSError:
        return 0


def _page(message: str) -> int:
    """The offset of the page that a message of `quick_check` names."""
    words = message.replace(":", " ").split()
    for word, following in pairwise(words):
        if word.lower() == "page" and following.isdigit():
            return max(0, int(following) - 1) * PAGE_BYTES
    return 0


class translated:
    """Turns what sqlite3 raises into this package's errors; a class because it is used on hot paths."""

    def __init__(self, path: str, writing: bool = False) -> None:
        self._path = path
        self._writing = writing

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # A damaged name in one of SQLite's own messages does not even decode.
        if not isinstance(error, sqlite3.Error | UnicodeDecodeError):
            return
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
        # These come, while reading, from a schema or a row that is not what we wrote.
        strange = code in (0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG)
        if damaged or (strange and not self._writing):
            raise CorruptStore(f"{self._path} is damaged: {error}. {ADVICE}", path=self._path, offset=0) from error
        raise StoreError(
            f"{self._path} cannot be used: {error} ({getattr(error, 'sqlite_errorname', '')}). "
            f"{_HINTS.get(code, 'Check the disk and the rights on the directory')}",
            path=self._path,
        ) from error


_HINTS = {
    sqlite3.SQLITE_FULL: "The disk is full: make room, then open the store again",
    sqlite3.SQLITE_IOERR: "The disk failed or is full: check it and its free space, then open the store again",
    sqlite3.SQLITE_READONLY: "The file or its directory is read-only: give this user the right to write",
    sqlite3.SQLITE_CANTOPEN: "The file or its directory cannot be opened: check the rights on both",
    sqlite3.SQLITE_BUSY: "Another program has it open: close that program",
    sqlite3.SQLITE_TOOBIG: "SQLite takes 1 GB in one piece: split the agent that has grown beyond that",
    sqlite3.SQLITE_NOMEM: "There is no memory left: lower max_agents_in_memory or flush_bytes_max",
}
