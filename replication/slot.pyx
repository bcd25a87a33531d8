"""An agent in memory: its state, its lock, and what the disk holds of it.

A lock is CPython's own (pythread.h), taken without the detour over a Python call; it may be released
by another thread than took it.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport (
    NOWAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)

from replication.guard import check_result

# What most functions return, told by one lookup.
cdef frozenset PLAIN = frozenset((bool, int, float, str, bytes, list, tuple, dict, set))

cdef extern from "pythread.h":
    ctypedef enum PyLockStatus:
        PY_LOCK_FAILURE
        PY_LOCK_ACQUIRED
        PY_LOCK_INTR
    PyLockStatus PyThread_acquire_lock_timed(PyThread_type_lock, long long microseconds, int interruptible) nogil

cdef extern from *:
    """
    #include <time.h>

    static double lock_now(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    """
    double lock_now() nogil


cdef int check_returned(fn, value) except -1:
    """TypeError for a result that must not leave the function."""
    if value is not None and type(value) not in PLAIN:
        check_result(fn, value)
    return 0


cdef class Guarded:
    """A state of an agent that only who holds the lock may use."""

    def __cinit__(self):
        self._lock = PyThread_allocate_lock()
        if self._lock is NULL:
            raise MemoryError("no lock for another agent")

    def __dealloc__(self):
        if self._lock is not NULL:
            PyThread_free_lock(self._lock)

    def acquire(self, double timeout=-1.0, /):
        """Whether the lock was taken within so many seconds (0: at once; negative: as long as it takes)."""
        if PyThread_acquire_lock(self._lock, NOWAIT_LOCK):
            return True
        if timeout == 0.0:
            return False
        cdef PyLockStatus status
        cdef double left = timeout, deadline = lock_now() + timeout
        cdef long long microseconds
        while True:
            microseconds = -1 if timeout < 0 else <long long>(min(max(left, 0.0), 1e9) * 1e6)
            with nogil:
                status = PyThread_acquire_lock_timed(self._lock, microseconds, 1)
            if status != PY_LOCK_INTR:
                return status == PY_LOCK_ACQUIRED
            PyErr_CheckSignals()
            left = deadline - lock_now()

    def release(self, /):
        """Give the lock back. Only for who holds it."""
        PyThread_release_lock(self._lock)

    def __call__(self, state):
        # A transaction runs this in place of `_fn`, so that a result that must not leave undoes it.
        value = self._fn(state)
        check_returned(self._fn, value)
        return value


@cython.final
cdef class Slot(Guarded):
    """One agent in memory. The invariants are in `store`."""

    def __cinit__(self, str agent_id not None, state, next_number):
        self.agent_id = agent_id
        self.state = state
        self.next_number = next_number
        self.digest = b""
        self.changed_at = -1e300
        self.used = True


@cython.final
cdef class Held:
    """A lock in a `with` statement, that of an agent or of `threading`, for its `acquire` with arguments.

    Inside it is told whether it was had. No handler of a signal comes between having it and giving it back.
    """
    cdef object lock
    cdef tuple how
    cdef bint is_held

    def __init__(self, lock, *how):
        self.lock = lock
        self.how = how

    def __enter__(self):
        self.is_held = self.lock.acquire(*self.how)
        return self.is_held

    def __exit__(self, *_):
        if self.is_held:
            self.is_held = False
            self.lock.release()
