"""Mistakes for the processes to make, so that the harness can be seen to find them. Each patches its own process."""

import time
from collections.abc import Callable
from typing import Any


def _wake_before_the_write() -> None:
    from replication.event_loop import EventLoopRuntime

    write = EventLoopRuntime.write

    def planted(self: Any, storage: Any, batch: Any, done: Any) -> None:
        driver = done.__self__
        round, tickets, readies, at = driver._writing
        driver._writing = round, [], readies, at
        for ticket in tickets:
            ticket.finish()
        time.sleep(0.1)
        write(self, storage, batch, done)

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


# ---- in the mode `replicated`


def _promise_what_the_disk_will_have() -> None:
    """A vote and entries are said to be durable a while before they are."""
    from replication.core import Ready
    from replication.strong.core import StrongCore

    persist, tick = StrongCore._persist, StrongCore.tick
    kept: list[tuple[float, Ready]] = []

    def planted(self: Any, write: Any, base: Any) -> None:
        persist(self, write, base)
        kept.append((self._now + 1.0, Ready(persist=self._out.pop().persist)))
        self.raft.persisted(write.number, self._now)

    def late(self: Any, now: float) -> None:
        while kept and kept[0][0] <= now:
            self._out.append(kept.pop(0)[1])
        tick(self, now)

    StrongCore._persist, StrongCore.tick = planted, late  # type: ignore[method-assign]


def _read_without_asking() -> None:
    from replication.strong.calls import Calls

    async def planted(self: Any, timeout: float | None) -> None:
        pass

    Calls.wait_to_read = lambda self, timeout: None  # type: ignore[method-assign]
    Calls.await_to_read = planted  # type: ignore[method-assign]


def _lead_for_ever() -> None:
    """Who leads takes it for granted that nobody else does, and that all others listen."""
    from replication.raft.leader import Leader

    Leader._heard = lambda self, voter: self._state.now  # type: ignore[method-assign]
    Leader._holds_lease = property(lambda self: self._has_committed)  # type: ignore[method-assign, assignment]


def _take_an_op_id_for_another() -> None:
    from replication.strong.calls import Calls

    change = Calls.change

    def planted(self: Any, agent_id: str, fn: Any, op_id: Any, *more: Any) -> Any:
        return change(self, agent_id, fn, None, *more)

    Calls.change = planted  # type: ignore[method-assign]


def _take_a_conflict_for_committed() -> None:
    from replication.strong.calls import Calls

    result = Calls._result

    def planted(self: Any, joined: Any, ticket: Any) -> Any:
        is_conflict = joined.attempt is not None and joined.attempt.verdict == "conflict" and ticket.error is None
        return joined.result if is_conflict else result(self, joined, ticket)

    Calls._result = planted  # type: ignore[method-assign]


def _mind_the_clock() -> None:
    """What the log brings is held back when its stamps are far ahead of this node's clock."""
    from replication.delivery import Deliveries

    deliver = Deliveries.deliver

    def planted(self: Any, delivery: Any, outcomes: list[str | None], unwritten: set[Any]) -> bool:
        return deliver(self, delivery._replace(is_ordered=False), outcomes, unwritten)

    Deliveries.deliver = planted  # type: ignore[method-assign]


PLANTED: dict[str, Callable[[], None]] = {
    "callers are woken before the write": _wake_before_the_write,
    "a delta is acknowledged and thrown away": _acknowledge_without_landing,
    "an op_id is not remembered": _forget_operations,
}
STRONG_PLANTED: dict[str, Callable[[], None]] = {
    "a verdict does not wait for the disk": _promise_what_the_disk_will_have,
    "a read asks nobody": _read_without_asking,
    "a leader does not ask whether it leads": _lead_for_ever,
    "an op_id asked for again is another": _take_an_op_id_for_another,
    "a conflict is answered as committed": _take_a_conflict_for_committed,
    "the log waits for the clock": _mind_the_clock,
}
