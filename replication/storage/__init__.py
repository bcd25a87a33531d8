"""What a node needs of a disk: the port that every storage fills.

To a storage an agent is a numbered run of byte strings, the oldest a snapshot, the others deltas.
It knows nothing of what they mean, of agents in memory, or of when to write: the driver calls
`write` with everything that changed, and a storage makes that one atomic, durable step.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from replication.identity import Identity


class Part(NamedTuple):
    """One byte string of an agent. A snapshot replaces every part below its number."""

    agent_id: str
    number: int
    data: bytes
    snapshot: bool


class Operation(NamedTuple):
    """The remembered result of one `op_id`; `number` orders them by age."""

    op_id: str
    number: int
    data: bytes


class Batch:
    """What one flush makes durable, all or nothing."""

    __slots__ = ("forgotten", "operations", "parts")

    def __init__(
        self,
        parts: Iterable[Part] = (),
        operations: Iterable[Operation] = (),
        forgotten: Iterable[Operation] = (),
    ) -> None:
        self.parts = list(parts)
        self.operations = list(operations)
        self.forgotten = list(forgotten)

    def __bool__(self) -> bool:
        return bool(self.parts or self.operations or self.forgotten)


class Loaded(NamedTuple):
    """An agent as it was read: its parts in order, and the number the next part takes."""

    parts: list[bytes]
    next_number: int


class Storage(Protocol):
    """A store of agents. `write`, `rest` and `close` are called by one thread; the rest by any."""

    @property
    def path(self) -> str | None:
        """Where it is, for messages; None if nothing outlives the process."""

    @property
    def identity(self) -> Identity:
        """Who writes; durable before this storage was handed out."""

    def load(self, agent_id: str) -> Loaded:
        """Every part of an agent, checked; no parts if it is not stored. CorruptStore if damaged."""

    def agents(self) -> Iterator[str]:
        """The ids of all stored agents in byte order, read as they are asked for."""

    def agent_count(self) -> int:
        """How many agents are stored. O(1)."""

    def operations(self) -> list[Operation]:
        """All remembered operations, oldest first."""

    def write(self, batch: Batch) -> None:
        """Make the batch durable in one transaction. After an error nothing may be written again."""

    def rest(self, idle: bool) -> None:
        """Housekeeping that no caller waits for, between two writes; `idle` if nothing is waiting."""

    def bytes_on_disk(self) -> int:
        """The size of everything it keeps."""

    def close(self, clean: bool) -> None:
        """Release it; `clean` if everything that was ever given out has been written."""
