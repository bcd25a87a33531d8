"""Counters: each writer counts for itself, and the value is the sum.

Shapiro, Preguica, Baquero and Zawirski, "A comprehensive study of Convergent and Commutative
Replicated Data Types" (2011), specifications 6 and 7. Below an ORMap a writer's count also has a
floor: what a removal of its key has observed; the value is what lies above.
"""

cimport cython

from crdt.document cimport Replicated, finish, place_to_change
from crdt.engine cimport *

from crdt.document import _register
from crdt.root import MAX_DRIFT
from crdt.shown import shown

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object o, int *overflow) except? -1


# What `by` is if it is not given; there is one of it.
cdef object ONE = 1


cdef u64 checked_step(object by, Replicated who) except? 0:
    cdef int overflow = 0
    cdef long long step
    if type(by) is not int:
        raise TypeError(f"{who._place()}: a counter moves by an int, not by {type(by).__name__}: {shown(by)}")
    step = PyLong_AsLongLongAndOverflow(by, &overflow)
    if step >= 0 and overflow == 0:
        return <u64>step
    if by < 0:
        raise ValueError(f"{who._place()}: a step must be 0 or more, not {shown(by)}{who._advice()}")
    if by >= 1 << 64:
        raise OverflowError(f"{who._place()}: a step of {shown(by)} is more than 2**64-1")
    return <u64>by


cdef int move(Replicated who, u64 by, bint down) except -1:
    cdef Container *node = place_to_change(who)
    cdef int status = counter_add(who.root.doc, <Counter *>node, by, down)
    if status == ERROR_RANGE:
        who.done(UNCHANGED)
        raise OverflowError(
            f"{who._place()}: writer {who.replica!r} would pass 2**64-1 of its own count; "
            "nothing was changed: go on under another writer's name"
        )
    return finish(who, status)


cdef object total(Container *node, bint down):
    cdef u64 ups[2]
    cdef u64 downs[2]
    counter_total_words(<Counter *>node, ups, downs)
    words = (downs[0], downs[1]) if down else (ups[0], ups[1])
    return words[0] if words[1] == 0 else (words[1] << 64) | words[0]


@cython.final
cdef class GCounter(Replicated):
    """A counter that only grows.

    >>> a, b = GCounter("a"), GCounter("b")
    >>> a.increment(2); b.increment(3)
    >>> a.merge(b), a.value
    (True, 5)
    """

    def __init__(self, replica=None, *, clock=None, max_drift=MAX_DRIFT):
        self._start(GCOUNTER, 0, replica, clock, max_drift)

    def increment(self, by=1):
        """Add `by`, an int of 0 or more. O(1).

        `ValueError`: negative. `TypeError`: not an int, or a bool. `OverflowError`: this writer's
        own count would pass 2**64-1. Nothing is changed then.
        """
        move(self, 1 if by is ONE else checked_step(by, self), False)

    def _advice(self):
        return "; a PNCounter can also decrement"

    cdef object value_of(self, Container *node):
        return 0 if node == NULL else total(node, False)


@cython.final
cdef class PNCounter(Replicated):
    """A counter that grows and shrinks: what was added less what was taken.

    >>> p = PNCounter("a")
    >>> p.increment(5); p.decrement(7)
    >>> p.value
    -2
    """

    def __init__(self, replica=None, *, clock=None, max_drift=MAX_DRIFT):
        self._start(PNCOUNTER, 0, replica, clock, max_drift)

    def increment(self, by=1):
        """Add `by`, an int of 0 or more. O(1). Errors as `GCounter.increment`."""
        move(self, 1 if by is ONE else checked_step(by, self), False)

    def decrement(self, by=1):
        """Take `by`, an int of 0 or more. O(1). Errors as `GCounter.increment`."""
        move(self, 1 if by is ONE else checked_step(by, self), True)

    def _advice(self):
        return "; use the other of increment and decrement"

    cdef object value_of(self, Container *node):
        return 0 if node == NULL else total(node, False) - total(node, True)


_register(GCOUNTER, GCounter)
_register(PNCOUNTER, PNCounter)
