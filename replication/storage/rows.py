"""The SQL of the one table: many rows in one statement, in and out.

Python's sqlite3 gives up the interpreter lock at every step of a statement, and takes it back after
up to 5 ms while another thread computes. A flush of a thousand agents, or the load of an agent with
a thousand parts, row by row would then take seconds. So rows go in as two values, an index in JSON and
the bytes that it points into, and come out as one value, JSON with the bytes in hexadecimal.
"""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from replication.storage.buckets import KEY_PREFIX, key_of
from replication.storage.layout import COMMIT, INLINE_BYTES_MAX, OPERATION, PART, row_sum

# kind, id, number, sum, digest, data, as they were found: of a damaged row any of them may have another type.
Row = tuple[Any, Any, Any, Any, Any, Any]

_ROWS_PER_READ = 256
_AGENTS_PER_READ = 1000

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
             WHERE kind = {PART} AND id > ? AND id < ? GROUP BY id ORDER BY id LIMIT {_AGENTS_PER_READ})"""


def all_rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Every row in the order of the keys, unchecked."""
    yield from _rows(connection, _ANY_PAGE, (COMMIT - 1, "", -1))


def operation_rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Every remembered operation in the order of the keys, unchecked."""
    yield from _rows(connection, _OPERATION_PAGE, (OPERATION, "", -1))


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


def heads_page(connection: sqlite3.Connection, after: str, below: str) -> list[tuple[str, bytes]]:
    """The next agents whose keys lie between these, with their newest digests; none at the end."""
    (page,) = connection.execute(_HEADS, (after, below)).fetchone()
    return [(bytes.fromhex(key)[KEY_PREFIX:].decode(), bytes.fromhex(digest)) for key, digest, _ in json.loads(page)]


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


class _Packed:
    """Rows of integers and byte strings as two SQL values; a byte string is its place and its length."""

    def __init__(self) -> None:
        self._index: list[tuple[int, ...]] = []
        self._bytes: list[bytes] = []
        self._end = 1  # SQLite counts from one

    def __bool__(self) -> bool:
        return bool(self._index)

    def _place(self, data: bytes) -> tuple[int, int]:
        start = self._end
        self._end += len(data)
        self._bytes.append(data)
        return start, len(data)

    def _arguments(self) -> dict[str, str | bytes]:
        return {"index": json.dumps(self._index, separators=(",", ":")), "bytes": b"".join(self._bytes)}


def _column(number: int) -> str:
    return f"json_extract(value, '$[{number}]')"


def _slice(number: int) -> str:
    return f"substr(:bytes, {_column(number)}, {_column(number + 1)})"


class Bulk(_Packed):
    """Rows to insert in one statement. The commit record replaces the one before; other keys are new."""

    _INSERT = (
        f"INSERT OR REPLACE INTO record SELECT {_column(0)}, CAST({_slice(1)} AS TEXT), {_column(3)},"
        f" {_column(4)}, {_slice(5)}, coalesce({_column(9)}, {_slice(7)}) FROM json_each(:index)"
    )

    def __init__(self) -> None:
        super().__init__()
        self.sums: list[int] = []
        self._aside: list[tuple[int, bytes]] = []

    @property
    def is_several(self) -> bool:
        """Whether it takes several statements; the caller then begins a transaction."""
        return bool(self._aside)

    def add(self, kind: int, row_id: str, number: int, data: bytes, digest: bytes = b"") -> None:
        name = row_id.encode()
        checksum = row_sum(kind, name, number, digest, data)
        if len(data) > INLINE_BYTES_MAX:
            self._aside.append((len(self._index), data))
            data = b""
        self._index.append((kind, *self._place(name), number, checksum, *self._place(digest), *self._place(data)))
        self.sums.append(checksum)

    def run(self, connection: sqlite3.Connection) -> None:
        for at, data in self._aside:
            place = connection.execute("INSERT INTO aside(data) VALUES (?)", (data,)).lastrowid
            assert place is not None
            self._index[at] += (place,)
        connection.execute(self._INSERT, self._arguments())


class Removal(_Packed):
    """Rows to delete: for each kind and id, those below a number."""

    _JOIN = (
        f"FROM json_each(:index) CROSS JOIN record ON kind = {_column(0)}"
        f" AND record.id = CAST({_slice(1)} AS TEXT) AND number < {_column(3)}"
    )
    _SUMS = f'SELECT json_group_array("sum") {_JOIN}'
    _DELETE_ASIDE = f"DELETE FROM aside WHERE place IN (SELECT data {_JOIN} AND typeof(data) = 'integer')"
    _DELETE = f"DELETE FROM record WHERE (kind, id, number) IN (SELECT kind, record.id, number {_JOIN})"

    def add(self, kind: int, row_id: str, below: int) -> None:
        self._index.append((kind, *self._place(row_id.encode()), below))

    def run(self, connection: sqlite3.Connection) -> list[int]:
        """Delete them; their checksums. The caller has begun a transaction."""
        arguments = self._arguments()
        (sums,) = connection.execute(self._SUMS, arguments).fetchone()
        connection.execute(self._DELETE_ASIDE, arguments)
        connection.execute(self._DELETE, arguments)
        removed: list[int] = json.loads(sums)
        return removed
