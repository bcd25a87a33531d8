from collections.abc import Callable, Iterable
from typing import Any, final

from typing_extensions import disjoint_base

from crdt import VersionVector
from replication.arguments import Plan
from replication.changes import Changes
from replication.driver import Driver
from replication.errors import ReplicationError
from replication.slot import Guarded, Slot
from replication.store import Store
from replication.ticket import Ticket
from replication.transaction import Transactions
from replication.turnstile import Turnstile
from replication.watch import Watchers

BUSY: object

@final
class UpdateResult:
    @property
    def value(self) -> Any: ...
    @property
    def outcome(self) -> str: ...
    @property
    def consistency(self) -> str: ...
    @property
    def version(self) -> VersionVector: ...
    @property
    def acks(self) -> int: ...
    @property
    def replayed(self) -> bool: ...
    @property
    def elapsed(self) -> float: ...
    def __init__(
        self,
        value: Any,
        outcome: str,
        consistency: str,
        version: VersionVector,
        elapsed: float,
        acks: int = 0,
        replayed: bool = False,
    ) -> None: ...

@disjoint_base
class Access:
    _slots: dict[str, Slot]
    _store: Store
    _changes: Changes
    _driver: Driver
    _transactions: Transactions
    _watchers: Watchers
    _plans: dict[str, Plan]
    _refuse: Callable[[], ReplicationError] | None
    _refuse_reads: Callable[[], ReplicationError] | None
    _volatile: bool
    def _pass_through(self, turnstile: Turnstile) -> None: ...
    def update_state(
        self,
        agent_id: str,
        update_fn: Callable[[Any], Any],
        consistency: str = "reactive",
        *,
        timeout: float | None = None,
        durable: bool = False,
        acks: int | str = 0,
        op_id: str | None = None,
        expected: VersionVector | None = None,
        fallback: Iterable[str] = (),
    ) -> UpdateResult: ...
    def read_state(
        self,
        agent_id: str,
        fn: Callable[[Any], Any] | None = None,
        *,
        consistency: str = "reactive",
        timeout: float | None = None,
    ) -> Any: ...
    def _prepare(
        self, agent_id: str, consistency: str, timeout: float | None, acks: int | str, fallback: Iterable[str]
    ) -> Plan | None: ...
    def _run_now(
        self,
        agent_id: str,
        update_fn: Callable[[Any], Any],
        op_id: str | None,
        expected: VersionVector | None,
        started: float,
        plan: Plan | None,
        ticket: Ticket | None,
    ) -> UpdateResult | None: ...
    def _look_now(self, agent_id: str, fn: Callable[[Any], Any] | None, is_unknown: bool) -> Any: ...
    def _keep_out(self, thread: int) -> None: ...
    def _run_on(self, place: Guarded, fn: Any, /) -> Any: ...
    def _mark_elapsed(self, result: UpdateResult, started: float) -> None: ...
    def _mark_durable(self, result: UpdateResult, started: float) -> None: ...
    def _mark_carried(self, result: UpdateResult, ticket: Ticket, started: float) -> None: ...
    def _check_read(self, consistency: str, timeout: float | None, /) -> bool: ...
    def _arrive(self, agent_id: str) -> None: ...
