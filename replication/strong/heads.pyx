"""Agents with all on them that was put into the log and has no verdict yet, and how callers come to change them.

`Heads` is the callers' half of `rounds`, where the idea is told. Compiled because every strong update passes through
it; what is rare on that path is plain Python in `rounds`.
"""

cimport cython
from libc.math cimport INFINITY
from cpython.pythread cimport NOWAIT_LOCK, PyThread_acquire_lock, PyThread_release_lock

from replication.access cimport new_result
from replication.changes cimport C_NO_NEWS
from replication.slot cimport Guarded, Slot

from enum import Enum

from crdt import DecodeError, VersionVector
from replication.consistency import REPLICATED
from replication.errors import Unavailable
from replication.guard import check_update_fn
from replication.operations import check_op_id
from replication.strong.entries import Result

# Callers whose changes go into the log together.
TOGETHER_MAX = 1024

cdef str WORD = REPLICATED.word


class Wait(Enum):
    """Why a function has not run, and is to be tried again."""

    BUSY = "somebody else is at the agent"
    FULL = "as many callers as may share an attempt do so already"
    ABSENT = "the agent is not in memory: see `fetch`"


@cython.final
@cython.freelist(64)
cdef class Change:
    """What a caller wants done.

    deadline    until when, on the runtime's clock; infinite if that does not matter
    led_by      until when somebody has to lead: half of the time is left for a weaker mode that may follow
    """

    def __init__(self, agent_id, fn, op_id, expected, timeout, double now, bint has_weaker):
        self.agent_id = agent_id
        self.fn = fn
        self.op_id = op_id
        self.expected = expected
        self.timeout = timeout
        self.deadline = INFINITY if timeout is None else now + <double>timeout
        self.led_by = now + <double>timeout / 2 if has_weaker and timeout is not None else self.deadline


@cython.final
@cython.freelist(64)
cdef class Joined:
    """A function has run; whether that holds, `attempt.verdict` says when the ticket is settled.

    attempt  None if it had been served before
    """

    def __init__(self, result, Attempt attempt):
        self.result = result
        self.attempt = attempt


@cython.final
cdef class Head(Guarded):
    """An agent as the group would have it if everything that was put into the log held.

    Its lock is held while a function runs.

    version     of the agent, as far as the head has it
    asked       the operation of who holds the lock
    open        is joined by whoever runs a function now
    is_wanted   who holds the lock is to have it closed then
    late_at     the base of an attempt that was not put into the log for being late; -1 for none
    most        so many callers share an attempt
    used        since it was last looked at whether it may go
    """

    def __init__(self, str agent_id not None):
        self.agent_id = agent_id
        self.version = VersionVector()
        self.late_at = -1
        self.most = TOGETHER_MAX

    @property
    def is_idle(self):
        return self.open is None and self.under_way is None and self.asked is None

    cdef bint keeps_up(self, state, version) except -1:
        """Whether the head, with what was done on it, can have what was done to the agent since.

        Not if the agent was rebased meanwhile; nor if it has something of the group that contradicts what was done on
        the head, which then has a conflict coming.
        """
        if self.state is None:
            return False
        if version is self.version or version <= self.state.version:
            return True
        try:
            if <int>self.state._land(state.delta(self.version), False) <= C_NO_NEWS:
                return True
        except DecodeError:
            pass
        return not self.is_idle


cdef class Heads:
    """The base of Rounds, which fills the attributes, and has what is rare here.

    _served      what was recorded of an operation, _rejoin what has been done of it and has no verdict
    _new_head    puts a head into the table
    _close_soon  has the open attempt put into the log
    """

    def join(self, Change change not None, ticket, patience, /):
        """Run the function, or say why not: Joined or Wait.

        patience  seconds to wait for others who are at the agent, None for ever. With 0.0 this thread, which may be
                  that of an event loop, waits for nobody, and not for the disk

        What it raises comes out as it is, and nothing of it is kept.
        """
        cdef Head head
        agent_id = change.agent_id
        if change.op_id is not None:
            check_op_id(change.op_id)
            served = self._served(agent_id, change.op_id)
            if served is not None:
                return served
        if type(agent_id) is not str or agent_id not in self._slots:
            if not self._store.is_in_memory(agent_id) and patience == 0.0:
                return Wait.ABSENT
        head = self._heads.get(agent_id)
        if head is None:
            head = self._new_head(agent_id)
        head.used = True  # before another thread can run, and let go of it
        try:
            if not PyThread_acquire_lock(head._lock, NOWAIT_LOCK):
                if not head.acquire(-1.0 if patience is None else patience):
                    return Wait.BUSY
            try:
                return self._join(head, change, ticket, patience)
            finally:
                PyThread_release_lock(head._lock)
        finally:
            if head.is_wanted:
                head.is_wanted = False
                try:
                    self._close_soon(head)
                except BaseException:  # of a signal's handler: others may wait for it, so once more
                    head.is_wanted = True
                    self._close_soon(head)
                    raise

    cdef object _join(self, Head head, Change change, ticket, patience):
        """With the head's lock held."""
        op_id = change.op_id
        try:
            if op_id is not None:
                head.asked = op_id  # from here on the head stays, for `is_under_way` to find
                if self._heads.get(head.agent_id) is not head:
                    return Wait.BUSY
                joined = self._rejoin(head, op_id, ticket)
                if joined is not None:
                    return joined
            if head.open is not None and len(head.open.tickets) >= head.most:
                return Wait.FULL
            if not self._refresh(head, patience):
                return Wait.BUSY
            # A weaker mode that served it had the agent before `_refresh`; one that comes after that sees it is asked.
            served = None if op_id is None else self._served(head.agent_id, op_id)
            if served is not None:
                return served
            return self._run(head, change, ticket)
        finally:
            head.asked = None

    cdef bint _refresh(self, Head head, patience) except -1:
        """Have what was done to the agent since, in whatever mode. False if it stays busy."""
        cdef Slot slot = self._slots.get(head.agent_id)
        if slot is None and patience != 0.0:
            slot = self._store.find(head.agent_id)
        if slot is None:
            return False
        if not PyThread_acquire_lock(slot._lock, NOWAIT_LOCK):
            if not slot.acquire(-1.0 if patience is None else patience):
                return False
        try:
            state = slot.state
            if state is None:
                return False
            slot.used = True
            version = state.version
            if not head.keeps_up(state, version):
                head.state = state.fork(self._group())
            head.version = version
            return True
        finally:
            PyThread_release_lock(slot._lock)

    cdef object _run(self, Head head, Change change, ticket):
        cdef Attempt opened = head.open, attempt
        cdef Py_ssize_t known
        state, fn = head.state, change.fn
        if not callable(fn):
            check_update_fn(fn)
        if change.expected is not None:
            self._transactions.check_expected(head.agent_id, state.version, change.expected)
        before = state.version
        if opened is None:
            attempt = head.open = Attempt(head.agent_id, before.get(state.replica, 0), head)
        else:
            attempt = opened
        known = len(attempt.results)
        if change.op_id is not None:
            fn = self._recording(fn, change.op_id, attempt)
        try:
            value = self._run_on(head, fn)
        except BaseException as error:
            if state.version != before:  # broken off by a signal's handler, when it was done
                head.is_due = head.is_wanted = True
                raise
            head.open = opened
            del attempt.results[known:]
            if isinstance(error, Unavailable):
                error.is_of_update_fn = True  # no reason to serve the call in another mode
            raise
        if not head.is_due:
            head.is_due = head.is_wanted = True
        attempt.tickets.append(ticket)
        return Joined(new_result(value, "committed", WORD, state.version), attempt)

    def _recording(self, fn, op_id, Attempt attempt not None, /):
        def keep(data):
            attempt.results.append(Result(op_id, data))

        return self._transactions.recording(fn, op_id, attempt.agent_id, WORD, keep)
