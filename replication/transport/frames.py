"""Frames in a stream of bytes: the length and a checksum, four bytes each, then the payload.

    check u8 | length u24 | crc32 u32 | payload          big-endian; the length is the payload's

The length has a check of its own, the last byte of the crc32 of its three: with a wrong length a parser
would wait, perhaps for ever, for the end of a frame that nobody sent, on a link that looks well. Both
are for what TCP's sixteen bits let through and for bugs, not against an enemy: that is what TLS is
for. Whoever sends anything but frames is found out by the first eight bytes, nearly always, and has
made nobody allocate anything.

Pure: bytes in, bytes out. Knows nothing of sockets, nor of what is in a payload.
"""

import struct
from collections.abc import Iterator
from zlib import crc32

HEADER = struct.Struct(">II")
_LENGTH_MASK = 0xFFFFFF


class FrameError(ValueError):
    """The stream is not one of frames; `reason` is "oversize", "empty" or "checksum"."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def header_of(payload: bytes) -> bytes:
    """What goes before a payload."""
    return HEADER.pack(checked(len(payload)), crc32(payload))


def checked(length: int) -> int:
    """A length with its check above it. Less than 2**24."""
    return (crc32(length.to_bytes(3, "big")) & 0xFF) << 24 | length


class FrameParser:
    """Takes a stream in any pieces and gives its frames.

    `limit`, in bytes of payload, may be changed at any time and holds from the next frame on. A
    length above it is refused before a byte of that payload is kept; what is kept is never more
    than one frame and the piece it came with. Each byte is copied three times at most.
    """

    __slots__ = ("_rest", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._rest = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that `data` completes; FrameError after those before the fault.

        After an error, or if not iterated to its end, the parser is of no more use.
        """
        stream: bytes | bytearray = data
        if self._rest:
            self._rest += data
            stream = self._rest
        start, end = 0, len(stream)
        with memoryview(stream) as view:
            while end - start >= HEADER.size:
                word, checksum = HEADER.unpack_from(view, start)
                length = self._length_of(word)
                stop = start + HEADER.size + length
                if stop > end:
                    break
                payload = bytes(view[start + HEADER.size : stop])
                if crc32(payload) != checksum:
                    raise FrameError("checksum", f"a frame of {length} bytes is not what was sent")
                yield payload
                start = stop
            if start == 0 and stream is self._rest:
                return
            rest = bytearray(view[start:])
        self._rest = rest

    def _length_of(self, word: int) -> int:
        length: int = word & _LENGTH_MASK
        if length > self.limit:
            raise FrameError("oversize", f"a frame of {length} bytes where at most {self.limit} may come")
        if length == 0:
            raise FrameError("empty", "a frame of no bytes, which nobody sends")
        if word != checked(length):
            raise FrameError("checksum", "the length of a frame is not what was sent")
        return length
