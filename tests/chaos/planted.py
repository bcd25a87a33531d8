"""Mistakes for the processes to make, so that the harness can be seen to find them. Each patches its own process."""

import time
from collections.abc import Callable
from typing import Any


def _wake_before_the_write() -> None:
    from replication.event_loop import EventLoopRuntime

    write = EventLoopRuntime.write

    def planted(self: Any, storage: Any, batch: Any, done: Any, **how: Any) -> None:
        driver = done.__self__
        round, tickets, readies, at = driver._writing
        driver._writing = round, [], readies, at
        for ticket in tickets:
            ticket.finish()
        time.sleep(0.1)
        write(self, storage, batch, done, **how)

    EventLoopRuntime.write = planted  # type: ignore[method-assign]


def _acknowledge_without_landing() -> None:
    """A delta is thrown away, said to be here, and the sum of all agents is made to look as if it were."""
    from replication.delivery import Deliveries
    from replication.sync.core import Sync

    deliver = Deliveries.deliver

    def planted(self: Any, delivery: Any, outcomes: Any, unwritten: Any) -> Any:
        for place, item in enumerate(delivery.items):
            if item.agent_id == "hot-1":
                outcomes[place] = "known"
        return deliver(self, delivery, outcomes, unwritten)

    def repair(self: Any, peer: Any, agent_ids: Any, now: float) -> None:
        pass

    Deliveries.deliver = planted  # type: ignore[method-assign]
    Sync.repair = repair  # type: ignore[method-assign]


def _forget_operations() -> None:
    from replication.operations import OperationTable

    def planted(self: Any, op_id: str) -> None:
        return None

    OperationTable.get = planted  # type: ignore[method-assign]


PLANTED: dict[str, Callable[[], None]] = {
    "callers are woken before the write": _wake_before_the_write,
    "a delta is acknowledged and thrown away": _acknowledge_without_landing,
    "an op_id is not remembered": _forget_operations,
}
