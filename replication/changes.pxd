cimport cython

from replication.slot cimport Slot

# Of what a merge comes to: see `OUTCOMES`.
cdef enum:
    C_LANDED = 0
    C_NO_NEWS = 1
    C_RETIRED = 4


@cython.final
cdef class Changes:
    cdef object _config, _operations, _summary, _acquire, _wake
    cdef dict _slots
    cdef object _dirty
    # Used by who flushes alone, as is what it holds until it is promoted.
    cdef object _merged

    cpdef mark(self, Slot slot)
    cpdef mark_merged(self, Slot slot)
    cpdef carry(self, Slot slot, ticket)
    cdef object _land(self, Slot slot, bytes delta, held_back_max)
    cdef long long _take(self, Slot slot, batch, round, tells) except -1
    cdef object _change(self, Slot slot, version, stored, bytes written)
    cdef int _tell_rest(self, agent_id, tells, batch, round) except -1
