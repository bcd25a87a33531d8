"""Whose turn it is: one state, several threads, and work that is done without the interpreter lock.

A walk over much, and a merge of much, let other Python threads run. Whoever then wants to use the same
state waits, as it did when the interpreter lock kept it waiting: a walk shares the state with reads, a
merge with nobody. Who is at work never waits for anything, so nobody can wait in a circle.

Knows nothing of documents. All of it is called with the interpreter lock held, which makes each of
these functions one step for the others; only the naps in between let go of it.
"""

from os import getpid

from cpython.exc cimport PyErr_CheckSignals

cdef extern from *:
    """
    #include <time.h>
    static void nap(long microseconds)
    {
        struct timespec t = {0, microseconds * 1000};
        nanosleep(&t, NULL);
    }
    """
    void nap(long microseconds) nogil


cdef class Turns:
    cdef int wait(self, int what) except -1:
        """Until no thread is in the middle of `what`."""
        self.waiting += 1
        try:
            while self.guard & what:
                if self.worked_in != getpid():
                    forsaken(self)
                    continue
                with nogil:
                    nap(20)
                PyErr_CheckSignals()
        finally:
            self.waiting -= 1
        return 0

    cdef int begin_walk(self) except -1:
        if self.guard & LANDING:
            self.wait(LANDING)
        self.worked_in = getpid()
        self.walkers += 1
        self.guard |= WALKED
        return 0

    cdef void end_walk(self) noexcept:
        self.walkers -= 1
        if self.walkers == 0:
            self.guard &= ~WALKED

    cdef int begin_landing(self) except -1:
        if self.guard & (WALKED | LANDING):
            self.wait(WALKED | LANDING)
        self.worked_in = getpid()
        self.guard |= LANDING
        return 0

    cdef void end_landing(self) noexcept:
        self.guard &= ~LANDING

    cdef void let_others_in(self) noexcept:
        """After much work: who waits would else not be quick enough to ever come before the next."""
        if self.waiting != 0:
            with nogil:
                nap(100)


cdef int forsaken(Turns turns) except -1:
    """This process was forked while a thread, which is not here, was at work."""
    if turns.guard & LANDING:
        raise RuntimeError(
            "this process was forked while another thread was merging into this state, so here it is half merged; "
            "load it anew"
        )
    turns.walkers = 0
    turns.guard &= ~WALKED
    return 0
