"""Who is at the other end of a link, and whether to talk to it.

Both ends send a Hello as soon as a link is open. Each judges the other's and, if it finds no
fault, says so by sending its own Hello once more, as an answer; a link is up at an end that has
both accepted and been accepted. An end that has no answer yet asks again now and then, and every
Hello that asks is answered, so links that lose, double or reorder frames come up as well.

    0x00 "nxs" | serial u32 | asks u32 | answers u32 | Hello or Refused    until a link is up, and to ask on it later
    version u8 | cluster u32 | boot u32 | any other message                once it is up

`serial` counts the links that the dialling end has opened: of two links between the same two
nodes it tells both ends which to keep. `asks` numbers the question, `answers` says which one is
answered, 0 none: so an answer that was long on its way is not taken for a sign of life. The nine
bytes before every later message keep apart what must never be mixed: versions, clusters (by a hash
of the name), and the runs of one node.

Pure: bytes and tuples. Knows nothing of links.
"""

import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

import msgpack

from replication.identity import check_name
from replication.messages import Hello, MessageError, Refused, decode, encode

MAGIC = b"\0nxs"
_GREETING = struct.Struct(">4sIII")
_HEADER = struct.Struct(">BII")
HEADER_BYTES = _HEADER.size
# Far above what opening a node once a second can reach; a larger one is made up.
INCARNATION_MAX = 2**48
# Names remembered; more than any cluster has, and few enough to be kept.
NAMES_MAX = 65_536


class Known(NamedTuple):
    """What is remembered of a node with a disk: which store it writes to, and how often it was opened."""

    store: bytes
    incarnation: int


class Refusal(NamedTuple):
    """Why a node is not talked to: a word that is counted, and what to do about it."""

    reason: str
    detail: str


# Every reason that a Refused may give; others are not of this protocol, and are counted as "other".
REASONS = frozenset({"version", "cluster", "name", "store", "rolled back", "certificate", "crowded"})


class Greeting(NamedTuple):
    """A frame that belongs to the handshake."""

    message: Hello | Refused
    serial: int = 0
    asks: int = 0
    answers: int = 0

    def pack(self) -> bytes:
        return _GREETING.pack(MAGIC, self.serial, self.asks, self.answers) + encode(self.message)


def is_greeting(frame: bytes) -> bool:
    """Whether a frame says that it belongs to the handshake."""
    return frame.startswith(MAGIC)


def read_greeting(frame: bytes) -> Greeting:
    """What a frame of the handshake says; MessageError if nothing."""
    if len(frame) < _GREETING.size:
        raise MessageError(f"a greeting of {len(frame)} bytes")
    _, serial, asks, answers = _GREETING.unpack_from(frame)
    message = decode(memoryview(frame)[_GREETING.size :])
    if not isinstance(message, Hello | Refused):
        raise MessageError(f"a {type(message).__name__} as a greeting")
    return Greeting(message, serial, asks, answers)


def header_of(hello: Hello, version: int) -> bytes:
    """What stands before every message from the sender of a Hello, on a link that is up."""
    return _HEADER.pack(version, cluster_tag(hello.cluster), hello.boot & 0xFFFFFFFF)


def difference(frame: bytes, header: bytes) -> str:
    """How what stands before a message differs from the header that should, as a reason."""
    if len(frame) < HEADER_BYTES:
        return "undecodable"
    version, cluster, _ = _HEADER.unpack_from(frame)
    right_version, right_cluster, _ = _HEADER.unpack(header)
    if cluster != right_cluster:
        return "cluster"
    return "version" if version != right_version else "incarnation"


def has_tag(frame: bytes, tag: int) -> bool:
    """Whether a frame is, or claims to be, of that cluster."""
    return len(frame) >= HEADER_BYTES and _HEADER.unpack_from(frame)[1] == tag


def cluster_tag(cluster: str) -> int:
    """Four bytes of a hash of a cluster's name."""
    return int.from_bytes(blake2b(cluster.encode(), digest_size=4).digest(), "big")


def common_version(own: Hello, theirs: Hello) -> int | None:
    """The highest version that both speak."""
    version = min(own.highest, theirs.highest)
    return version if version >= max(own.lowest, theirs.lowest) else None


def judge(own: Hello, theirs: Hello, certified: tuple[str, ...] | None, known: Mapping[str, Known]) -> Refusal | None:
    """What speaks against the sender of a Hello, as far as can be told from what is remembered."""
    if common_version(own, theirs) is None:
        return Refusal(
            "version",
            f"this node speaks protocol versions {own.lowest} to {own.highest} and the other {theirs.lowest} to "
            f"{theirs.highest}: bring the older of them to a newer release",
        )
    if theirs.cluster != own.cluster:
        return Refusal(
            "cluster",
            f"this node belongs to the cluster {own.cluster!r:.200} and the other to {theirs.cluster!r:.200}: "
            "give both the same cluster=, or this one other peers",
        )
    return _judge_name(own, theirs, certified) or _judge_history(theirs, known)


def _judge_name(own: Hello, theirs: Hello, certified: tuple[str, ...] | None) -> Refusal | None:
    if certified is not None and theirs.name not in certified:
        has = ", ".join(map(repr, certified)) or "no node's name"
        return Refusal(
            "certificate",
            f"the node says that it is {theirs.name!r}, and its certificate is for {has:.300}: "
            f"give it the certificate of {theirs.name!r}, or the name that its certificate has",
        )
    if theirs.name == own.name:
        return Refusal("name", f"two nodes are named {own.name!r}, and each of a cluster needs a name of its own")
    return None


def name_is_taken(name: str, address: str) -> Refusal:
    """Against a newcomer whose name a linked node has, which lives."""
    return Refusal(
        "name",
        f"two nodes are named {name!r}, and the other one, linked from {address:.200}, answers: "
        "each node of a cluster needs a name of its own",
    )


def _judge_history(theirs: Hello, known: Mapping[str, Known]) -> Refusal | None:
    if not theirs.store:  # nothing of it outlives it, so there is no history to contradict
        return None
    before = known.get(theirs.name)
    if before is None:
        if len(known) < NAMES_MAX:
            return None
        return Refusal("crowded", f"{NAMES_MAX} nodes are remembered: let those that left for good be forgotten")
    if before.store != theirs.store:
        return Refusal(
            "store",
            f"{theirs.name!r} had another store: under one name changes were made that the new store does not know of. "
            "Open it with a name that no node had before; what the others have will come to it",
        )
    if theirs.incarnation < before.incarnation:
        return Refusal(
            "rolled back",
            f"incarnation={before.incarnation} is remembered of {theirs.name!r}, and it says {theirs.incarnation}: its "
            "store is an older copy of itself. Open it with a new name=: what it alone has is kept, and spreads",
        )
    return None


def remembered_incarnation(detail: str) -> int | None:
    """The incarnation that the detail of a "rolled back" names; a node must take a higher one."""
    word = detail.split(" ", 1)[0]
    digits = word.removeprefix("incarnation=")
    if word == digits or not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        return None
    return int(digits)


def check_hello(hello: Hello) -> None:
    """MessageError if no node can have sent this."""
    try:
        check_name(hello.name)
    except ValueError as error:
        raise MessageError(str(error)) from None
    if hello.incarnation > INCARNATION_MAX:
        raise MessageError(f"incarnation {hello.incarnation}")
    if len(hello.store) > 64:
        raise MessageError(f"a store's name of {len(hello.store)} bytes")


def read_known(notes: Mapping[str, bytes], prefix: str) -> dict[str, Known]:
    """Whom the notes of that prefix tell of."""
    kept = ((key.removeprefix(prefix), data) for key, data in notes.items() if key.startswith(prefix))
    return {name: Known(*msgpack.unpackb(data)) for name, data in kept}
