"""What acts: it takes what changed to the disk, what is durable to other nodes, and tells the callers.

Everything here runs in the one thread of the node's runtime, in two kinds of steps:

- a **flush** makes everything that changed since the last one durable in one transaction, and only
  then hands it to the cores, to be told to others. Many callers share one flush, and so one fsync
  (group commit). Without a caller waiting, a flush starts `flush_interval` after the first change;
  with one, at once. What others changed, and have on their disks, is taken along only every
  `merge_flush_interval`, unless somebody waits for it: it gathers, and is written once.
- a **pump** does what the cores want done, each `Ready` in the order persist -> send -> deliver ->
  settle (`core`). What a Ready wants persisted goes with the next flush, and the rest of that Ready
  waits for it. A delta that a core wishes to have told is made by a flush too, so that nothing ever
  leaves the node that its disk does not hold: a dot that was sent and then lost in a crash would be
  given out twice, and no merge repairs that.

A storage that failed is never tried again: after a failed fsync the kernel may have dropped the
very pages that failed, and a second fsync that succeeds proves nothing (Rebello et al., "Can
Applications Recover from fsync Failures?", USENIX ATC 2020). The node stops acknowledging instead.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from replication.arguments import Plan
from replication.awaiting import Promise, blocked
from replication.changes import Changes, Round, take_tickets
from replication.config import Config
from replication.core import Core, Ready
from replication.delivery import Deliveries
from replication.errors import Unavailable
from replication.pump import Carriers, Pump
from replication.runtime import Runtime, Timer
from replication.slot import Slot
from replication.storage import Batch, Note, Storage
from replication.store import Store
from replication.ticket import Ticket

if TYPE_CHECKING:
    from replication.messages import Message

# Seconds without a change after which the storage may tidy up.
_IDLE_AFTER = 0.05
# Seconds that a flush waits for agents whose update_fn is running, before it goes on without them.
_PATIENCE = 0.002
# After a flush that so many callers had waited for, the next one waits so many seconds for its callers to gather:
# they have just been woken, and most are about to come back.
_CROWD = 8
_GATHER = 0.001
# Seconds after which what could not be done because an agent was busy is tried again.
_AGAIN_AFTER = 0.001


class Driver:
    """Runs one node. `on_failure` is called once, with what every later call must raise."""

    def __init__(
        self, storage: Storage, config: Config, runtime: Runtime, on_failure: Callable[[Unavailable], None]
    ) -> None:
        self._storage = storage
        self._config = config
        self._runtime = runtime
        self._on_failure = on_failure
        # A node without a disk and without others has nothing to flush for.
        self._flushes_by_itself = storage.path is not None
        self._store: Store
        self._changes: Changes
        self._carriers: Carriers
        self._pump: Pump
        # Shared with callers' threads.
        self._tickets: deque[Ticket] = deque()
        # Of cores that wait for the disk without hurry: settled by a flush of what others changed.
        self._patient: list[Ticket] = []
        self._asleep, self._is_hurried, self.has_ended = True, False, False
        # The rest belongs to the runtime's thread.
        self._timer: Timer | None = None
        self._idle_timer: Timer | None = None
        self._merge_timer: Timer | None = None
        self._merged_is_due = False
        self._writing: tuple[Round, list[Ticket], list[tuple[Core, Ready]], float] | None = None
        self._notes: dict[str, Note] = {}
        self._crowd = 0  # callers that the last flush was for
        self._tick_due = self._rests_at = 0.0
        self._is_ticking = False
        self.failure: Unavailable | None = None
        self.rounds = self.rows = self.bytes = 0
        self.last_seconds = self.longest_seconds = self.total_seconds = 0.0

    def start(self, store: Store, deliveries: Deliveries, carriers: Carriers) -> None:
        self._store = store
        self._changes = store.changes
        self._carriers = carriers
        self._pump = Pump(carriers, deliveries, self._runtime, self._add_ticket, self._hurry_inside)
        self._runtime.start(self._fail)

    def connect(self) -> None:
        """From now on there are other nodes, or may be. In the runtime's thread."""
        self._flushes_by_itself = True
        if not self._is_ticking:
            self._is_ticking = True
            self._tick_due = self._runtime.time()
            self._tick()

    # Called by any thread

    def keep_time(self) -> None:
        """Have time pass in the cores, also where there is nobody else."""
        if not self._is_ticking:
            self._runtime.call_soon(self.connect)

    def wake(self) -> None:
        """Something is dirty. Cheap unless the driver sleeps, which it does once a flush."""
        if self._asleep and self._flushes_by_itself:
            self._asleep = False
            try:
                self._runtime.call_soon(self._next)
            except BaseException:  # of a signal's handler: others rely on it, so once more
                self._runtime.call_soon(self._next)
                raise

    def submit(self, ticket: Ticket) -> None:
        """Have the ticket settled by the first flush that covers it."""
        self._tickets.append(ticket)
        self.hurry()

    def hurry(self) -> None:
        """Flush at once."""
        if self.failure is not None or self.has_ended:
            self._refuse_all()
        elif not self._is_hurried:
            self._is_hurried = True
            try:
                self._runtime.call_soon(self._flush_soon)
            except BaseException:  # likewise
                self._runtime.call_soon(self._flush_soon)
                raise

    def carried(self, ticket: Ticket) -> None:
        """An agent holds this ticket since a moment ago: flush at once, or refuse it if that will not be."""
        self.hurry()
        if self.failure is not None or self.has_ended:
            ticket.refuse(self._why(), self.failure)

    def promise(self, slot: Slot, plan: Plan, op_id: str | None) -> Promise:
        """Have the slot's change carried. The caller holds its lock, and gives it back before it waits in `keep`."""
        waiter = self._runtime.waiter()
        ticket = Ticket(None, lambda _: waiter.done(), op_id, plan.rank, plan.acks)
        self._changes.carry(slot, ticket)
        return Promise(ticket, waiter)

    def keep(self, promise: Promise, left: float | None, timeout: float | None) -> None:
        """Block until the promise holds; Timeout or OutcomeUnknown when `left` seconds are over."""
        self.carried(promise.ticket)
        blocked(promise, left, timeout)

    def wait(self, slots: set[Slot] | None, timeout: float | None, op_id: str | None = None) -> None:
        """Block until what is changed now is durable. OutcomeUnknown after `timeout` seconds."""
        waiter = self._runtime.waiter()
        ticket = Ticket(slots, lambda _: waiter.done(), op_id)
        self.submit(ticket)
        blocked(Promise(ticket, waiter), timeout, timeout)

    def stop(self) -> None:
        """End the runtime. What is dirty should have been waited for."""
        self.has_ended = True
        self._runtime.stop()
        self._give_up_writing()
        self._refuse_all()

    def status(self) -> dict[str, Any]:
        return {
            "rounds": self.rounds,
            "rows": self.rows,
            "bytes": self.bytes,
            "last_seconds": self.last_seconds,
            "mean_seconds": self.total_seconds / max(1, self.rounds),
            "longest_seconds": self.longest_seconds,
        }

    # Called by the links

    def receive(self, peer: str, message: "Message") -> None:
        """A message came. What it leads to is done once for all that came in the same moment."""
        self._pump.step(peer, message)

    def run_soon(self, core: Core | None = None) -> None:
        """That core, or any, may have something to do."""
        self._pump.run_soon(core)

    def run_now(self, core: Core | None = None) -> None:
        """As `run_soon`, and have it done at once."""
        self._pump.run(core)

    def keep_note(self, note: Note) -> None:
        """Write a note with one of the next flushes."""
        self._notes[note.key] = note
        self._next()

    # Flushing

    def _next(self) -> None:
        """Decide when the next flush is."""
        if self._writing is not None or self.failure is not None or self._is_hurried:
            return
        if self._changes.merged_count:
            self._flush_merged_later()
        if self._tickets or self._merged_is_due or self._pump.wants_flush:
            self._hurry_inside()
        elif self._notes or (self._changes.dirty_count and self._flushes_by_itself):
            if self._timer is None:
                self._timer = self._runtime.call_later(self._config.flush_interval, self._flush)
        else:
            self._asleep = True
            if self._tickets or (self._changes.dirty_count and self._flushes_by_itself):  # since just now
                self.wake()
            elif self._idle_timer is None:
                self._idle_timer = self._runtime.call_later(_IDLE_AFTER, self._idle)

    def _hurry_inside(self) -> None:
        if not self._is_hurried and self.failure is None:
            self._is_hurried = True
            self._runtime.call_soon(self._flush_soon)

    def _flush_soon(self) -> None:
        """Flush now, or in a moment if many callers are about to come."""
        if self._crowd < _CROWD:
            self._flush()
        else:
            self._cancel_timer()  # it may have been meant for much later
            self._timer = self._runtime.call_later(_GATHER, self._flush)

    def _flush(self) -> None:
        self._is_hurried = False
        self._cancel_timer()  # also if it was what called this, or `_next` would wait for it
        if self._writing is not None or self.failure is not None:
            return  # the end of that write looks for what came meanwhile
        self._asleep = False
        tickets = [self._tickets.popleft() for _ in range(len(self._tickets))]
        self._crowd = len(tickets)
        if self._merged_is_due or not all(ticket.slots for ticket in tickets):
            self._take_merged(tickets)
        for ticket in tickets:
            self._changes.promote(ticket.slots or ())
        readies, wishes = self._pump.take()
        batch, self._notes = Batch(notes=self._notes.values()), {}
        batch.keep(each for _, ready in readies for each in ready.persist)
        round = Round()
        self._writing = (round, tickets, readies, self._runtime.time())
        self._changes.collect(round, batch, _PATIENCE, wishes)
        if batch:
            self.rows += len(batch.parts) + len(batch.operations) + len(batch.notes)
            self.bytes += sum(len(part.data) for part in batch.parts)
            self._runtime.write(self._storage, batch, self._written)
        else:
            self._flushed()

    def _written(self, error: BaseException | None) -> None:
        if error is not None:
            self._fail(error)
            return
        assert self._writing is not None
        self.last_seconds = self._runtime.time() - self._writing[3]
        self.longest_seconds = max(self.longest_seconds, self.last_seconds)
        self.total_seconds += self.last_seconds
        self.rounds += 1
        self._flushed()
        self._storage.rest(idle=False)

    def _flushed(self) -> None:
        """Everything in the round is durable: tell the cores, and the callers that wait for no more."""
        assert self._writing is not None
        round, tickets, readies, _ = self._writing
        now = self._runtime.time()
        self._rests_at = now + _IDLE_AFTER
        self._changes.settled(round, now)
        for change in round.changes:
            self._crowd += len(change.tickets)
            for ticket in change.tickets:
                ticket.is_stored = True
            self._carriers.of_mode(change.mode).propose(change, now)
        for told in round.told:
            told.tell.core.told(told, now)
        self._pump.act(readies, round.unmet)
        self._settle(tickets, round.left)
        self._writing = None
        if not (round.left or round.unmet):
            self._next()
        elif self._timer is None:  # whoever is busy needs a moment
            self._timer = self._runtime.call_later(_AGAIN_AFTER, self._flush)

    def _settle(self, tickets: list[Ticket], left: set[Slot]) -> None:
        for ticket in tickets:
            waits_for = left if ticket.slots is None else ticket.slots & left
            if waits_for:
                ticket.slots = set(waits_for)
                self._tickets.append(ticket)
            else:
                ticket.is_stored = True
                ticket.finish()

    def _add_ticket(self, ticket: Ticket, urgent: bool) -> None:
        """A core waits for the disk."""
        if urgent:
            self._tickets.append(ticket)
            self._hurry_inside()
        else:
            self._patient.append(ticket)
            self._flush_merged_later()

    def _flush_merged_later(self) -> None:
        if self._merge_timer is None and self._flushes_by_itself:
            self._merge_timer = self._runtime.call_later(self._config.merge_flush_interval, self._flush_merged)

    def _flush_merged(self) -> None:
        self._merged_is_due = True
        self._hurry_inside()

    def _take_merged(self, tickets: list[Ticket]) -> None:
        """Have the flush that begins write what others changed as well."""
        if self._merge_timer is not None:
            self._merge_timer.cancel()
        self._merge_timer, self._merged_is_due = None, False
        self._changes.promote()
        tickets += self._patient
        self._patient = []

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _idle(self) -> None:
        self._idle_timer = None
        if self._runtime.time() < self._rests_at:
            self._next()  # there was a flush since
        elif self._asleep and self.failure is None:
            self._storage.rest(idle=True)

    def _tick(self) -> None:
        now = self._runtime.time()
        self._carriers.late(max(0.0, now - self._tick_due), now)
        for core in self._carriers.cores:
            core.tick(now)
        self._pump.run()
        self._is_ticking = False  # before it is looked: whoever comes from now on calls `connect`
        if self._carriers.is_alone:
            return
        self._is_ticking = True
        self._tick_due = now + self._config.tick_interval
        self._runtime.call_later(self._config.tick_interval, self._tick)

    # Failing

    def _fail(self, error: BaseException) -> None:
        """The disk, or this program, cannot be relied on any more."""
        if self.failure is not None:
            return
        where = self._storage.path or "memory"
        failure = Unavailable(
            f"the store at {where} failed and this node acknowledges nothing any more: {str(error).rstrip('.')}. "
            "What memory holds can still be read. Close the node, look after the disk, and open it again"
        )
        failure.__cause__ = error
        self._on_failure(failure)  # first, so that whoever is told of it can change nothing more
        self.failure = failure
        self._give_up_writing()
        self._carriers.fail(str(failure))
        self._refuse_all()

    def _give_up_writing(self) -> None:
        """Who waits for a write that nobody will hear the end of is to be refused."""
        if self._writing is not None:
            round, tickets, _, _ = self._writing
            self._tickets.extend(tickets)
            for change in round.changes:
                self._tickets.extend(change.tickets)

    def _refuse_all(self) -> None:
        """Wake everybody who waits, wherever: nothing will be kept that is not kept now."""
        self._tickets.extend(self._patient)
        self._tickets.extend(take_tickets(list(self._store.slots.values())))
        self._tickets.extend(self._carriers.take_tickets())
        while self._tickets:
            ticket = self._tickets.popleft()
            try:
                ticket.refuse(self._why(), self.failure)
            except BaseException:  # of a signal's handler: it is refused the next time
                self._tickets.appendleft(ticket)
                raise

    def _why(self) -> str:
        return str(self.failure) if self.failure is not None else "the node was closed meanwhile"
