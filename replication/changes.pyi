from collections.abc import Callable, Iterable
from typing import Any, final

from replication.config import Config
from replication.core import Change, Tell, Told
from replication.messages import Item
from replication.operations import OperationTable
from replication.slot import Slot
from replication.storage import Batch
from replication.sync.summary import Summary
from replication.ticket import Ticket

OUTCOMES: tuple[str, ...]
LANDED: int
NO_NEWS: int
RETIRED: int
BEHIND: int

@final
class Round:
    @property
    def taken(self) -> list[tuple[Slot, bytes]]: ...
    @property
    def left(self) -> set[Slot]: ...
    @property
    def changes(self) -> list[Change]: ...
    @property
    def told(self) -> list[Told]: ...
    @property
    def unmet(self) -> list[Tell]: ...

@final
class Changes:
    def __init__(
        self,
        config: Config,
        operations: OperationTable,
        summary: Summary,
        slots: dict[str, Slot],
        acquire: Callable[..., Slot | None],
        wake: Callable[[], None],
    ) -> None: ...
    @property
    def dirty_count(self) -> int: ...
    @property
    def merged_count(self) -> int: ...
    def dirty_agents(self) -> list[str]: ...
    def mark(self, slot: Slot) -> None: ...
    def mark_merged(self, slot: Slot) -> None: ...
    def land(
        self,
        items: tuple[Item, ...],
        outcomes: list[str | None],
        unwritten: set[Slot],
        held_back_max: int | None,
        watching: Callable[[str], Any] | None,
        /,
    ) -> None: ...
    def remember(self, slot: Slot, op_id: str, data: bytes, number: int, /) -> None: ...
    def carry(self, slot: Slot, ticket: Ticket) -> None: ...
    def promote(self, slots: Iterable[Slot] | None = None, /) -> None: ...
    def collect(self, round: Round, batch: Batch, patience: float, wishes: dict[str, list[Tell]], /) -> None: ...
    def settled(self, round: Round, now: float, /) -> None: ...

def account(slot: Slot, size: int, snapshot: bool) -> None: ...
def take_tickets(slots: Iterable[Slot], /) -> list[Ticket]: ...
