"""Where an agent stands among all agents: the one order that storage, sums and messages share.

Agents are ordered by a 16-bit bucket, made from the id, and within a bucket by id. So all agents of a
bucket lie side by side on disk, and two nodes that differ in a bucket's sum compare only those.

Pure: strings in, numbers out.
"""

import hashlib
import zlib
from array import array
from collections.abc import Iterable

BUCKETS = 1 << 16
# Bytes of a digest, and hexadecimal digits of the bucket at the head of a key.
DIGEST_BYTES = 16
KEY_PREFIX = 4
SUM_MASK = (1 << 64) - 1

_SPREAD = 0x9E3779B1  # 2**32 divided by the golden ratio: carries every bit of the checksum upward


def bucket_of(agent_id: str) -> int:
    """The bucket of an agent, the same on every node: 0 to `BUCKETS` - 1."""
    return (zlib.crc32(agent_id.encode()) * _SPREAD >> 16) & 0xFFFF


def key_of(agent_id: str) -> str:
    """What agents are sorted by: their bucket in hexadecimal, and the id."""
    return f"{bucket_of(agent_id):04x}{agent_id}"


def bucket_key(bucket: int) -> str:
    """What no agent of an earlier bucket is above, and every one of this bucket is; `BUCKETS` ends them all."""
    return f"{bucket:04x}" if bucket < BUCKETS else "g"


def leaf_of(agent_id: str, digest: bytes) -> int:
    """What an agent in this state adds to the sums above it: 64 bits; 0 for an agent that is not there."""
    if not digest:
        return 0
    return int.from_bytes(hashlib.blake2b(agent_id.encode() + digest, digest_size=8).digest(), "little")


def no_sums() -> "array[int]":
    """The sums of all buckets while there is no agent."""
    return array("Q", bytes(8 * BUCKETS))


def add_leaf(sums: "array[int]", bucket: int, leaf: int) -> None:
    """Count an agent's leaf into its bucket."""
    sums[bucket] = (sums[bucket] + leaf) & SUM_MASK


def sums_of(heads: Iterable[tuple[str, bytes]]) -> "array[int]":
    """The sums of all buckets over these agents, in any order. About 2 microseconds an agent."""
    sums = no_sums()
    for agent_id, digest in heads:
        add_leaf(sums, bucket_of(agent_id), leaf_of(agent_id, digest))
    return sums
