"""The store on disk: SQLite, one writing connection, one transaction for each flush.

A commit is durable once the write-ahead log is synced. SQLite would do so before it returns
(`synchronous=FULL`); with NORMAL it leaves that to us, so that the thread that writes can go on meanwhile
(`begin`, `end`), and syncs by itself what order in a checkpoint takes. The connection that writes belongs
to that one thread; agents that come back to memory are read through a second, read-only
connection, so that they never wait behind an fsync.

The database is made under another name and renamed when it is whole: it is there completely or not
at all. How the rows lie is in `layout`, how damage is found in `verify`, how the lost end of the log
is found in `mark`.
"""

import os
import sqlite3
import threading
from array import array
from collections.abc import Iterator
from contextlib import suppress
from errno import EIO
from pathlib import Path

from replication.errors import Closed, CorruptStore, StoreError
from replication.identity import Identity, succeed
from replication.storage import Batch, Loaded, Operation, Record
from replication.storage.buckets import BUCKETS, bucket_key, key_of, sums_of
from replication.storage.directory import Directory
from replication.storage.journal import Journal, Moves, merged
from replication.storage.layout import (
    APPLICATION_ID,
    COMMIT,
    JOURNAL,
    NOTE,
    OPERATION,
    PAGE_BYTES,
    PART,
    RECORD,
    SCHEMA,
    Commit,
)
from replication.storage.mark import CommitMark
from replication.storage.rows import (
    AGENTS_PER_READ_MAX,
    AGENTS_PER_READ_MIN,
    Bulk,
    Removal,
    agent_rows,
    heads_page,
    newest_digest,
    remove_all,
)
from replication.storage.verify import assembled, check_header, connect, translated, verify_through
from replication.storage.wal import LogIndex

# What `open(durability=)` accepts, and what survives: with "fsync" everything acknowledged, whatever
# dies; with "os" everything if the process dies, and all but the last seconds if the machine does.
# Batches with records are synced in either case.
DURABILITY = ("fsync", "os")
# Milliseconds that folding the log into the file waits for those who are reading.
_FOLDING_WAIT_MS = 20


class SQLiteStorage:
    """Fills the Storage port with a directory. Raises StoreError and CorruptStore, never sqlite3's own."""

    def __init__(
        self,
        path: str | os.PathLike[str] | Directory,
        name: str | None,
        token: str,
        durability: str,
        checkpoint_bytes: int,
        journal_bytes: int,
    ) -> None:
        self._directory = path if isinstance(path, Directory) else Directory(path)
        self.path = str(self._directory.path)
        self._database = self._directory.database
        self._log = f"{self._database}-wal"
        self._checkpoint_bytes = self._fold_at = checkpoint_bytes
        self._journal_bytes = journal_bytes
        self._journal = Journal()
        self._every_commit_is_synced = True
        self._writes_since_look = self._bytes_since_look = 0
        self._mark: CommitMark | None = None
        self._index: LogIndex | None = None
        self._file: int | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._reader_lock = threading.Lock()
        try:
            self._open(name, token, durability)
        except BaseException:
            self._release()
            raise

    def _open(self, name: str | None, token: str, durability: str) -> None:
        try:
            self._mark = CommitMark(self._directory.mark)
            promised = self._mark.read()
            if not Path(self._database).exists():
                self._create(promised)
            check_header(self._database, promised is not None)
            with translated(self._database):
                self._reader = connect(self._database, read_only=True)
            contents = verify_through(self._reader, self._database, promised)
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be used: {error}. Give this user the right to read and write it", path=self.path
            ) from error
        self._commit = contents.commit
        self._synced = contents.commit.synced
        self._operations = contents.operations
        self._notes = contents.notes
        self._records = contents.records
        self._agent_count = contents.agents
        self._sums: array[int] | None = contents.sums
        self._journal = contents.journal
        stored = contents.commit.identity if contents.commit.identity.incarnation else None
        self.identity = succeed(stored, name, self._mark.place(), token, os.urandom(8).hex())
        with translated(self._database):
            self._writer = connect(self._database, read_only=False)
            for setting in ("synchronous=NORMAL", "wal_autocheckpoint=0", "fullfsync=ON"):
                self._writer.execute(f"PRAGMA {setting}")
        self._commit = self._commit._replace(identity=self.identity)
        self._index = LogIndex(f"{self._database}-shm")
        self.write(Batch())  # synced whatever `durability` says: nobody may open as this one again
        self._sync_mark()  # so that no power cut leaves commits and no mark, which is refused
        self._every_commit_is_synced = durability == "fsync"

    def _create(self, promised: int | None) -> None:
        """Make an empty database, whole before it has its name."""
        if promised or Path(self._log).exists():
            raise CorruptStore(
                f"{self._database} is missing, and {promised or 'some'} commits were promised: "
                "restore it from a backup, or give another directory",
                path=self._database,
            )
        unfinished = f"{self._database}.new"
        Path(unfinished).unlink(missing_ok=True)
        with translated(unfinished):
            connection = sqlite3.connect(unfinished, isolation_level=None)
            try:
                connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("BEGIN")
                for statement in SCHEMA:
                    connection.execute(statement)
                nobody = Commit(0, 0, 0, Identity("", 0, "", "", False))
                rows = Bulk()
                rows.add(COMMIT, "", 0, nobody.encode())
                rows.run(connection)
                connection.execute("COMMIT")
            finally:
                connection.close()  # folds the log into the file and syncs it
        Path(unfinished).rename(self._database)
        self._directory.sync()

    def load(self, agent_id: str) -> Loaded:
        waiting = self._journal.parts(agent_id)  # read before the rows they may be moved into
        with self._reader_lock, translated(self._database):
            rows = list(agent_rows(self._open_reader(), agent_id))
        return assembled(self._database, agent_id, rows, waiting)

    def agents(self) -> Iterator[str]:
        for agent_id, _ in self.heads():
            yield agent_id

    def digest(self, agent_id: str) -> bytes:
        waiting = self._journal.digest(agent_id)
        if waiting:
            return waiting
        with self._reader_lock, translated(self._database):
            return newest_digest(self._open_reader(), agent_id)

    def heads(self, first: int = 0, beyond: int = BUCKETS) -> Iterator[tuple[str, bytes]]:
        after: str | None = bucket_key(first)
        below = bucket_key(beyond)
        count = AGENTS_PER_READ_MIN
        while after is not None:
            waiting = self._journal.heads(after, below)  # read before the rows they may be moved into
            with self._reader_lock, translated(self._database):
                page = heads_page(self._open_reader(), after, below, count)
            heads, after = merged(page, waiting, count)
            for head in heads:
                yield head.agent_id, head.digest
            count = min(4 * count, AGENTS_PER_READ_MAX)

    def sums(self) -> "array[int]":
        sums, self._sums = self._sums, None
        return sums_of(self.heads()) if sums is None else sums

    def _open_reader(self) -> sqlite3.Connection:
        """The connection for reading, to one thread at a time: for who holds its lock.

        Not a context manager that takes the lock: broken off halfway by a signal's handler, a generator would hold it
        for as long as somebody looks at the exception.
        """
        if self._reader is None:
            raise Closed("the node is closed: open it again to read on")
        return self._reader

    def agent_count(self) -> int:
        return self._agent_count

    def operations(self) -> list[Operation]:
        return self._operations

    def notes(self) -> dict[str, bytes]:
        return dict(self._notes)

    def records(self) -> list[Record]:
        return self._records

    def write(self, batch: Batch) -> None:
        file = self.begin(batch)
        if file is not None:
            self.end(_sync(file))

    def begin(self, batch: Batch) -> int | None:
        self._commit_batch(batch, self._journal_bytes)
        # Others count on what is in a core's records, and on its being there after any crash.
        return self._log_file() if self._every_commit_is_synced or batch.records else None

    def end(self, error: int) -> None:
        assert self._mark is not None
        if error:
            raise StoreError(f"{self._log} cannot be synced: {os.strerror(error)}", path=self._log)
        try:
            self._mark.write(self._commit.number)
        except OSError as failure:
            raise StoreError(f"{self._mark.path} cannot be written: {failure}", path=self._mark.path) from failure
        self._synced = self._commit.number

    def _commit_batch(self, batch: Batch, journal_bytes: int) -> None:
        moves = self._journal.plan(batch.parts, journal_bytes)
        notes = {note.key: note.data for note in batch.notes}  # the last of a key counts
        added, replaced = self._rows_of(batch, moves, notes)
        sums = list(added.sums)
        assert self._writer is not None and self._mark is not None
        with translated(self._database, writing=True):
            # A single statement is a transaction by itself and spares two rounds with the interpreter lock.
            is_several = replaced or added.is_several
            if is_several:
                self._writer.execute("BEGIN IMMEDIATE")
            commit = self._commit.after(sums, replaced.run(self._writer) if replaced else [], self._synced)
            added.add(COMMIT, "", 0, commit.encode())
            added.run(self._writer)
            if is_several:
                self._writer.execute("COMMIT")
        self._commit = commit
        self._journal.done(moves, commit.number)
        for key, data in notes.items():
            if data:
                self._notes[key] = data
            else:
                self._notes.pop(key, None)
        if batch.parts:
            self._sums = None
        self._agent_count += sum(part.number == 0 for part in batch.parts)
        self._writes_since_look += 1
        self._bytes_since_look += sum(len(part.data) for part in batch.parts)
        self._bytes_since_look += sum(len(record.data) for record in batch.records)

    def _log_file(self) -> int:
        """The write-ahead log. Held open, so that the system tells this file of every error there was."""
        if self._file is None:
            try:
                self._file = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise StoreError(f"{self._log} cannot be opened: {error.strerror}", path=self._log) from error
        return self._file

    def _rows_of(self, batch: Batch, moves: Moves, notes: dict[str, bytes]) -> tuple[Bulk, Removal]:
        """The rows that a batch adds and those that it removes."""
        added, replaced = Bulk(), Removal()
        for row in moves.rows:
            added.add(PART, key_of(row.agent_id), row.number, row.data, row.digest)
        for agent_id, below in moves.cuts:
            replaced.add(PART, key_of(agent_id), below)
        if moves.entry:
            added.add(JOURNAL, "", self._commit.number + 1, moves.entry)
        if moves.below:
            replaced.add(JOURNAL, "", moves.below)
        for operation in batch.operations:
            added.add(OPERATION, operation.op_id, operation.number, operation.data)
        for operation in batch.forgotten:
            replaced.add(OPERATION, operation.op_id, operation.number + 1)
        for record in batch.records:
            added.add(RECORD, "", record.number, record.data)
        if batch.records_below:
            replaced.add(RECORD, "", batch.records_below)
        for name, data in notes.items():
            if data:
                added.add(NOTE, name, 0, data)
            if name in self._notes:
                replaced.add(NOTE, name, 1)
        return added, replaced

    def clear(self) -> None:
        """Forget everything but who writes, durably and all at once: another store holds it."""
        assert self._writer is not None and self._mark is not None
        # Its writer's counts are forgotten, too: nobody may go on under that name.
        identity = self.identity._replace(clean=False)
        commit = self._commit._replace(number=self._commit.number + 1, rows=0, sum=0, identity=identity)
        record = Bulk()
        record.add(COMMIT, "", 0, commit.encode())
        with translated(self._database, writing=True):
            self._writer.execute("BEGIN IMMEDIATE")
            remove_all(self._writer)
            record.run(self._writer)
            self._writer.execute("COMMIT")
        self._commit = commit
        self._journal = Journal()
        self.end(_sync(self._log_file()))
        self._checkpoint()
        self._mark.sync()

    def sync(self) -> None:
        """Make what was written durable, whatever `durability` says. From any thread, while it is open."""
        if not self._every_commit_is_synced:
            os.fsync(self._log_file())

    def rest(self, idle: bool) -> None:
        assert self._index is not None
        if idle or self._writes_since_look >= 4 or self._bytes_since_look >= self._checkpoint_bytes // 4:
            self._writes_since_look = self._bytes_since_look = 0
            if self._index.unfolded_bytes() >= (self._checkpoint_bytes if idle else self._fold_at):
                self._checkpoint()
        if idle:
            self._sync_mark()

    def _sync_mark(self) -> None:
        assert self._mark is not None
        try:
            self._mark.sync()
        except OSError as error:
            raise StoreError(f"{self._mark.path} cannot be synced: {error}", path=self._mark.path) from error

    def _checkpoint(self) -> None:
        """Fold the log into the database file, and give free pages back to the file system."""
        assert self._writer is not None and self._mark is not None and self._index is not None
        with translated(self._database):
            free = self._writer.execute("PRAGMA freelist_count").fetchone()[0]
            pages = self._writer.execute("PRAGMA page_count").fetchone()[0]
            if free > 64 and free * 4 > pages:
                # As a script: Python would end a single statement that returns no rows after its first page.
                self._writer.executescript("PRAGMA incremental_vacuum")
            # Busy is no error: a reader is in the middle of a row, and a later round will do. That reader may be
            # a process that was stopped there, so it is waited for only shortly, and not again at every round.
            usual = self._writer.execute("PRAGMA busy_timeout").fetchone()[0]
            self._writer.execute(f"PRAGMA busy_timeout={_FOLDING_WAIT_MS}")
            # To write over a file takes half as long as to have it grow: the log is cut only if it has grown too large.
            mode = "TRUNCATE" if Path(self._log).stat().st_size > 2 * self._checkpoint_bytes else "RESTART"
            is_busy = self._writer.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
            self._writer.execute(f"PRAGMA busy_timeout={usual}")
        self._fold_at = self._checkpoint_bytes + (self._index.unfolded_bytes() if is_busy else 0)
        self._mark.write(self._commit.number)
        self._synced = self._commit.number

    def bytes_on_disk(self) -> int:
        return sum(path.stat().st_size for path in (Path(self._database), Path(self._log)) if path.exists())

    def close(self, clean: bool) -> None:
        try:
            if clean:
                self._commit = self._commit._replace(identity=self.identity._replace(clean=True))
                self._commit_batch(Batch(), 0)
                self._checkpoint()
                assert self._mark is not None
                self._mark.sync()
        finally:
            self._release()

    def _release(self) -> None:
        with self._reader_lock:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    with suppress(sqlite3.Error):
                        connection.close()
            self._reader = self._writer = None
        for each in (self._mark, self._index):
            if each is not None:
                each.close()
        if self._file is not None:
            os.close(self._file)
        self._mark = self._index = self._file = None
        self._directory.release()


def _sync(file: int) -> int:
    """Sync a file; the errno that it ended with, or 0."""
    try:
        os.fsync(file)
    except OSError as error:
        return error.errno or EIO
    return 0
