"""Every message between nodes: a typed tuple, as msgpack on the wire.

A payload is one byte for the kind and the fields as a msgpack array. A receiver takes more fields
than it knows, which a newer minor version added, and refuses fewer, and any of another type or
beyond the limits: `MessageError`, and nothing was done. What carries payloads (frames, handshake,
cluster and incarnation) is in `links` and `transport`.

Pure: bytes in, tuples out. Knows nothing of who sends what when.
"""

from typing import Any, NamedTuple

import msgpack

from replication.message_fields import STRING_MAX as STRING_MAX
from replication.message_fields import MessageError as MessageError
from replication.message_fields import check_of_class
from replication.raft import messages as raft
from replication.strong.messages import Manage, Propose

# Versions of the protocol that this code speaks; two nodes use the highest that both do.
PROTOCOL_LOWEST = PROTOCOL_HIGHEST = 1

# A payload is never larger; what is larger goes in chunks.
PAYLOAD_BYTES_MAX = 4 << 20
ITEMS_MAX = 100_000


# ---- links


class Hello(NamedTuple):
    """The first message on a link, both ways: who I am, and which versions I speak."""

    lowest: int
    highest: int
    cluster: str
    name: str
    boot: int  # random for each time a node is opened
    incarnation: int  # rises each time
    store: bytes  # random for each store; what tells a wiped disk from a restart
    address: str  # where others may dial; "" if nowhere


class Refused(NamedTuple):
    """Why a link is about to be closed."""

    reason: str
    detail: str


# ---- membership (SWIM)


class Claim(NamedTuple):
    """What somebody says of a member. Of two, the higher incarnation holds, then the worse state."""

    name: str
    address: str
    state: int  # 0 alive, 1 suspect, 2 dead, 3 left
    incarnation: int
    meta: dict[str, str]
    by: str  # who suspects it, or found it dead; "" for the other states


class Ping(NamedTuple):
    """Answered with a Pong of the same sequence; with sequence 0 it only carries claims."""

    sequence: int
    claims: tuple[Claim, ...]


class Pong(NamedTuple):
    sequence: int
    claims: tuple[Claim, ...]


class PingRequest(NamedTuple):
    """Ping `target` for me: I get no answer."""

    sequence: int
    target: str
    claims: tuple[Claim, ...]


class NoPong(NamedTuple):
    """I am here, but your target did not answer me either."""

    sequence: int


class Members(NamedTuple):
    """All that I know; answered in kind if `reply`."""

    reply: bool
    claims: tuple[Claim, ...]


# ---- deltas


class Item(NamedTuple):
    """A delta of an agent; an empty one only asks whether `version` is held."""

    agent_id: str
    delta: bytes
    version: bytes


class Deltas(NamedTuple):
    """Sent straight to replicas, which answer with `Stored`, at once if `urgent`. A sequence is of one message."""

    sequence: int
    items: tuple[Item, ...]
    urgent: bool


class Kept(NamedTuple):
    """Every item of the message of this sequence is on my disk, except those at the places `missing`."""

    sequence: int
    missing: tuple[int, ...]


class Stored(NamedTuple):
    """What became of some `Deltas`."""

    kept: tuple[Kept, ...]


class Rumours(NamedTuple):
    """News for whoever does not know it; not answered."""

    items: tuple[Item, ...]


class Chunk(NamedTuple):
    """A piece of a delta too large for one message, which `transfer` names."""

    transfer: bytes
    agent_id: str
    offset: int
    total: int
    data: bytes


class ChunkReceived(NamedTuple):
    """I have everything of that transfer below `offset`."""

    transfer: bytes
    offset: int


# ---- anti-entropy


class Check(NamedTuple):
    """The sum over all my agents. Answered by `InSync` if yours is the same, else by what leads to where we differ."""

    root: int


class InSync(NamedTuple):
    """All my agents are as yours were when you said so."""

    root: int


class NodeSums(NamedTuple):
    """The 16 sums below node `place` of level `level` of the summary tree, 8 bytes each, little-endian."""

    level: int
    place: int
    sums: bytes


class Sums(NamedTuple):
    """My sums below nodes in which we differ; `more` if we differ in others too."""

    nodes: tuple[NodeSums, ...]
    more: bool


class Head(NamedTuple):
    """An agent and the digest of its state."""

    agent_id: str
    digest: bytes


class Range(NamedTuple):
    """All my agents whose keys (`storage.buckets.key_of`) are at least `low` and below `high`."""

    low: str
    high: str
    heads: tuple[Head, ...]


class Heads(NamedTuple):
    """Some ranges in which we differ; `more` if there are others."""

    ranges: tuple[Range, ...]
    more: bool


class Holding(NamedTuple):
    """What I hold of an agent.

    Both empty: nothing; send me all. With a digest only: I have it in this state; ask if you want it.
    With both: I have this much of it, in this state; send me what I lack.
    """

    agent_id: str
    version: bytes
    digest: bytes


class Holdings(NamedTuple):
    """Answered with deltas, and in kind for what the receiver lacks, if `reply`; `more` if we differ in more."""

    holdings: tuple[Holding, ...]
    reply: bool
    more: bool


# ---- bounded growth


class Poll(NamedTuple):
    """How far are you in these agents? Answered with `Standings` of the same round.

    among  everybody whose answer counts, the asker included: who is not among them is not waited for. Empty if
           nothing will be dropped upon the answers
    """

    round: int
    agents: tuple[str, ...]
    among: tuple[str, ...]


class Standing(NamedTuple):
    """How far a node is in an agent.

    writer  under which it writes the agent from now on
    stored  the version that its disk holds; b"" if none
    held    the version in its memory; b"" if that is the same
    """

    agent_id: str
    writer: str
    stored: bytes
    held: bytes


class Standings(NamedTuple):
    """Of the agents polled; those that could not be told just now are not among them."""

    round: int
    standings: tuple[Standing, ...]


# ---- repair of one agent, of which versions do not tell what differs (`reconcile`)


class RepairOffer(NamedTuple):
    """Of this agent we hold the same version in different states: symbols of my entries, hashed under `session`.

    `session` is 16 random bytes, and names everything that follows. `digest` is that of my state.
    """

    session: bytes
    agent_id: str
    version: bytes
    digest: bytes
    symbols: bytes


class RepairMore(NamedTuple):
    """The next so many symbols, please."""

    session: bytes
    number: int


class RepairSymbols(NamedTuple):
    """The next symbols."""

    session: bytes
    symbols: bytes


class RepairAnswer(NamedTuple):
    """Entries that you lack; `wanted` are the hashes of those that I lack, 6 bytes each; I lack all if `everything`."""

    session: bytes
    entries: bytes
    wanted: bytes
    everything: bool


class RepairEntries(NamedTuple):
    """The entries that you lack. The end."""

    session: bytes
    entries: bytes


class RepairEnd(NamedTuple):
    """I do not go on with this session. `reason` is a word of `repair.core.REASONS`."""

    session: bytes
    reason: str


class RepairChunk(NamedTuple):
    """A piece of one of the messages above, kind and all, which is too large to be sent at once."""

    transfer: bytes
    agent_id: str
    offset: int
    total: int
    data: bytes


class RepairChunkReceived(NamedTuple):
    """I have everything of that transfer below `offset`."""

    transfer: bytes
    offset: int


Message = (
    Hello | Refused
    | Ping | Pong | PingRequest | NoPong | Members
    | Deltas | Stored | Rumours | Chunk | ChunkReceived
    | Check | InSync | Sums | Heads | Holdings
    | Poll | Standings
    | RepairOffer | RepairMore | RepairSymbols | RepairAnswer | RepairEntries | RepairEnd
    | RepairChunk | RepairChunkReceived
    | Propose | Manage | raft.Message
)  # fmt: skip

_KINDS: dict[int, type[Any]] = {
    0x01: Hello, 0x02: Refused,
    0x10: Ping, 0x11: Pong, 0x12: PingRequest, 0x13: NoPong, 0x14: Members,
    0x20: Deltas, 0x21: Stored, 0x22: Rumours, 0x23: Chunk, 0x24: ChunkReceived,
    0x30: Check, 0x31: InSync, 0x32: Sums, 0x33: Heads, 0x34: Holdings,
    0x40: Poll, 0x41: Standings,
    0x50: RepairOffer, 0x51: RepairMore, 0x52: RepairSymbols, 0x53: RepairAnswer, 0x54: RepairEntries,
    0x55: RepairEnd, 0x56: RepairChunk, 0x57: RepairChunkReceived,
    0x60: Propose, 0x61: raft.RequestVote, 0x62: raft.Vote, 0x63: raft.AppendEntries, 0x64: raft.Appended,
    0x65: raft.Heartbeat, 0x66: raft.HeartbeatAnswer, 0x67: raft.SnapshotChunk, 0x68: raft.SnapshotReceived,
    0x69: raft.TimeoutNow, 0x6A: raft.ReadIndex, 0x6B: raft.ReadIndexAnswer, 0x6C: Manage,
}  # fmt: skip


def encode(message: Message, bytes_max: int = PAYLOAD_BYTES_MAX) -> bytes:
    """The payload of a message. ValueError if it is larger than a payload may be."""
    packed: bytes = msgpack.packb(message)
    if len(packed) >= bytes_max:
        kind = type(message).__name__
        raise ValueError(f"a {kind} of {len(packed)} bytes: a payload has at most {bytes_max}")
    return _PREFIX[type(message)] + packed


def decode(payload: bytes | memoryview, bytes_max: int = PAYLOAD_BYTES_MAX) -> Message:
    """The message in a payload; MessageError if there is none."""
    if not 2 <= len(payload) <= bytes_max:
        raise MessageError(f"a payload of {len(payload)} bytes")
    kind = _KINDS.get(payload[0])
    if kind is None:
        raise MessageError(f"unknown kind {payload[0]:#04x}")
    try:
        fields = msgpack.unpackb(
            payload[1:],
            use_list=False,
            strict_map_key=True,
            max_array_len=ITEMS_MAX,
            max_map_len=64,
            max_ext_len=0,
        )
    except Exception as error:  # msgpack documents no common root of what it raises
        raise MessageError(f"{kind.__name__} is not msgpack: {error}") from None
    message: Message = _CHECKS[kind](fields)
    return message


_CHECKS = {kind: check_of_class(kind) for kind in _KINDS.values()}
_PREFIX = {kind: bytes([number]) for number, kind in _KINDS.items()}
