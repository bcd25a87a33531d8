"""A store that another process may have open, read beside it.

Every read is a short one: whoever writes the store waits for readers when it folds its log into the
file. So agents are read one by one, each as a whole but not all as of one moment, and rows are checked one
by one, without the sums over all of them: what was read is right, and something may be missing. That
is enough for taking in what is there, and not for taking over.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from replication.errors import CorruptStore
from replication.storage import Loaded, Operation
from replication.storage.buckets import BUCKETS, bucket_key
from replication.storage.journal import Journal, merged
from replication.storage.layout import COMMIT, Commit, is_whole
from replication.storage.rows import AGENTS_PER_READ_MAX, agent_rows, heads_page, operation_rows
from replication.storage.verify import ADVICE, assembled, connect, damaged_row, decode_commit, read_journal, translated


class StoreReader:
    """Another process's store. Raises StoreError and CorruptStore. Used by one thread."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._journal = Journal()
        self._journal_number = -1
        with translated(database):
            self._connection = connect(database, read_only=True)

    def commit(self) -> Commit:
        """The commit record as it is now: whose store it is, and how many rows it has."""
        with translated(self._database):
            found = self._connection.execute("SELECT data FROM record WHERE kind = ?", (COMMIT,)).fetchone()
        if found is None:
            raise CorruptStore(
                f"{self._database} is damaged: the commit record is missing. {ADVICE}", path=self._database
            )
        return decode_commit(self._database, found[0])

    def heads(self) -> Iterator[tuple[str, bytes]]:
        """The id and newest digest of all agents in the order of their keys."""
        after: str | None = bucket_key(0)
        below = bucket_key(BUCKETS)
        while after is not None:
            with translated(self._database), self._as_of_one_moment():
                self._read_journal()
                page = heads_page(self._connection, after, below, AGENTS_PER_READ_MAX)
            heads, after = merged(page, self._journal.heads(after, below), AGENTS_PER_READ_MAX)
            for head in heads:
                yield head.agent_id, head.digest

    def load(self, agent_id: str) -> Loaded:
        """Every part of an agent, checked; none if it has left meanwhile."""
        with translated(self._database), self._as_of_one_moment():
            self._read_journal()
            rows = list(agent_rows(self._connection, agent_id))
        return assembled(self._database, agent_id, rows, self._journal.parts(agent_id))

    def operations(self) -> list[Operation]:
        """The remembered operations, oldest first."""
        with translated(self._database), self._as_of_one_moment():
            rows = list(operation_rows(self._connection))
        for row in rows:
            if not is_whole(*row):
                raise damaged_row(self._database, row[1], row[2], row[5])
        found = [Operation(row_id.decode(), number, data) for _, row_id, number, _, _, data in rows]
        return sorted(found, key=lambda operation: operation.number)

    def _read_journal(self) -> None:
        """Add what was written since. What has been moved stays in it, and is told by its numbers."""
        self._journal_number = read_journal(self._database, self._connection, self._journal, self._journal_number)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _as_of_one_moment(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN")
        try:
            yield self._connection
        finally:
            self._connection.execute("ROLLBACK")
