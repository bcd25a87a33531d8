"""The one thread that acts: it takes what changed to the disk and tells the callers.

A round always goes persist -> send -> deliver -> settle; that order is the contract:

1. persist  everything that changed since the last round becomes durable in one transaction.
2. send     only what is durable may leave the node: a dot that was sent and then lost in a crash
            would be given out twice, and no merge repairs that. (No mode that sends is built yet.)
3. deliver  what came from other nodes is merged into the store. (Likewise.)
4. settle   the callers whose promise now holds are woken.

Many callers share one round, and so one fsync (group commit). Without a caller waiting, a round
starts `flush_interval` after the first change; with one, at once.

A storage that failed is never tried again: after a failed fsync the kernel may have dropped the
very pages that failed, and a second fsync that succeeds proves nothing (Rebello et al., "Can
Applications Recover from fsync Failures?", USENIX ATC 2020). The node stops acknowledging instead.
"""

import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from replication.access import Slot
from replication.config import Config
from replication.errors import OutcomeUnknown, Overloaded, ReplicationError, Unavailable
from replication.storage import Batch, Storage
from replication.store import Store

# Seconds without a change after which the storage may tidy up.
_IDLE_AFTER = 0.05
# Seconds that a round waits for agents whose update_fn is running, before it goes on without them.
_PATIENCE = 0.002


class Ticket:
    """A caller's wait for the round that makes its change durable."""

    __slots__ = ("error", "op_id", "settle", "slots")

    def __init__(self, slots: set[Slot] | None, settle: Callable[["Ticket"], None], op_id: str | None = None) -> None:
        self.slots = slots  # None: everything that is dirty now
        self.settle = settle
        self.op_id = op_id
        self.error: ReplicationError | None = None


class Driver:
    """Runs the rounds of one node. `on_failure` is called once, with what every later call must raise."""

    def __init__(self, storage: Storage, config: Config, on_failure: Callable[[Unavailable], None]) -> None:
        self._storage = storage
        self._config = config
        self._on_failure = on_failure
        self._condition = threading.Condition(threading.Lock())
        self._asleep = False
        self._stopping = False
        self._tickets: list[Ticket] = []
        self._volatile = storage.path is None
        self._store: Store
        self._thread = threading.Thread(target=self._run, name="replication-driver", daemon=True)
        self.failure: Unavailable | None = None
        self.rounds = self.rows = self.bytes = 0
        self.last_seconds = self.longest_seconds = self.total_seconds = 0.0

    def start(self, store: Store) -> None:
        self._store = store
        self._thread.start()

    # Called by any thread

    def wake(self) -> None:
        """Something is dirty. Cheap unless the thread sleeps, which it does once a round."""
        if self._asleep and not self._volatile:
            with self._condition:
                self._condition.notify()

    def submit(self, ticket: Ticket) -> None:
        """Have the ticket settled by the first round that covers it."""
        with self._condition:
            if self.failure is None and self._thread.is_alive():
                self._tickets.append(ticket)
                self._condition.notify()
                return
        self._refuse([ticket])

    def wait(self, slots: set[Slot] | None, timeout: float | None, op_id: str | None = None) -> None:
        """Block until what is changed now is durable. OutcomeUnknown after `timeout` seconds."""
        done = threading.Lock()
        done.acquire()
        ticket = Ticket(slots, lambda _: done.release(), op_id)
        self.submit(ticket)
        if not done.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            raise still_waiting(timeout, op_id)
        if ticket.error is not None:
            raise ticket.error

    def wait_for_memory(self) -> None:
        """Block until a round has passed, so that agents may leave memory."""
        try:
            self.wait(set(), self._config.memory_wait)
        except OutcomeUnknown as error:
            if self.failure is not None:
                raise self.failure from None
            raise Overloaded(
                f"all {self._config.max_agents_in_memory} agents in memory hold changes that the disk did not take "
                f"within memory_wait={self._config.memory_wait} s: nothing was applied; slow down, "
                "or raise max_agents_in_memory",
                limit="max_agents_in_memory",
            ) from error

    def stop(self) -> None:
        """Run the rounds that are due, then end the thread."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join()

    def status(self) -> dict[str, Any]:
        return {
            "rounds": self.rounds,
            "rows": self.rows,
            "bytes": self.bytes,
            "last_seconds": self.last_seconds,
            "mean_seconds": self.total_seconds / max(1, self.rounds),
            "longest_seconds": self.longest_seconds,
        }

    # The thread

    def _run(self) -> None:
        tickets: list[Ticket] = []
        try:
            while not (self._stopping and self._store.dirty_count == 0 and not self._tickets):
                if not self._sleep(self._is_due, _IDLE_AFTER):
                    self._storage.rest(idle=True)
                    self._sleep(self._is_due, None)
                if not self._volatile:
                    self._sleep(self._is_urgent, self._config.flush_interval)
                with self._condition:
                    tickets, self._tickets = self._tickets, []
                uncovered = self._round(tickets)
                with self._condition:
                    self._tickets += uncovered
                tickets = []  # those that are settled must not be told of an error that comes later
                self._storage.rest(idle=False)
        except BaseException as error:
            self._fail(error, tickets)

    def _sleep(self, until: Callable[[], bool], timeout: float | None) -> bool:
        """Whether it holds within so many seconds."""
        with self._condition:
            self._asleep = True
            holds = self._condition.wait_for(until, timeout)
            self._asleep = False
        return holds

    def _is_urgent(self) -> bool:
        return bool(self._tickets) or self._stopping

    def _is_due(self) -> bool:
        return self._is_urgent() or (not self._volatile and self._store.dirty_count > 0)

    def _round(self, tickets: list[Ticket]) -> list[Ticket]:
        """One round; the tickets it does not cover."""
        batch = Batch()
        taken, left = self._store.collect(batch, patience=_PATIENCE)
        self._persist(batch)
        # send: to nobody yet.   deliver: from nobody yet.
        self._store.settled(taken)
        return self._settle(tickets, left)

    def _persist(self, batch: Batch) -> None:
        if not batch:
            return
        started = perf_counter()
        self._storage.write(batch)
        self.last_seconds = perf_counter() - started
        self.longest_seconds = max(self.longest_seconds, self.last_seconds)
        self.total_seconds += self.last_seconds
        self.rounds += 1
        self.rows += len(batch.parts) + len(batch.operations)
        self.bytes += sum(len(part.data) for part in batch.parts)

    def _settle(self, tickets: list[Ticket], left: set[Slot]) -> list[Ticket]:
        uncovered = []
        for ticket in tickets:
            waits_for = left if ticket.slots is None else ticket.slots & left
            if waits_for:
                ticket.slots = waits_for
                uncovered.append(ticket)
            else:
                ticket.settle(ticket)
        return uncovered

    def _fail(self, error: BaseException, tickets: list[Ticket]) -> None:
        where = self._storage.path or "memory"
        failure = Unavailable(
            f"the store at {where} failed and this node acknowledges nothing any more: {error} "
            "What memory holds can still be read. Close the node, look after the disk, and open it again"
        )
        failure.__cause__ = error
        with self._condition:
            self.failure = failure
            tickets = tickets + self._tickets
            self._tickets = []
        self._on_failure(failure)
        self._refuse(tickets)

    def _refuse(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            ticket.error = OutcomeUnknown(
                "the change is applied in memory and may or may not be on disk: "
                f"{self.failure or 'the node was closed meanwhile'}",
                op_id=ticket.op_id,
            )
            ticket.error.__cause__ = self.failure
            ticket.settle(ticket)


def still_waiting(timeout: float | None, op_id: str | None) -> OutcomeUnknown:
    """The error of a caller that stops waiting for the disk."""
    return OutcomeUnknown(
        f"the change is applied in memory, but was not on disk within {timeout} s. It will be unless the disk fails: "
        "flush() waits for it, or repeat the call with the same op_id",
        op_id=op_id,
    )
