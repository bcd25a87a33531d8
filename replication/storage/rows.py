"""The SQL of the one table: many rows in one statement, in and out.

Python's sqlite3 gives up the interpreter lock at every step of a statement, and takes it back after
up to 5 ms while another thread computes. A flush of a thousand agents, or the load of an agent with
a thousand parts, row by row would then take seconds. So rows go in by statements of many rows, and come
out as one value, JSON with the bytes in hexadecimal.
"""

import json
import sqlite3
from collections.abc import Iterator
from itertools import chain
from typing import Any

from replication.storage.buckets import KEY_PREFIX, key_of
from replication.storage.journal import Head
from replication.storage.layout import COMMIT, INLINE_BYTES_MAX, JOURNAL, OPERATION, PART, row_sum

# kind, id, number, sum, digest, data, as they were found: of a damaged row any of them may have another type.
Row = tuple[Any, Any, Any, Any, Any, Any]

_ROWS_PER_READ = 256
# Six values each; SQLite takes 32,766 in one statement.
_ROWS_PER_WRITE = 1024
# Agents listed in one read: few at first, for whoever wants only some.
AGENTS_PER_READ_MIN, AGENTS_PER_READ_MAX = 16, 1024

# A damaged row may hold another type than was written: those come out as null and fail their check.
# What lies aside comes alone and as it is, so that one read stays within some megabytes.
_PAGE = """
    SELECT json_group_array(json_array(kind, CASE typeof(id) WHEN 'text' THEN hex(CAST(id AS BLOB)) END, number, "sum",
                                       CASE typeof(digest) WHEN 'blob' THEN hex(digest) END,
                                       CASE typeof(data) WHEN 'blob' THEN hex(data) END))
      FROM (SELECT * FROM record WHERE {where} ORDER BY kind, id, number LIMIT {limit})"""
_ANY_PAGE = _PAGE.format(where="(kind, id, number) > (?, ?, ?)", limit=_ROWS_PER_READ)
_AGENT_PAGE = _PAGE.format(where="kind = ? AND id = ? AND number > ?", limit=_ROWS_PER_READ)
_OPERATION_PAGE = _PAGE.format(where=f"(kind, id, number) > (?, ?, ?) AND kind = {OPERATION}", limit=_ROWS_PER_READ)
_JOURNAL_PAGE = _PAGE.format(where=f"(kind, id, number) > (?, ?, ?) AND kind = {JOURNAL}", limit=_ROWS_PER_READ)
_WHOLE = """CASE typeof(data) WHEN 'blob' THEN data
                              WHEN 'integer' THEN (SELECT aside.data FROM aside WHERE place = record.data) END"""
_DATA = f"SELECT {_WHOLE} FROM record WHERE kind = ? AND id = ? AND number = ?"
_FEW = f"""
    SELECT kind, number, "sum", CASE typeof(digest) WHEN 'blob' THEN digest END, {_WHOLE}
      FROM record WHERE kind = ? AND id = ? ORDER BY number LIMIT 2"""
_DIGEST = "SELECT digest FROM record WHERE kind = ? AND id = ? ORDER BY number DESC LIMIT 1"
# The columns beside max() are those of the row that has it; https://www.sqlite.org/lang_select.html#bareagg
_HEADS = f"""
    SELECT json_group_array(json_array(hex(CAST(id AS BLOB)), hex(digest), newest))
      FROM (SELECT id, digest, max(number) AS newest FROM record
             WHERE kind = {PART} AND id > ? AND id < ? GROUP BY id ORDER BY id LIMIT ?)"""


def all_rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Every row in the order of the keys, unchecked."""
    yield from _rows(connection, _ANY_PAGE, (COMMIT - 1, "", -1))


def operation_rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Every remembered operation in the order of the keys, unchecked."""
    yield from _rows(connection, _OPERATION_PAGE, (OPERATION, "", -1))


def journal_rows(connection: sqlite3.Connection, after: int = -1) -> Iterator[Row]:
    """Every journal row of a higher number in order, unchecked."""
    yield from _rows(connection, _JOURNAL_PAGE, (JOURNAL, "", after))


def agent_rows(connection: sqlite3.Connection, agent_id: str) -> Iterator[Row]:
    """The parts of one agent in order, unchecked."""
    key = key_of(agent_id)
    # Most agents have one part or none, and those are cheaper without the detour over JSON.
    few = connection.execute(_FEW, (PART, key)).fetchall()
    if len(few) < 2:
        for kind, number, checksum, digest, data in few:
            yield kind, key.encode(), number, checksum, digest, data
    else:
        yield from _rows(connection, _AGENT_PAGE, (PART, key, -1))


def newest_digest(connection: sqlite3.Connection, agent_id: str) -> bytes:
    """The digest in the newest part of an agent; b"" if there is none, or it is damaged."""
    found = connection.execute(_DIGEST, (PART, key_of(agent_id))).fetchone()
    return found[0] if found and isinstance(found[0], bytes) else b""


def heads_page(connection: sqlite3.Connection, after: str, below: str, count: int) -> list[Head]:
    """The next agents whose keys lie between these, each with its newest row; fewer than `count` at the end."""
    (page,) = connection.execute(_HEADS, (after, below, count)).fetchone()
    return [
        Head(bytes.fromhex(key)[KEY_PREFIX:].decode(), bytes.fromhex(digest), number)
        for key, digest, number in json.loads(page)
    ]


def remove_all(connection: sqlite3.Connection) -> None:
    """Delete every row but the commit record. The caller has begun a transaction."""
    connection.execute("DELETE FROM record WHERE kind <> ?", (COMMIT,))
    connection.execute("DELETE FROM aside")


def _rows(connection: sqlite3.Connection, query: str, after: tuple[int, str, int]) -> Iterator[Row]:
    while True:
        (text,) = connection.execute(query, after).fetchone()
        page = json.loads(text)
        for kind, hex_id, number, checksum, hex_digest, hex_data in page:
            row_id = bytes.fromhex(hex_id) if isinstance(hex_id, str) else None
            digest = bytes.fromhex(hex_digest) if isinstance(hex_digest, str) else None
            if isinstance(hex_data, str):
                data: Any = bytes.fromhex(hex_data)
            elif row_id is None:
                data = None
            else:
                found = connection.execute(_DATA, (kind, row_id.decode("utf-8", "replace"), number)).fetchone()
                data = found[0] if found else None
            yield kind, row_id, number, checksum, digest, data
        if len(page) < _ROWS_PER_READ or row_id is None:
            return
        after = (kind, row_id.decode("utf-8", "replace"), number)


def _values(columns: int, rows: int) -> str:
    row = f"({','.join('?' * columns)})"
    return f"VALUES {','.join([row] * rows)}"


def _padded(rows: int) -> int:
    """A number of rows to make a statement for: at most an eighth more, so that there are few different statements."""
    step = 1 << max(0, rows.bit_length() - 4)
    return -(-rows // step) * step


class Bulk:
    """Rows to insert, a thousand in one statement. The commit record replaces the one before; other keys are new."""

    def __init__(self) -> None:
        self.sums: list[int] = []
        self._rows: list[tuple[int, str, int, int, bytes, bytes | int]] = []
        self._aside: list[tuple[int, bytes]] = []

    @property
    def is_several(self) -> bool:
        """Whether it and one row more take several statements; the caller then begins a transaction."""
        return bool(self._aside) or len(self._rows) >= _ROWS_PER_WRITE

    def add(self, kind: int, row_id: str, number: int, data: bytes, digest: bytes = b"") -> None:
        checksum = row_sum(kind, row_id.encode(), number, digest, data)
        if len(data) > INLINE_BYTES_MAX:
            self._aside.append((len(self._rows), data))
        self._rows.append((kind, row_id, number, checksum, digest, data))
        self.sums.append(checksum)

    def run(self, connection: sqlite3.Connection) -> None:
        for at, data in self._aside:
            place = connection.execute("INSERT INTO aside(data) VALUES (?)", (data,)).lastrowid
            assert place is not None
            self._rows[at] = (*self._rows[at][:5], place)
        for first in range(0, len(self._rows), _ROWS_PER_WRITE):
            rows = self._rows[first : first + _ROWS_PER_WRITE]
            rows += [rows[-1]] * (_padded(len(rows)) - len(rows))  # a row again replaces itself
            statement = f"INSERT OR REPLACE INTO record {_values(6, len(rows))}"
            connection.execute(statement, tuple(chain.from_iterable(rows)))


class Removal:
    """Rows to delete: for each kind and id, those below a number."""

    _GONE = "WITH gone(of_kind, of_id, below) AS ({values})"
    _JOIN = "FROM gone CROSS JOIN record ON kind = of_kind AND id = of_id AND number < below"
    _SUMS = f'{_GONE} SELECT json_group_array("sum") {_JOIN}'
    _DELETE_ASIDE = f"{_GONE} DELETE FROM aside WHERE place IN (SELECT data {_JOIN} AND typeof(data) = 'integer')"
    _DELETE = f"{_GONE} DELETE FROM record WHERE (kind, id, number) IN (SELECT kind, id, number {_JOIN})"

    def __init__(self) -> None:
        self._rows: list[tuple[int, str, int]] = []

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, kind: int, row_id: str, below: int) -> None:
        self._rows.append((kind, row_id, below))

    def run(self, connection: sqlite3.Connection) -> list[int]:
        """Delete them; their checksums. The caller has begun a transaction."""
        removed: list[int] = []
        for first in range(0, len(self._rows), _ROWS_PER_WRITE):
            rows = self._rows[first : first + _ROWS_PER_WRITE]
            rows += [(-1, "", 0)] * (_padded(len(rows)) - len(rows))  # there are none of this kind
            values, arguments = _values(3, len(rows)), tuple(chain.from_iterable(rows))
            (sums,) = connection.execute(self._SUMS.format(values=values), arguments).fetchone()
            connection.execute(self._DELETE_ASIDE.format(values=values), arguments)
            connection.execute(self._DELETE.format(values=values), arguments)
            removed += json.loads(sums)
        return removed
