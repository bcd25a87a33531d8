"""What has changed since the last flush, and what a flush takes of it.

Two queues of agents: those that this node changed, which the next flush takes, and those that only others
changed, which gather until one is to take them, too. Compiled because every change passes through here twice.

Knows nothing of promises, time or storages: the driver calls `collect`, writes what it got, and
calls `settled`.
"""

cimport cython
from cpython.pythread cimport NOWAIT_LOCK, PyThread_acquire_lock, PyThread_release_lock

from replication.slot cimport Slot

from collections import deque
from time import monotonic

from crdt import DecodeError
from replication.core import Change, Told
from replication.errors import Closed, Timeout
from replication.storage import Part

# Makes a tuple of names from the values in their order; to call its class takes three times as long.
cdef object new_tuple = tuple.__new__
# What a part costs on disk beside its data: key, checksum, cell header.
cdef long long ROW_BYTES = 40
# What `_land` of a state returns, and `_deliver` as well, and the words for it: see `core.Landing`.
OUTCOMES = ("landed", "known", "waiting", "waiting", "retired", "behind")
# Up to NO_NEWS nothing is amiss; from RETIRED on the two cannot be merged.
LANDED, NO_NEWS, RETIRED, BEHIND = C_LANDED, C_NO_NEWS, C_RETIRED, 5


@cython.final
cdef class Round:
    """What one flush took.

    taken    the slots that are being written, with the digests the disk had of them before
    left     slots that could not be taken: whoever waits for them waits for the next flush
    changes  what own updates in a carried mode did, to be told to others once it is durable
    told     the deltas that cores had wished for
    unmet    wishes for agents that could not be taken
    """

    cdef readonly list taken, changes, told, unmet
    cdef readonly set left

    def __cinit__(self):
        self.taken, self.changes, self.told, self.unmet, self.left = [], [], [], [], set()


@cython.final
cdef class Changes:
    """The agents that hold more than the disk. Thread-safe where a method asks for a slot's lock.

    acquire  finds an agent as `Store.acquire` does
    wake     called when there is something to flush
    """

    def __init__(self, config, operations, summary, dict slots not None, acquire, wake):
        self._config = config
        self._operations = operations
        self._summary = summary
        self._slots = slots
        self._acquire = acquire
        self._wake = wake
        self._dirty, self._merged = deque(), deque()

    @property
    def dirty_count(self):
        """How many agents the next flush takes."""
        return len(self._dirty)

    def dirty_agents(self):
        """The agents that hold more than the storage."""
        cdef Slot slot
        return [slot.agent_id for slot in (*self._dirty, *self._merged) if slot.dirty or slot.merged]

    @property
    def merged_count(self):
        """How many agents others changed, at most."""
        return len(self._merged)

    cpdef mark(self, Slot slot):
        """Note that the slot's state holds more than the storage. The caller holds its lock."""
        slot.dirty = True
        self._dirty.append(slot)
        self._wake()

    cpdef mark_merged(self, Slot slot):
        """Note that others' changes landed in the slot. Only for who flushes, with the slot's lock.

        Another disk has them, so that this one may get many of them at a time, later.
        """
        if not (slot.dirty or slot.merged):
            self._merged.append(slot)
            if len(self._merged) == 1:
                self._wake()
        slot.merged = True

    def land(self, tuple items not None, list outcomes not None, set unwritten not None, held_back_max, watching, /):
        """Merge what others changed into the agents that are at hand.

        `outcomes` gets what came of each item, by its place, if it had none; `unwritten` the slots of which the disk
        does not have everything yet. Left out is what needs more than merging: an agent that is not in memory, or busy,
        or that `watching` has watches of; a question; what cannot be merged. `held_back_max` is None for what is
        ordered (`core.Delivery`): then all that comes after something left out is, too.
        """
        cdef Slot slot
        cdef Py_ssize_t place
        for place in range(len(items)):
            if outcomes[place] is not None:
                continue
            agent_id, delta, _ = items[place]
            slot = None if not delta or (watching is not None and watching(agent_id)) else self._slots.get(agent_id)
            if slot is not None and PyThread_acquire_lock(slot._lock, NOWAIT_LOCK):
                try:
                    outcomes[place] = self._land(slot, <bytes?>delta, held_back_max)
                    if slot.dirty or slot.merged or slot.in_flight:
                        unwritten.add(slot)
                finally:
                    PyThread_release_lock(slot._lock)
            if held_back_max is None and outcomes[place] is None:
                break

    cdef object _land(self, Slot slot, bytes delta, held_back_max):
        """The outcome, with the slot's lock held; None if there is more to be done than to merge."""
        state = slot.state
        if state is None:
            return None
        slot.used = True
        try:
            if held_back_max is None:
                landing = <int>state._land(delta, False)
                state._land_held_back()
            else:
                landing = <int>state._deliver(delta, held_back_max)
        except (DecodeError, TypeError, OverflowError):
            return "refused"
        if landing == C_LANDED:
            self.mark_merged(slot)
        if landing >= C_RETIRED or state._is_retired:
            return None  # to be merged again does no harm
        return OUTCOMES[landing]

    def remember(self, Slot slot not None, op_id, data, number, /):
        """Record an operation that another process served; it goes to disk with the agent. The caller has the lock."""
        self._operations.add(slot.agent_id, op_id, data, number)
        if not slot.dirty:
            self.mark(slot)

    cpdef carry(self, Slot slot, ticket):
        """Have what the slot holds told to others by the next flush, in the ticket's mode. The caller has its lock."""
        slot.mode = max(slot.mode, <int>ticket.mode)
        if slot.tickets is None:
            slot.tickets = []
        slot.tickets.append(ticket)
        if not slot.dirty:
            self.mark(slot)

    def promote(self, slots=None, /):
        """Have the next flush write what others changed, in these agents or in all. Only for who flushes."""
        cdef Slot slot
        if slots is None:
            slots, self._merged = self._merged, deque()
        for slot in slots:
            if slot.merged and not slot.dirty:  # else a flush took it meanwhile, or will
                slot.dirty = True
                self._dirty.append(slot)

    def collect(self, Round round not None, batch, double patience, dict wishes not None, /):
        """Put what is dirty into the batch, and make the deltas wished for, by agent; `round` says what was taken.

        A slot whose lock is taken is passed over and asked again at the end, for `patience` seconds
        in all: one slow update_fn must not hold up the promises made to others.
        """
        cdef Slot slot
        cdef list busy = []
        cdef long long size = 0, enough = self._config.flush_bytes_max
        for _ in range(len(self._dirty)):
            if size >= enough:
                break
            slot = self._dirty.popleft()
            if slot.acquire(0.0):
                size += self._take(slot, batch, round, wishes.pop(slot.agent_id, ()) if wishes else ())
            else:
                busy.append(slot)
        if size >= enough:
            round.left.update(self._dirty)
        deadline = monotonic() + patience
        for slot in busy:
            if slot.acquire(max(0.0, deadline - monotonic())):
                self._take(slot, batch, round, wishes.pop(slot.agent_id, ()))
            else:
                self._dirty.append(slot)
                round.left.add(slot)
        for agent_id, tells in wishes.items():
            self._tell_rest(agent_id, tells, batch, round)
        batch.forgotten += self._operations.take_forgotten()

    cdef long long _take(self, Slot slot, batch, round, tells) except -1:
        """Add one slot to the batch and release its lock; the bytes added."""
        cdef bint snapshot
        cdef bytes before, data
        try:
            state, config = slot.state, self._config
            version = state.version
            stored = slot.stored
            before = slot.digest
            snapshot = (
                stored is None  # nothing is there, or what is there is of no use any more
                or slot.repaired
                or not stored <= version  # a name was dropped, which a delta could not tell the disk why
                or slot.delta_bytes > config.compaction_bytes_min + config.compaction_ratio * slot.snapshot_bytes
                or slot.delta_rows >= config.compaction_rows_max
            )
            data = state.to_bytes() if snapshot else state.delta(stored)
            if data and version and (version != stored or slot.repaired):
                slot.digest = state.digest()
                batch.parts.append(new_tuple(Part, (slot.agent_id, slot.next_number, data, snapshot, slot.digest)))
                slot.next_number += 1
                slot.stored = version
                account(slot, len(data), snapshot)
            batch.operations += self._operations.take(slot.agent_id)
            if slot.tickets is not None:
                round.changes.append(self._change(slot, version, stored, b"" if snapshot else data))
            for tell in tells:
                round.told.append(Told(tell, state.delta(tell.since), version))
            slot.dirty, slot.in_flight, slot.merged, slot.repaired = False, True, False, False
            round.taken.append((slot, before))
            return len(data)
        finally:
            PyThread_release_lock(slot._lock)

    cdef object _change(self, Slot slot, version, stored, bytes written):
        """What the own writer did since others were told; reuses the bytes written to disk if they are just that."""
        cdef str writer = slot.state.replica
        count = version.get(writer, 0)
        base, delta = version, b""
        if count > slot.told:
            if written and stored is not None and not slot.merged and stored.get(writer, 0) == slot.told:
                base, delta = stored, written
            else:
                base = version._with(writer, slot.told)
                delta = slot.state.delta(base)
        change = new_tuple(Change, (slot.agent_id, slot.mode, delta, base, version, count, tuple(slot.tickets)))
        slot.told, slot.mode, slot.tickets = count, 0, None
        return change

    cdef int _tell_rest(self, agent_id, tells, batch, round) except -1:
        """Make deltas of an agent that is not dirty, after it is written if others changed it; later if it is busy."""
        cdef Slot slot
        try:
            slot = self._acquire(agent_id, 0.0, create=False, flushing=True)
        except Timeout:
            round.unmet.extend(tells)
            return 0
        except Closed:  # this node is saying farewell: the peer finds what it lacks when it compares
            return 0
        if slot is None:
            return 0
        if slot.merged and not slot.dirty:
            self._take(slot, batch, round, tells)
            return 0
        try:
            if slot.dirty:
                round.unmet.extend(tells)
            else:
                version = slot.state.version
                round.told.extend([Told(tell, slot.state.delta(tell.since), version) for tell in tells])
        finally:
            PyThread_release_lock(slot._lock)
        return 0

    def settled(self, Round round not None, double now, /):
        """The batch is durable."""
        cdef Slot slot
        cdef list changed = []
        for slot, before in round.taken:
            slot.in_flight = False
            slot.changed_at = now
            if slot.digest != before:
                changed.append((slot.agent_id, before, slot.digest))
        if changed:
            self._summary.change(changed)


cpdef account(Slot slot, long long size, bint snapshot):
    """Count a part that is on disk."""
    if snapshot:
        slot.snapshot_bytes, slot.delta_bytes, slot.delta_rows = size + ROW_BYTES, 0, 0
    else:
        slot.delta_bytes += size + ROW_BYTES
        slot.delta_rows += 1


def take_tickets(slots, /):
    """The callers whose promise no flush has begun to keep, and none will."""
    cdef Slot slot
    cdef list found = []
    for slot in slots:
        tickets, slot.tickets = slot.tickets, None
        found += tickets or ()
    return found
