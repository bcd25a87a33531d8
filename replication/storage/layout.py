"""How a store lies in SQLite: one table, a checksum for each row, and a sum over all rows.

    record(kind, id, number, sum, digest, data)     primary key (kind, id, number), no rowid

    kind 0  the commit record, one row: JSON with the number of the last commit, the count of
            all other rows and the sum of their checksums, the number of the last commit that was
            known to be synced, and the identity of the writer
    kind 1  parts of an agent: the first a snapshot, the others deltas; `id` is the agent's bucket
            in four hexadecimal digits and its id, `digest` that of its state with this part
    kind 2  the remembered result of an `op_id`
    kind 3  a note of a core
    kind 4  small parts of many agents, which have not been moved into rows of theirs yet (`journal`)
    kind 5  records that a core keeps in order

A row of kind 1 holds the parts from the one after the row before it up to its number: as they are if it
is one, else as a msgpack array.

    aside(place, data)     primary key place

Data of more than `INLINE_BYTES_MAX` lies aside, and its row has the place, a number, instead. For to
compare a key SQLite reads the whole row it is in: a write beside a row of 100 MB would read those too.

SQLite has no checksum on its pages. Here every row carries one over its key and all else, which
finds a changed row, and the commit record carries the count and the sum of all of them, which finds
a row that vanished with a damaged page. The table has no rowid, so the keys that SQLite searches by
are themselves checked rows: if all rows are whole and in ascending order, a search cannot miss one.

Pure: bytes in, bytes out.
"""

import hashlib
import json
import struct
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from replication.identity import Identity
from replication.storage.buckets import DIGEST_BYTES

FORMAT = 1
APPLICATION_ID = 0x4E585354  # "NXST", at byte 68 of the database file
PAGE_BYTES = 4096

COMMIT, PART, OPERATION, NOTE, JOURNAL, RECORD = range(6)

INLINE_BYTES_MAX = 16 << 10

SCHEMA = (
    "CREATE TABLE record(kind INTEGER, id TEXT, number INTEGER, sum INTEGER, digest BLOB, data BLOB,"
    " PRIMARY KEY(kind, id, number)) WITHOUT ROWID",
    "CREATE TABLE aside(place INTEGER PRIMARY KEY, data BLOB)",
)

_SUM_MASK = (1 << 64) - 1
_COMMIT_BEGINS = f'{{"format": {FORMAT}, '.encode()
_JSON = json.JSONDecoder()
_KEY = struct.Struct("<BQI")
# For more bytes at a time hashlib gives up the interpreter's lock, and may have it back long after they are hashed.
_PIECE_BYTES = 2047
# Of data of more bytes that is right: others may run meanwhile.
_HELD_BYTES_MAX = 64 << 10


def row_sum(kind: int, row_id: bytes, number: int, digest: bytes, data: bytes) -> int:
    """The checksum of one row, a signed 64-bit integer as SQLite keeps it."""
    hashed = hashlib.blake2b(_KEY.pack(kind, number, len(row_id)) + row_id + digest, digest_size=8)
    if len(data) <= _HELD_BYTES_MAX:
        for at in range(0, len(data), _PIECE_BYTES):
            hashed.update(data[at : at + _PIECE_BYTES])
    else:
        hashed.update(data)
    return int.from_bytes(hashed.digest(), "little", signed=True)


def is_whole(kind: object, row_id: object, number: object, checksum: object, digest: object, data: object) -> bool:
    """Whether these are the columns of a row that was written as it is now."""
    return (
        kind in (COMMIT, PART, OPERATION, NOTE, JOURNAL, RECORD)
        and isinstance(kind, int)
        and isinstance(row_id, bytes)
        and isinstance(number, int)
        and 0 <= number < 1 << 63
        and isinstance(digest, bytes)
        and len(digest) == (DIGEST_BYTES if kind == PART else 0)
        and isinstance(data, bytes)
        and isinstance(checksum, int)
        and checksum == row_sum(kind, row_id, number, digest, data)
    )


@lru_cache(maxsize=8)
def _identity_members(identity: Identity) -> str:
    """The members of a JSON object that tell of an identity."""
    return json.dumps(identity._asdict())[1:-1]


class Commit(NamedTuple):
    """The commit record. `sum` is the sum of the other rows' checksums modulo 2**64.

    `synced` is the number of the last commit that was known to be on the disk when this one was begun.
    """

    number: int
    rows: int
    sum: int
    identity: Identity
    synced: int = 0

    def after(self, added: list[int], removed: list[int], synced: int) -> "Commit":
        """The record of the next commit, which adds and removes rows with these checksums."""
        total = (self.sum + sum(added) - sum(removed)) & _SUM_MASK
        return Commit(self.number + 1, self.rows + len(added) - len(removed), total, self.identity, synced)

    def encode(self) -> bytes:
        # With every flush: only who writes needs an encoder, and stays the same.
        counts = f'"format": {FORMAT}, "commit": {self.number}, "rows": {self.rows}, "sum": {self.sum}'
        return f'{{{counts}, "synced": {self.synced}, {_identity_members(self.identity)}}}'.encode()

    @classmethod
    def decode(cls, data: bytes) -> "Commit":
        """The record; ValueError if it is of a newer format. The row's checksum has been checked."""
        fields: dict[str, Any] = json.loads(data)
        if fields["format"] != FORMAT:
            raise ValueError(f"format {fields['format']}")
        identity = Identity(*(fields[name] for name in Identity._fields))
        return cls(fields["commit"], fields["rows"], fields["sum"], identity, fields.get("synced", 0))


def commit_in(page: bytes) -> Commit | None:
    """The commit record that lies in a page, if it has one that is whole."""
    at = page.find(_COMMIT_BEGINS)
    while at >= 0:
        with suppress(ValueError, KeyError):
            _, length = _JSON.raw_decode(page[at:].decode("latin-1"))
            data = page[at : at + length]
            checksum = row_sum(COMMIT, b"", 0, b"", data)
            # SQLite keeps an integer in as few bytes as it needs, of these counts, and right before the data.
            size = next(size for size in (1, 2, 3, 4, 6, 8) if checksum.bit_length() < 8 * size)
            if page[:at].endswith(checksum.to_bytes(size, "big", signed=True)):
                return Commit.decode(data)
        at = page.find(_COMMIT_BEGINS, at + 1)
    return None
