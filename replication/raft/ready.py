"""What the core hands out, and what it is given at the start: the port between it and whoever acts.

Writes to disk take their time, and nobody waits for one: a `Write` is started, and `Raft.persisted` told when it is
durable. What may be sent only then, the core keeps until then, so everything in `send` may leave at once.
"""

from typing import NamedTuple

from replication.raft.configuration import Configuration
from replication.raft.log import Entry
from replication.raft.messages import Message, Snapshot


class Saved(NamedTuple):
    """What the disk of a node holds; for a first start see `Saved.new`.

    snapshot      the newest, installed or taken here; its configuration holds until an entry after it says otherwise
    offset        entries up to here are gone, at most `snapshot.last_index`; the last of them was of `offset_term`
    entries       what comes after `offset`, without gaps
    applied       how far the state has got that the node starts with, from `snapshot.last_index` to the end of the log
    """

    term: int
    vote: str
    snapshot: Snapshot
    offset: int = 0
    offset_term: int = 0
    entries: tuple[Entry, ...] = ()
    applied: int = 0

    @classmethod
    def new(cls, configuration: Configuration) -> "Saved":
        """Of a node that starts for the first time: as one of those voters, or, with no members, to be told of some."""
        return cls(0, "", Snapshot(0, 0, configuration, b""))


class Write(NamedTuple):
    """For the disk, in the order of numbers, each wholly or not at all, or else in this order:

    1. `term` and `vote` ("" for none) replace the old.
    2. `snapshot`, whose pieces are all there, replaces the state, and *all* entries of the log.
    3. `entries` are put at `first` and after it; what was there, and all that followed it, goes.
    """

    number: int
    term: int
    vote: str
    snapshot: Snapshot | None
    first: int
    entries: tuple[Entry, ...]


class Send(NamedTuple):
    peer: str
    message: Message


class ChunkWish(NamedTuple):
    """Read up to `length` bytes of a snapshot made here, for `peer`, and give them to `Raft.chunk_read`."""

    peer: str
    snapshot: Snapshot
    offset: int
    length: int


class Piece(NamedTuple):
    """Keep these bytes of a snapshot that is coming in; one at offset 0 replaces all that was kept before.

    It need not be durable: after a restart the snapshot is sent from its start.
    """

    snapshot: Snapshot
    offset: int
    data: bytes


class Apply(NamedTuple):
    """Committed, and on this disk: apply in order, then tell `Raft.applied` the last index."""

    first: int
    entries: tuple[Entry, ...]


class Ready(NamedTuple):
    """What is to be done, each thing handed out once.

    pieces  are kept before anything that follows
    write   is started; a snapshot in it is installed only now, when nothing is being applied
    send    may be lost, doubled and reordered
    chunks  are read when there is time
    apply   is at most one at a time, and never while a snapshot is installed
    reads   may be served from the state as it is, `apply` not included
    """

    pieces: tuple[Piece, ...] = ()
    write: Write | None = None
    send: tuple[Send, ...] = ()
    chunks: tuple[ChunkWish, ...] = ()
    apply: Apply | None = None
    reads: tuple[int, ...] = ()


NOTHING = Ready()


class Proposed(NamedTuple):
    """Where the entry is. If the entry applied at index `at` is of that term, it is this one; else it is lost."""

    at: int
    term: int


class Refused(NamedTuple):
    """Nothing was done. `leader` is who may know better, "" if nobody is known to.

    "not leader"   and "transferring": ask the leader, or the next
    "overloaded"   too much waits already
    "pending"      a change of members is under way, or this leader has not yet committed anything of its own
    "behind"       a member that is to vote lacks too much, or is not heard of
    "no member"    the node named is not one that can do this
    "no change"    the members are those already
    """

    reason: str
    leader: str
