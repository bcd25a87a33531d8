"""A caller's wait: for this node's disk, and perhaps for the disks of others.

Made in the caller's thread, settled in the runtime's; compiled because there is one for each such update.
Knows nothing of who settles it when.
"""

cimport cython

from collections import deque
from contextlib import suppress
from weakref import WeakValueDictionary, ref

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
        try:
            self._wake()
        except BaseException:  # of a signal's handler: nobody comes back to it, so once more
            self._wake()
            raise

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
                f"acks={self.acks!r} asks for ({named(self.acked)}) when {why}. {do_not_repeat(self.op_id)}: it goes "
                "on to the others when this node is open again",
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
        within = f"within {round(timeout, 3)} s"
        if not self.is_stored:
            again = "" if self.op_id is None else ", or repeat the call with the same op_id"
            return OutcomeUnknown(
                f"the change is applied in memory, but was not on disk {within}. It will be unless the disk fails: "
                f"flush() waits for it{again}",
                op_id=self.op_id,
            )
        have = named(self.acked)
        return Timeout(
            f"the change is applied and on this node's disk, and it goes on to the others by itself; but {within} "
            f"not as many had it on disk as acks={self.acks!r} asks for: {have}. "
            f"{do_not_repeat(self.op_id)}: members() and status()['direct'] show who is behind",
            acks=len(self.acked),
            is_applied=True,
        )


@cython.final
cdef class FutureTicket(Ticket):
    """A ticket that a coroutine waits on. Made in the thread of its event loop, while that runs."""

    cdef readonly object future   # done when it is settled
    cdef Waits _waits

    def __init__(self, slots, op_id=None, int mode=0, acks=0):
        Ticket.__init__(self, slots, None, op_id, mode, acks)
        self._waits = waits_of(running_loop())
        self.future = self._waits.loop.create_future()

    def limit(self, double seconds, /):
        """Have the future raise TimeoutError in so many seconds. In the event loop's thread."""
        self._waits.add(self.future, seconds)

    def unlimit(self, /):
        """Nobody waits for it any more. In the event loop's thread."""
        self._waits.limits.pop(self.future, None)

    cdef int _wake(self) except -1:
        # Waking an event loop is a system call: one for all that are settled together.
        cdef Waits waits = self._waits
        waits.settled.append(self.future)
        if len(waits.settled) == 1:
            try:
                waits.tell()
            except BaseException:  # of a signal's handler: others rely on it, so once more
                waits.tell()
                raise
        return 0


@cython.final
cdef class Waits:
    """What coroutines of one event loop wait for.

    A timer for each would cost more than all else that a wait does, and hardly any comes to its end: so there is one
    for all, which finds out whose time is over.

    settled  futures of settled tickets that the loop has not been told of
    limits   until when futures may take, on the loop's clock, of those that somebody waits for
    alarms   the times of the loop's timers that are to come, each earlier than the one before
    """

    cdef object __weakref__
    cdef object loop
    cdef object settled
    cdef dict limits
    cdef list alarms

    def __init__(self, loop):
        self.loop = loop
        self.settled = deque()
        self.limits = {}
        self.alarms = []

    cdef int tell(self) except -1:
        """Have the loop see to what is settled. From any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self.finish)
        return 0

    def finish(self, /):
        """Wake the coroutines whose tickets are settled. In the event loop's thread."""
        settled = self.settled
        # One that comes in between finds the queue empty or is taken by this very loop.
        while settled:
            future = settled.popleft()
            self.limits.pop(future, None)
            if not future.done():  # by a timeout or a cancellation
                future.set_result(None)

    cdef int add(self, future, double seconds) except -1:
        limit = self.loop.time() + max(0.0, seconds)
        self.limits[future] = limit
        self.look_at(limit)
        return 0

    cdef int look_at(self, limit) except -1:
        """Have a timer at that time or before."""
        if not self.alarms or limit < self.alarms[len(self.alarms) - 1]:
            self.loop.call_at(limit, self.expire)
            self.alarms.append(limit)
        return 0

    def expire(self, /):
        """The earliest timer: tell whose time is over, and see to the next. O(those who wait)."""
        now = max(self.alarms.pop(), self.loop.time())
        for future in [each for each, limit in self.limits.copy().items() if limit <= now]:
            del self.limits[future]
            if not future.done():
                future.set_exception(TimeoutError())
        if self.limits:
            self.look_at(min(self.limits.values()))


cdef object get_running_loop = None


cdef object running_loop():
    global get_running_loop
    if get_running_loop is None:  # asyncio is large, and imported only by who uses it
        from asyncio import get_running_loop as found

        get_running_loop = found
    return get_running_loop()


# By the identity of an event loop: who waits in it. Nothing here keeps one: tickets and timers do.
cdef object WAITS = WeakValueDictionary()
# The one asked for last: most programs have but one loop, and to look it up costs more than all the rest.
cdef object last = lambda: None


cdef Waits waits_of(loop):
    global last
    cdef Waits waits = last()
    if waits is None or waits.loop is not loop:
        waits = WAITS.get(id(loop))
        if waits is None:
            waits = WAITS[id(loop)] = Waits(loop)
        last = ref(waits)
    return waits


cdef str do_not_repeat(op_id):
    """What not to do about a change that is applied."""
    if op_id is None:
        return "Do not repeat it, which would apply it twice"
    return "There is no need to repeat it; with the same op_id it is not applied twice"


def named(names, /):
    """Names for a message; the first few of many."""
    known = sorted(names)
    if not known:
        return "none did"
    return ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "") + " did"
