from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from typing import Any, final

from typing_extensions import disjoint_base

from crdt import VersionVector
from replication.access import UpdateResult
from replication.slot import Guarded, Slot
from replication.store import Store
from replication.strong.attempt import Attempt
from replication.ticket import Ticket
from replication.transaction import Transactions

TOGETHER_MAX: int

class Wait(Enum):
    BUSY = ...
    FULL = ...
    ABSENT = ...

@final
class Change:
    def __init__(
        self,
        agent_id: str,
        fn: Callable[[Any], Any],
        op_id: str | None,
        expected: VersionVector | None,
        timeout: float | None,
        now: float,
        has_weaker: bool,
    ) -> None: ...
    @property
    def agent_id(self) -> str: ...
    @property
    def fn(self) -> Callable[[Any], Any]: ...
    @property
    def op_id(self) -> str | None: ...
    @property
    def expected(self) -> VersionVector | None: ...
    @property
    def timeout(self) -> float | None: ...
    @property
    def deadline(self) -> float: ...
    @property
    def led_by(self) -> float: ...

@final
class Joined:
    def __init__(self, result: UpdateResult, attempt: Attempt | None) -> None: ...
    @property
    def result(self) -> UpdateResult: ...
    @property
    def attempt(self) -> Attempt | None: ...

@final
class Head(Guarded):
    version: VersionVector
    asked: str | None
    open: Attempt | None
    under_way: Attempt | None
    is_due: bool
    is_wanted: bool
    used: bool
    late_at: int
    most: int
    def __init__(self, agent_id: str) -> None: ...
    @property
    def is_idle(self) -> bool: ...

@disjoint_base
class Heads:
    _heads: OrderedDict[str, Head]
    _store: Store
    _slots: dict[str, Slot]
    _transactions: Transactions
    _group: Callable[[], str]
    _run_on: Callable[[Head, Any], Any]
    def join(self, change: Change, ticket: Ticket, patience: float | None, /) -> Joined | Wait: ...
