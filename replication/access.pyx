"""The path that every update and every read takes, compiled because it is walked that often.

`Access` is the part of a node that takes an agent's lock, runs the caller's function on the state, and
gives the result back. What is rare on that path (loading, `op_id`, `expected`, watchers, errors) is
plain Python in `store`, `transaction` and `guard`.

Knows nothing of disks, threads or modes.
"""

cimport cython
from cpython.pythread cimport NOWAIT_LOCK, PyThread_acquire_lock, PyThread_get_thread_ident, PyThread_release_lock

from replication.changes cimport Changes
from replication.frames cimport PyObject, access_frame, access_innermost, access_now, access_pop, access_push
from replication.slot cimport Guarded, Slot, check_returned
from replication.turnstile cimport Turnstile

from replication.errors import Unavailable
from replication.guard import apart, check_update_fn, nested
from replication.store import busy

# The rank of the mode in which the log decides.
cdef enum: BY_LOG = 3
# What `_look_now` returns for an agent that cannot be looked at just now.
BUSY = object()


@cython.final
@cython.freelist(64)
cdef class UpdateResult:
    """What became of one `update_state`.

    value        what `update_fn` returned
    outcome      "applied" (in memory), "durable" (on this disk), "acknowledged", "committed"
    consistency  the mode that served it; differs from the one asked only if `fallback` allowed it
    version      the agent's version after it; pass it as `expected=`
    acks         how many other replicas hold it durably
    replayed     this `op_id` had been served before: nothing was applied now, `value` is the
                 recorded one (plain data: a tuple comes back as a list)
    elapsed      seconds between call and return
    """

    def __init__(self, value, outcome, consistency, version, elapsed, acks=0, replayed=False):
        self.value = value
        self.outcome = outcome
        self.consistency = consistency
        self.version = version
        self.elapsed = elapsed
        self.acks = acks
        self.replayed = replayed

    def __repr__(self):
        return (
            f"UpdateResult(value={self.value!r}, outcome={self.outcome!r}, consistency={self.consistency!r}, "
            f"version={self.version!r}, acks={self.acks}, replayed={self.replayed}, elapsed={self.elapsed:.6f})"
        )

    def __reduce__(self):
        fields = (self.value, self.outcome, self.consistency, self.version, self.elapsed, self.acks, self.replayed)
        return UpdateResult, fields


cdef UpdateResult new_result(value, str outcome, str consistency, version):
    """As its class makes one, without the detour over Python; `elapsed` is to follow."""
    cdef UpdateResult result = UpdateResult.__new__(UpdateResult)
    result.value = value
    result.outcome = outcome
    result.consistency = consistency
    result.version = version
    result.acks = 0
    return result


cdef class Access:
    """Takes agents' locks and runs functions on their states. The base of Node, which fills the attributes."""

    cdef public dict _slots
    cdef public Changes _changes
    cdef public object _store, _driver, _transactions, _watchers, _calls
    cdef public dict _plans   # of updates that ask for nothing besides a mode, by its word
    cdef public object _refuse, _refuse_reads   # what makes the exception a call must raise, or None
    cdef public bint _volatile
    cdef Turnstile _turnstile
    cdef unsigned long _own_thread   # 0 if there is none

    def _keep_out(self, unsigned long thread):
        """Refuse calls from this thread, which is the node's: it would wait for itself."""
        self._own_thread = thread

    def _pass_through(self, Turnstile turnstile not None):
        """Give way at this turnstile in every call from now on."""
        self._turnstile = turnstile

    def update_state(
        self, agent_id, update_fn, consistency="reactive", *, timeout=None, durable=False, acks=0, op_id=None,
        expected=None, fallback=()
    ):
        """Change an agent's state with `update_fn(state)`, all of it or nothing.

        consistency  how the change travels and when the call returns: see `replication.consistency`
        timeout      seconds; Timeout if the agent stays busy or too few replicas acknowledge,
                     OutcomeUnknown if the disk takes longer
        durable      return once it is on disk; many callers share one sync. A node without a path
                     has no disk: the outcome stays "applied"
        acks         how many other replicas must hold it durably, or "majority", or "all"
        op_id        a name for this change: repeating the call with it applies it at most once
        expected     ConflictError unless the agent is at this version
        fallback     weaker modes that may serve the call if the one asked for cannot

        If `update_fn` raises, nothing of it is kept and the exception comes out as it is. It must not
        call this node. O(1) besides `update_fn`, plus a read of the disk if the agent is not in memory.
        """
        cdef double started = access_now()
        cdef access_frame frame
        cdef Slot slot
        cdef UpdateResult result
        cdef object promise = None
        cdef object plan = self._plan(consistency, timeout, acks, fallback)
        if plan is not None and plan.rank == BY_LOG:
            self._arrive(agent_id)
            change = self._calls.change(agent_id, update_fn, op_id, expected, timeout, bool(plan.weaker))
            try:
                result = self._calls.update(change)
            except Unavailable as error:
                word, rest = self._calls.weaker(error, agent_id, op_id, plan.weaker), plan.weaker[1:]
                left = None if timeout is None else max(0.0, timeout - (access_now() - started))
                asked = self._transactions.acks_in(word, acks)
                result = self.update_state(
                    agent_id, update_fn, word, timeout=left, durable=durable, acks=asked, op_id=op_id,
                    expected=expected, fallback=rest
                )
            result.elapsed = access_now() - started
            return result
        self._enter(&frame, agent_id)
        try:
            slot = self._take(agent_id, timeout, True)
            try:
                result = self._run(slot, update_fn, op_id, expected, started, plan)
                if plan is not None:
                    promise = self._driver.promise(slot, plan, op_id)
            finally:
                PyThread_release_lock(slot._lock)
        finally:
            access_pop(&frame)
        if promise is not None:
            self._driver.keep(promise, None if timeout is None else timeout - (access_now() - started), timeout)
            self._mark_carried(result, promise.ticket, started)
        elif durable and not self._volatile:
            self._driver.wait({slot}, None if timeout is None else max(0.0, timeout - (access_now() - started)), op_id)
            self._mark_durable(result, started)
        return result

    def read_state(self, agent_id, fn=None, *, consistency="reactive", timeout=None):
        """`fn(view)` on a read-only view of the agent's state; without `fn`, a copy of it, which is O(n).

        Sees every update that returned on this node. An unknown agent reads as the empty state. O(1).
        """
        cdef access_frame frame
        cdef Slot slot
        if self._check_read(consistency, timeout):
            self._arrive(agent_id)
            self._calls.wait_to_read(timeout)
        self._enter(&frame, agent_id)
        try:
            slot = self._take(agent_id, timeout, False)
            try:
                return self._look(slot, fn)
            finally:
                if slot is not None:
                    PyThread_release_lock(slot._lock)
        finally:
            access_pop(&frame)

    def _prepare(self, agent_id, consistency, timeout, acks, fallback):
        """What is checked before a coroutine updates: its plan."""
        plan = self._plan(consistency, timeout, acks, fallback)
        self._arrive(agent_id)
        return plan

    cdef object _plan(self, consistency, timeout, acks, fallback):
        """How an update travels, None for "reactive"."""
        cdef object plan = None
        if self._refuse is not None:
            raise self._refuse()
        cdef bint is_plain = type(acks) is int and acks == 0 and fallback == ()
        if not is_plain or consistency != "reactive":
            if is_plain and type(consistency) is str:
                plan = self._plans.get(consistency)
            if plan is None:
                plan = self._transactions.plan(consistency, acks, fallback)
        self._check_timeout(timeout)
        return plan

    cdef int _check_timeout(self, timeout) except -1:
        if timeout is not None and not (type(timeout) is float and <double>timeout >= 0.0):
            self._transactions.check_timeout(timeout)
        return 0

    cdef Slot _take_now(self, agent_id):
        """The agent's slot with its lock held, if it is in memory and free; never waits."""
        cdef Slot slot = self._slots.get(agent_id) if isinstance(agent_id, str) else None
        if slot is None or not PyThread_acquire_lock(slot._lock, NOWAIT_LOCK):
            return None
        if slot.state is not None:
            slot.used = True
            return slot
        PyThread_release_lock(slot._lock)
        return None

    def _run_now(self, agent_id, update_fn, op_id, expected, double started, plan, ticket):
        """`update_state` in memory; None if the agent is not there, or busy. `ticket` begins to wait in it."""
        cdef access_frame frame
        cdef Slot slot = self._take_now(agent_id)
        if slot is None:
            return None
        try:
            access_push(&frame, <PyObject *>self, <PyObject *>slot.agent_id)
            try:
                result = self._run(slot, update_fn, op_id, expected, started, plan)
                if plan is not None:
                    self._changes.carry(slot, ticket)
                return result
            finally:
                access_pop(&frame)
        finally:
            PyThread_release_lock(slot._lock)

    def _look_now(self, agent_id, fn, bint is_unknown):
        """`read_state` in memory; BUSY if the agent is not there, or busy. One that is unknown reads as empty."""
        cdef access_frame frame
        cdef Slot slot = None if is_unknown else self._take_now(agent_id)
        if slot is None and not is_unknown:
            return BUSY
        try:
            access_push(&frame, <PyObject *>self, <PyObject *>agent_id)
            try:
                return self._look(slot, fn)
            finally:
                access_pop(&frame)
        finally:
            if slot is not None:
                PyThread_release_lock(slot._lock)

    def _run_on(self, Guarded place not None, fn, /):
        """Run a function on a state that is not the agent's own, as one transaction; what it returned."""
        cdef access_frame frame
        access_push(&frame, <PyObject *>self, <PyObject *>place.agent_id)
        place._fn = fn
        try:
            return place.state._transact(place, BY_LOG, False, True)
        finally:
            place._fn = None
            access_pop(&frame)

    def _mark_elapsed(self, UpdateResult result not None, double started):
        result.elapsed = access_now() - started

    def _mark_durable(self, UpdateResult result not None, double started):
        result.outcome, result.elapsed = "durable", access_now() - started

    def _mark_carried(self, UpdateResult result not None, ticket, double started):
        if ticket.acked:
            result.outcome = "acknowledged"
        elif not self._volatile:
            result.outcome = "durable"
        result.acks = len(ticket.acked)
        result.elapsed = access_now() - started

    def _check_read(self, consistency, timeout, /):
        """Whether the group has to say what is newest."""
        if self._refuse_reads is not None:
            raise self._refuse_reads()
        self._check_timeout(timeout)
        if consistency == "reactive":
            return False
        plan = self._plans.get(consistency) if type(consistency) is str else None
        return self._transactions.check_read_mode(consistency) if plan is None else plan.rank == BY_LOG

    cpdef int _arrive(self, agent_id) except -1:
        """What comes before an agent's lock is taken: nobody gives way while holding one.

        An error if this thread is running a function of this node: it would wait for itself.
        """
        cdef access_frame *each = access_innermost
        if PyThread_get_thread_ident() == self._own_thread:
            raise apart(agent_id)
        if each is NULL:
            if self._turnstile is not None and self._turnstile.is_wanted:
                self._turnstile.give_way()
            return 0
        while each is not NULL:
            if each.node is <PyObject *>self:
                raise nested(<object>each.agent_id, agent_id)
            each = each.outer
        return 0

    cdef int _enter(self, access_frame *frame, agent_id) except -1:
        self._arrive(agent_id)
        access_push(frame, <PyObject *>self, <PyObject *>agent_id)
        return 0

    cdef Slot _take(self, agent_id, timeout, bint create):
        """The agent's slot with its lock held; None if it is unknown and not to be created."""
        cdef Slot slot
        if type(agent_id) is str:
            slot = self._slots.get(agent_id)
            if slot is not None and PyThread_acquire_lock(slot._lock, NOWAIT_LOCK):
                if slot.state is not None:
                    slot.used = True
                    return slot
                PyThread_release_lock(slot._lock)
        # Here and not in the store: in Python a signal's handler could come right after the lock is taken.
        cdef double patience = -1.0 if timeout is None else self._transactions.check_timeout(timeout)
        while True:
            slot = self._store.find(agent_id, create)
            if slot is None:
                return None
            if not slot.acquire(patience):
                raise busy(agent_id, timeout)
            if slot.state is not None:
                slot.used = True
                return slot
            PyThread_release_lock(slot._lock)

    cdef UpdateResult _run(self, Slot slot, update_fn, op_id, expected, double started, plan):
        cdef UpdateResult result
        cdef object watches = None
        cdef int rank = 0
        cdef str word = "reactive"
        if plan is not None:
            rank, word = plan.rank, plan.word
        if not callable(update_fn):
            check_update_fn(update_fn)
        if op_id is not None or expected is not None:
            result = self._transactions.before(slot, op_id, expected)
            if result is not None:
                result.elapsed = access_now() - started
                return result
            if op_id is not None:
                update_fn = self._transactions.recording(update_fn, op_id, slot.agent_id, word)
        if self._watchers:
            watches = self._watchers.matching(slot.agent_id)
        state = slot.state
        slot._fn = update_fn
        try:
            value = state._transact(slot, rank, bool(watches), True)
        except BaseException as error:
            if op_id is not None:
                self._transactions.take_back(slot, op_id)
            refusal = self._transactions.refusal(slot, error, word)
            if refusal is None:
                raise
            raise refusal from None
        finally:
            slot._fn = None
        slot.updates += 1
        if (state._changed or op_id is not None) and not slot.dirty:
            self._changes.mark(slot)
        if watches and state._changed:
            self._transactions.tell(watches, slot, word)
        result = new_result(value, "applied", word, state.version)
        result.elapsed = access_now() - started
        return result

    cdef object _look(self, Slot slot, fn):
        if fn is not None and not callable(fn):
            check_update_fn(fn)
        state = self._store.empty() if slot is None else slot.state
        if fn is None:
            return state._snapshot()
        state._make_read_only(True)
        try:
            value = fn(state)
        finally:
            state._make_read_only(False)
        check_returned(fn, value)
        return value
