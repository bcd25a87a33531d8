"""Ways to damage a message, from blind to knowing. Pure functions of the bytes and one random word.

The outside of a message (docs/explanation/wire-format.md) is two bytes, a checksum of four, and the
rest. Mostly the rest is damaged and the checksum made to hold, since otherwise it is all that is
tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

try:
    from xxhash import xxh64_intdigest
except ImportError:  # a hundred times slower, the same bytes
    from properties.wire_format import xxh64 as xxh64_intdigest

HEADER_BYTES = 6
BYTES = bytes(range(256))
EDGES = bytes([0, 1, 2, 3, 0x0F, 0x10, 0x3F, 0x40, 0x7E, 0x7F, 0x80, 0x81, 0xC0, 0xFE, 0xFF, 0xB0])


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


# Numbers that a count, length, sequence or difference should not be; and spellings that are not minimal.
NUMBERS = [varint(n) for n in (0, 1, 2, 63, 64, 127, 128, 129, 255, 256, 16383, 16384, 65535, 65536, 2**20)]
NUMBERS += [varint(n + d) for n in (2**24, 2**28, 2**31, 2**32, 2**40, 2**47, 2**48, 2**62, 2**63) for d in (-1, 0)]
NUMBERS += [
    varint(2**64 - 1),
    varint(2**64 - 2),
    b"\x80\x00",
    b"\xff\x00",
    b"\x80" * 9 + b"\x01",
    b"\x80" * 9 + b"\x02",
    b"\x80" * 12,
]


def flip(b: bytes, r: int, other: bytes) -> bytes:
    at = r % len(b)
    return b[:at] + BYTES[b[at] ^ 1 << (r >> 32 & 7) :][:1] + b[at + 1 :]


def edge(b: bytes, r: int, other: bytes) -> bytes:
    at = r % len(b)
    return b[:at] + EDGES[r >> 32 & 15 :][:1] + b[at + 1 :]


def nudge(b: bytes, r: int, other: bytes) -> bytes:
    """A varint of one byte becomes its neighbour."""
    at = r % len(b)
    return b[:at] + BYTES[b[at] + (1 if r >> 32 & 1 else -1) & 0xFF :][:1] + b[at + 1 :]


def number(b: bytes, r: int, other: bytes) -> bytes:
    at = r % len(b)
    return b[:at] + NUMBERS[(r >> 32) % len(NUMBERS)] + b[at + 1 :]


def insert(b: bytes, r: int, other: bytes) -> bytes:
    at = r % (len(b) + 1)
    return b[:at] + NUMBERS[(r >> 32) % len(NUMBERS)] + b[at:]


def delete(b: bytes, r: int, other: bytes) -> bytes:
    at = r % len(b)
    return b[:at] + b[at + 1 + (r >> 32 & 7) :]


def repeat(b: bytes, r: int, other: bytes) -> bytes:
    at = r % len(b)
    end = at + 1 + (r >> 32 & 15)
    return b[:end] + b[at:end] * (1 + (r >> 40 & 3)) + b[end:]


def splice(b: bytes, r: int, other: bytes) -> bytes:
    at, start = r % (len(b) + 1), (r >> 16) % len(other)
    return b[:at] + other[start : start + 1 + (r >> 40 & 31)] + b[at + (r >> 48 & 15) :]


def cross(b: bytes, r: int, other: bytes) -> bytes:
    return b[: r % (len(b) + 1)] + other[(r >> 20) % len(other) :]


def cut(b: bytes, r: int, other: bytes) -> bytes:
    return b[: r % len(b)]


def swap(b: bytes, r: int, other: bytes) -> bytes:
    at, n = r % len(b), 1 + (r >> 32 & 3)
    return b[:at] + b[at + n : at + 2 * n] + b[at : at + n] + b[at + 2 * n :]


KINDS: Sequence[Callable[[bytes, int, bytes], bytes]] = (
    flip,
    flip,
    edge,
    edge,
    nudge,
    nudge,
    number,
    number,
    number,
    insert,
    delete,
    repeat,
    splice,
    cross,
    cut,
    swap,
)


def damaged(message: bytes, other: bytes, r: int) -> bytes:
    """`message` with one to four kinds of damage, chosen by the 128-bit word `r`."""
    if r >> 120 == 0:  # one in 256: anything, the checksum as it comes
        return KINDS[r >> 60 & 15](message, r & 0xFFFFFFFFFFFFFFF, other)
    body = KINDS[r >> 60 & 15](message[HEADER_BYTES:], r & 0xFFFFFFFFFFFFFFF, other)
    while r >> 64 & 1 and body:
        r = r >> 65 | r << 63 & (1 << 128) - 1
        body = KINDS[r >> 60 & 15](body, r & 0xFFFFFFFFFFFFFFF, other)
        r &= ~(1 << 64) if r >> 66 & 1 else r
    return message[:2] + (xxh64_intdigest(body, message[1]) & 0xFFFFFFFF).to_bytes(4, "little") + body
