"""The commit mark: a small file beside the database that says how many commits were promised.

SQLite ends its write-ahead log at the first frame whose checksum is wrong. That is right for the
torn end of a crash, and it silently drops acknowledged commits when the frame was damaged later.
The mark tells the two apart: after every commit its number is written here, so a database that
comes back with a smaller number has lost what was promised.

The mark is written after the commit is durable and never before, so it can only lag, never lead.
It is handed to the operating system at once and synced when the node rests: it is exact after the
death of the process; after a power cut it may lag by the commits of the last busy moment, which
are then told from a torn end only by SQLite's own checksums.

Two slots are written in turn, so that one survives a write that was cut in the middle.
"""

import hashlib
import os
import struct

_SLOT = struct.Struct("<8sQ")
_MAGIC = b"NXSTMARK"
_CHECK_BYTES = 16
_SLOT_BYTES = _SLOT.size + _CHECK_BYTES
# Half a sector apart would share a torn sector; a page apart shares nothing.
_SLOT_OFFSETS = (0, 4096)
_FILE_BYTES = _SLOT_OFFSETS[1] + _SLOT_BYTES


class CommitMark:
    """The open mark file. Used by one thread. Raises OSError as the file system does."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._synced = True

    def read(self) -> int | None:
        """The number of the last commit promised; None if no slot is whole."""
        data = os.pread(self._file, _FILE_BYTES, 0)
        found = [_decode(data[offset : offset + _SLOT_BYTES]) for offset in _SLOT_OFFSETS]
        return max((number for number in found if number is not None), default=None)

    def write(self, commit: int) -> None:
        """Note that commits up to this one are durable. Takes microseconds; does not wait for the disk."""
        os.pwrite(self._file, _encode(commit), _SLOT_OFFSETS[commit % 2])
        self._synced = False

    def sync(self) -> None:
        """Wait until the mark is on the disk, if it changed."""
        if not self._synced:
            os.fsync(self._file)
            self._synced = True

    def place(self) -> str:
        """Where the file lies; a copied or restored file lies elsewhere."""
        status = os.fstat(self._file)
        return f"{status.st_dev:x}:{status.st_ino:x}"

    def close(self) -> None:
        os.close(self._file)


def _encode(commit: int) -> bytes:
    body = _SLOT.pack(_MAGIC, commit)
    return body + hashlib.blake2b(body, digest_size=_CHECK_BYTES).digest()


def _decode(slot: bytes) -> int | None:
    if len(slot) != _SLOT_BYTES:
        return None
    magic, commit = _SLOT.unpack_from(slot)
    return commit if magic == _MAGIC and slot == _encode(commit) else None
