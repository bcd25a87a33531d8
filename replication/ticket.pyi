from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Iterable, Set
from typing import final

from typing_extensions import disjoint_base

from replication.errors import ReplicationError
from replication.slot import Slot

@disjoint_base
class Ticket:
    slots: set[Slot] | None
    op_id: str | None
    acks: int | str
    error: ReplicationError | None
    mode: int
    count: int
    is_stored: bool
    is_settled: bool
    abandoned: bool
    def __init__(
        self,
        slots: set[Slot] | None,
        settle: Callable[[Ticket], None],
        op_id: str | None = None,
        mode: int = 0,
        acks: int | str = 0,
    ) -> None: ...
    @property
    def acked(self) -> Set[str]: ...
    def acknowledge(self, peer: str, /) -> None: ...
    def recount(self, count: int, /) -> None: ...
    def finish(self, /) -> None: ...
    def refuse(self, why: str, cause: BaseException | None, /) -> None: ...
    def give_up(self, timeout: float | None, /) -> ReplicationError: ...

@final
class FutureTicket(Ticket):
    @property
    def future(self) -> Future[None]: ...
    def __init__(
        self, slots: set[Slot] | None, op_id: str | None = None, mode: int = 0, acks: int | str = 0
    ) -> None: ...
    def unlimit(self, /) -> None: ...
    def limit(self, seconds: float, /) -> None: ...

@final
class Waits:
    def __init__(self, loop: AbstractEventLoop) -> None: ...
    def finish(self, /) -> None: ...
    def expire(self, /) -> None: ...

def named(names: Iterable[str], /) -> str: ...
