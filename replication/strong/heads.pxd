cimport cython

from replication.slot cimport Guarded
from replication.strong.attempt cimport Attempt


@cython.final
cdef class Change:
    cdef readonly object agent_id, fn, op_id, expected, timeout
    cdef readonly double deadline, led_by


@cython.final
cdef class Joined:
    cdef readonly object result
    cdef readonly Attempt attempt


@cython.final
cdef class Head(Guarded):
    cdef public object version, asked
    cdef public Attempt open, under_way
    cdef public bint is_due, is_wanted, used
    cdef public object late_at
    cdef public Py_ssize_t most
    cdef bint keeps_up(self, state, version) except -1


cdef class Heads:
    cdef public dict _slots
    cdef public object _heads, _store, _transactions, _group, _run_on
    cdef object _join(self, Head head, Change change, ticket, patience)
    cdef bint _refresh(self, Head head, patience) except -1
    cdef object _run(self, Head head, Change change, ticket)
