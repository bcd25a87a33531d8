"""What a node needs of a disk: the port that every storage fills.

To a storage an agent is a numbered run of byte strings, the oldest a snapshot, the others deltas.
It knows nothing of what they mean, of agents in memory, or of when to write: the driver calls
`write` with everything that changed, and a storage makes that one atomic, durable step.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from replication.identity import Identity
from replication.storage.buckets import BUCKETS


class Part(NamedTuple):
    """One byte string of an agent. A snapshot replaces every part below its number.

    `digest` is that of the agent's state once this part is applied, 16 bytes.
    """

    agent_id: str
    number: int
    data: bytes
    snapshot: bool
    digest: bytes


class Operation(NamedTuple):
    """The remembered result of one `op_id`; `number` orders them by age."""

    op_id: str
    number: int
    data: bytes


class Note(NamedTuple):
    """What a core keeps for itself: the members it met, a term, a vote.

    Replaces the one of the same key; empty `data` removes it.
    """

    key: str
    data: bytes


class Record(NamedTuple):
    """The next of the records that a core keeps in order, such as a log of entries. Numbers rise by one from 1."""

    number: int
    data: bytes


class Trim(NamedTuple):
    """Records of lower numbers go."""

    below: int


class Batch:
    """What one flush makes durable, all or nothing.

    records_below  records of lower numbers go
    """

    __slots__ = ("forgotten", "notes", "operations", "parts", "records", "records_below")

    def __init__(
        self,
        parts: Iterable[Part] = (),
        operations: Iterable[Operation] = (),
        forgotten: Iterable[Operation] = (),
        notes: Iterable[Note] = (),
        records: Iterable[Record] = (),
        records_below: int = 0,
    ) -> None:
        self.parts = list(parts)
        self.operations = list(operations)
        self.forgotten = list(forgotten)
        self.notes = list(notes)
        self.records = list(records)
        self.records_below = records_below

    def keep(self, each: "Iterable[Note | Record | Trim]") -> None:
        """Take in what a core wants kept, in its order."""
        for one in each:
            if isinstance(one, Note):
                self.notes.append(one)
            elif isinstance(one, Record):
                self.records.append(one)
            else:
                self.records_below = max(self.records_below, one.below)

    def __bool__(self) -> bool:
        return bool(self.parts or self.operations or self.forgotten or self.notes or self.records or self.records_below)


class Loaded(NamedTuple):
    """An agent as it was read: its parts in order, the number the next part takes, and the newest part's digest."""

    parts: list[bytes]
    next_number: int
    digest: bytes


class Storage(Protocol):
    """A store of agents. `write`, `begin`, `end`, `rest` and `close` are called by one thread; the others by any."""

    @property
    def path(self) -> str | None:
        """Where it is, for messages; None if nothing outlives the process."""

    @property
    def identity(self) -> Identity:
        """Who writes; durable before this storage was handed out."""

    def load(self, agent_id: str) -> Loaded:
        """Every part of an agent, checked; no parts if it is not stored. CorruptStore if damaged."""

    def agents(self) -> Iterator[str]:
        """The ids of all stored agents in the order of `buckets.key_of`, read as they are asked for."""

    def agent_count(self) -> int:
        """How many agents are stored. O(1)."""

    def digest(self, agent_id: str) -> bytes:
        """The newest digest of an agent; b"" if it is not stored. Reads no part's data."""

    def heads(self, first: int = 0, beyond: int = BUCKETS) -> Iterator[tuple[str, bytes]]:
        """The id and newest digest of the agents in a stretch of buckets, in order, read as they are asked for.

        Reads no part's data.
        """

    def sums(self) -> "array[int]":
        """For each bucket the sum of `buckets.leaf_of` over its agents, modulo 2**64; the caller may keep it.

        O(1) once after opening, later O(agents).
        """

    def operations(self) -> list[Operation]:
        """All remembered operations, oldest first."""

    def notes(self) -> dict[str, bytes]:
        """All notes, by key."""

    def records(self) -> list[Record]:
        """All records in order, as they were when the store was opened."""

    def write(self, batch: Batch) -> None:
        """Make the batch durable in one transaction. After an error nothing may be written again."""

    def begin(self, batch: Batch) -> int | None:
        """Write the batch in one transaction: it is durable once this file is synced, and at once if there is none.

        `end` must follow, before anything else is written. After an error nothing may be written again.
        """

    def end(self, error: int) -> None:
        """The file is synced, which ended with that errno, or 0. StoreError if that was not all."""

    def rest(self, idle: bool) -> None:
        """Housekeeping that no caller waits for, between two writes; `idle` if nothing is waiting."""

    def bytes_on_disk(self) -> int:
        """The size of everything it keeps."""

    def close(self, clean: bool) -> None:
        """Release it; `clean` if everything that was ever given out has been written."""
