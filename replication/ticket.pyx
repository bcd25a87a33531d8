"""A caller's wait: for this node's disk, and perhaps for the disks of others.

Made in the caller's thread, settled in the runtime's; compiled because there is one for each such update.
Knows nothing of who settles it when.
"""

cimport cython

from collections import deque
from contextlib import suppress
from weakref import WeakKeyDictionary, ref

from replication.errors import OutcomeUnknown, Timeout

cdef frozenset NOBODY = frozenset()


cdef class Ticket:
    """What a caller waits for.

    slots      the agents whose changes must be on this disk; None: all that are dirty now, or those
               that hold it
    settle     called with the ticket when it is settled
    acks       how many other replicas must hold the change durably, or "majority" or "all"
    count      the own writer's count in the change, for others to say that they hold it
    is_stored  whether it is on this node's disk
    is_settled whether the caller has been told how it ended
    abandoned  the caller has stopped waiting
    """

    cdef public object slots, op_id, acks, error
    cdef object _settle
    cdef set _acked
    cdef public int mode
    cdef public unsigned long long count
    cdef public bint is_stored, is_settled, abandoned

    def __init__(self, slots, settle, op_id=None, int mode=0, acks=0):
        self.slots = slots
        self._settle = settle
        self.op_id = op_id
        self.mode = mode
        self.acks = acks

    @property
    def acked(self):
        """The names of the replicas that hold it."""
        return NOBODY if self._acked is None else self._acked

    def acknowledge(self, peer, /):
        """Note that a replica holds it."""
        if self._acked is None:
            self._acked = set()
        self._acked.add(peer)

    def recount(self, count, /):
        """The change was made again, and ends at another count: nobody holds it yet."""
        self.count = count
        self._acked = None

    def finish(self, /):
        """The promise holds, or `error` says why it does not: wake the caller."""
        self.is_settled = True
        self._wake()

    cdef int _wake(self) except -1:
        self._settle(self)
        return 0

    def refuse(self, why, cause, /):
        """Wake the caller with what holds, since nobody will keep its promise any more."""
        if self.is_settled:
            return
        if self.is_stored:
            self.error = Timeout(
                f"the change is applied and on this node's disk, and fewer replicas had it on theirs than "
                f"acks={self.acks!r} asks for ({named(self.acked)}) when {why}. Do not repeat it, which would apply it "
                "twice: it goes on to the others when this node is open again",
                acks=len(self.acked),
                is_applied=True,
            )
        else:
            self.error = OutcomeUnknown(
                f"the change is applied in memory and may or may not be on disk: {why}", op_id=self.op_id
            )
        self.error.__cause__ = cause
        self.finish()

    def give_up(self, timeout, /):
        """The error of a caller that stops waiting: what holds, and what does not."""
        self.abandoned = True
        if not self.is_stored:
            again = "" if self.op_id is None else ", or repeat the call with the same op_id"
            return OutcomeUnknown(
                f"the change is applied in memory, but was not on disk within {timeout} s. It will be unless the disk "
                f"fails: flush() waits for it{again}",
                op_id=self.op_id,
            )
        have = named(self.acked)
        return Timeout(
            f"the change is applied and on this node's disk, and it goes on to the others by itself; but within "
            f"{timeout} s not as many had it on disk as acks={self.acks!r} asks for: {have}. Do not repeat it, which "
            "would apply it twice: members() and status()['direct'] show who is behind",
            acks=len(self.acked),
            is_applied=True,
        )


@cython.final
cdef class FutureTicket(Ticket):
    """A ticket that a coroutine waits on. Made in the thread of its event loop, while that runs."""

    cdef readonly object future   # done when it is settled
    cdef readonly object loop     # of the coroutine
    cdef object _settled

    def __init__(self, slots, op_id=None, int mode=0, acks=0):
        loop = running_loop()
        Ticket.__init__(self, slots, None, op_id, mode, acks)
        self.future = loop.create_future()
        self.loop = loop
        self._settled = settled_of(loop)

    cdef int _wake(self) except -1:
        # Waking an event loop is a system call: one for all that are settled together.
        self._settled.append(self.future)
        if len(self._settled) == 1:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self.loop.call_soon_threadsafe(finish, self._settled)
        return 0


# By event loop: futures of settled tickets that the loop has not been told of.
cdef object SETTLED = WeakKeyDictionary()


cdef object get_running_loop = None


cdef object running_loop():
    global get_running_loop
    if get_running_loop is None:  # asyncio is large, and imported only by who uses it
        from asyncio import get_running_loop as found

        get_running_loop = found
    return get_running_loop()


# The one asked for last: most programs have but one loop, and to look it up costs more than all the rest.
cdef tuple LAST = (lambda: None, None)


cdef object settled_of(loop):
    global LAST
    of, settled = LAST
    if of() is not loop:
        settled = SETTLED.get(loop)
        if settled is None:
            settled = SETTLED.setdefault(loop, deque())
        LAST = (ref(loop), settled)
    return settled


def finish(settled, /):
    """Wake the coroutines whose tickets are settled. In the event loop's thread."""
    # One that comes in between finds the queue empty or is taken by this very loop.
    while settled:
        future = settled.popleft()
        if not future.done():  # by a timeout or a cancellation
            future.set_result(None)


def named(names, /):
    """Names for a message; the first few of many."""
    known = sorted(names)
    if not known:
        return "none did"
    return ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "") + " did"
