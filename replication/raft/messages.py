"""What the nodes of a group say to each other: typed tuples, like those of `replication.messages`.

Every message carries a term; of a `RequestVote` with `pre`, and of the answer that grants it, it is the term that is
to come. Cluster, name and incarnation of the sender are checked by the links before a message gets here, so a message
of another cluster, or of an earlier life of a node, is not seen; nothing here is unsafe if one is.

Any may be lost, doubled, delayed and overtaken.
"""

from typing import NamedTuple, get_args

from replication.message_fields import MessageError
from replication.raft.configuration import Configuration, checked
from replication.raft.log import CONFIGURATION, KINDS, Entry


class Snapshot(NamedTuple):
    """The state after applying everything up to `last_index`; what it holds, only who made `id` knows."""

    last_index: int
    last_term: int
    configuration: Configuration
    id: bytes


class RequestVote(NamedTuple):
    """Vote for me: my log ends there. With `pre`: would you? (dissertation section 9.6). With `transfer` the leader
    asked for it, and a voter that hears the leader answers all the same."""

    term: int
    pre: bool
    transfer: bool
    last_index: int
    last_term: int


class Vote(NamedTuple):
    term: int
    pre: bool
    granted: bool


class AppendEntries(NamedTuple):
    """Entries after `previous_index`, if the one there is of `previous_term`; all up to `commit` are committed."""

    term: int
    previous_index: int
    previous_term: int
    commit: int
    entries: tuple[Entry, ...]


class Appended(NamedTuple):
    """My log is yours up to index `at`, and that is on my disk.

    If `refused`, it has no such entry at `at`, or you are of an old term; up to `hint_index`, of `hint_term`, it may
    be the same.
    """

    term: int
    at: int
    refused: bool
    hint_index: int
    hint_term: int


class Heartbeat(NamedTuple):
    """I lead. All up to `commit` is committed, which you have said that you have. `round` counts heartbeats."""

    term: int
    commit: int
    round: int


class HeartbeatAnswer(NamedTuple):
    term: int
    round: int


class SnapshotChunk(NamedTuple):
    """A piece of a snapshot, from `offset`; the end of it if `last`."""

    term: int
    snapshot: Snapshot
    offset: int
    data: bytes
    last: bool


class SnapshotReceived(NamedTuple):
    """I have that snapshot below `offset`: go on from there. `Appended` says that it is installed."""

    term: int
    id: bytes
    offset: int


class TimeoutNow(NamedTuple):
    """Stand for election at once (dissertation section 3.10)."""

    term: int


class ReadIndex(NamedTuple):
    """Up to where must I have applied, to read what is newest now? `context` is never used again."""

    term: int
    context: int


class ReadIndexAnswer(NamedTuple):
    term: int
    context: int
    commit: int


Message = (
    RequestVote | Vote
    | AppendEntries | Appended
    | Heartbeat | HeartbeatAnswer
    | SnapshotChunk | SnapshotReceived
    | TimeoutNow
    | ReadIndex | ReadIndexAnswer
)  # fmt: skip


KINDS_OF_MESSAGES: tuple[type[Message], ...] = get_args(Message)


def check(message: Message) -> None:
    """MessageError if no node would send this, though all its fields are of their types."""
    if isinstance(message, AppendEntries):
        _check_entries(message.entries, message.term, message.previous_term)
    elif isinstance(message, SnapshotChunk):
        snapshot = message.snapshot
        if (
            not 0 < snapshot.last_term <= message.term
            or not snapshot.last_index
            or not checked(snapshot.configuration).voters
        ):
            raise MessageError("not a snapshot that a leader would send")


def _check_entries(entries: tuple[Entry, ...], term: int, previous_term: int) -> None:
    for entry in entries:
        if not previous_term <= entry.term <= term or entry.kind not in KINDS:
            raise MessageError(f"an entry of term {entry.term} and kind {entry.kind} after one of {previous_term}")
        previous_term = entry.term
        if entry.kind == CONFIGURATION:
            Configuration.from_bytes(entry.data)
