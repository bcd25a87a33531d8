"""Looks into SQLite's write-ahead log: where it breaks off, and what was written beyond. Reads only.

Format: https://www.sqlite.org/fileformat2.html section 4: a header of 32 bytes, then frames of 24
bytes and a page. A frame counts if it carries the header's salts and the running checksum over
everything before it.
"""

import os
import struct
from pathlib import Path

from replication.storage.layout import PAGE_BYTES, commit_in

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_BIG_ENDIAN_MAGIC = 0x377F0683
# In the index: how many frames the log has, and how many of them are in the database.
_NATIVE = struct.Struct("=I")
_FRAMES_AT, _FOLDED_AT = 16, 96


class LogIndex:
    """SQLite's index of the log, shared by all that use it: https://www.sqlite.org/walformat.html section 2."""

    def __init__(self, path: str) -> None:
        """OSError if there is none; there is while a connection is open that has written."""
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def unfolded_bytes(self) -> int:
        """How much of the log is not in the database."""
        return max(0, self._number(_FRAMES_AT) - self._number(_FOLDED_AT)) * (_FRAME.size + PAGE_BYTES)

    def _number(self, place: int) -> int:
        number: int = _NATIVE.unpack(os.pread(self._file, _NATIVE.size, place))[0]
        return number

    def close(self) -> None:
        os.close(self._file)


def synced_commit(path: str) -> int:
    """The number of the last commit of which the log itself says that it was synced; 0 if nothing says so.

    SQLite takes a log to end where a frame is damaged. Here all of the file counts: each commit record in it tells what
    was on the disk before it. What is left over from before the log was begun anew tells of less, and does no harm.
    About fifteen microseconds a frame.
    """
    frame_bytes, newest = _FRAME.size + PAGE_BYTES, 0
    try:
        with Path(path).open("rb") as log:
            log.seek(_HEADER.size)
            while len(frame := log.read(frame_bytes)) == frame_bytes:
                commit = commit_in(frame)
                newest = max(newest, commit.synced if commit is not None else 0)
    except OSError:
        pass  # SQLite says more about it
    return newest


def first_bad_frame(path: str) -> int | None:
    """The offset of the first frame that does not count; None if there is no log or it is whole.

    About 100 microseconds a frame: for the path that ends in an error only.
    """
    try:
        log = Path(path).read_bytes()
    except OSError:
        return None
    if not log:
        return None
    if len(log) < _HEADER.size:
        return 0
    magic, _, page, _, salt1, salt2, sum1, sum2 = _HEADER.unpack_from(log)
    order = ">" if magic == _BIG_ENDIAN_MAGIC else "<"
    if magic | 1 != _BIG_ENDIAN_MAGIC or _checksum(log[:24], 0, 0, order) != (sum1, sum2):
        return 0
    offset, running = _HEADER.size, (sum1, sum2)
    while offset + _FRAME.size + page <= len(log):
        frame = _FRAME.unpack_from(log, offset)
        running = _checksum(log[offset : offset + 8], *running, order)
        body = offset + _FRAME.size
        running = _checksum(log[body : body + page], *running, order)
        if frame[2:4] != (salt1, salt2) or frame[4:6] != running:
            return offset
        offset = body + page
    return None if offset == len(log) else offset


def _checksum(data: bytes, first: int, second: int, order: str) -> tuple[int, int]:
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
