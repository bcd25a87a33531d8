cimport cython
from cpython.pythread cimport PyThread_type_lock


cdef int check_returned(fn, value) except -1


cdef class Guarded:
    cdef PyThread_type_lock _lock
    cdef readonly str agent_id
    cdef public object state
    cdef object _fn                # the caller's function while it runs


# The state is None exactly if the slot has left memory.
@cython.final
cdef class Slot(Guarded):
    cdef public object stored      # the version the disk holds, or is being given
    cdef public bytes digest       # of the state at that version; b"" if the disk holds nothing
    cdef public list tickets       # callers whose promise begins with the next flush, or None
    cdef public long long next_number, snapshot_bytes, delta_bytes, delta_rows, updates
    cdef public unsigned long long told   # of the own writer's count: what others were told
    cdef public int mode           # the rank of the strongest mode asked for since the last flush
    cdef public double changed_at  # when the last change became durable, in the runtime's seconds
    cdef public bint dirty, in_flight, used, merged, repaired
