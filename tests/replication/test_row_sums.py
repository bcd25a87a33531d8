"""The checksum of a row is of all its bytes, in however many pieces they are hashed."""

import hashlib
import struct

import pytest

from replication.storage.layout import row_sum


@pytest.mark.parametrize("size", [0, 1, 2046, 2047, 2048, 4094, 4095, 65_536, 65_537, 200_000])
def test_it_is_that_of_the_bytes_in_one_piece(size: int) -> None:
    data = bytes(place % 251 for place in range(size))
    whole = struct.pack("<BQI", 1, 7, 2) + b"id" + b"digest" + data
    expected = int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest(), "little", signed=True)
    assert row_sum(1, b"id", 7, b"digest", data) == expected
