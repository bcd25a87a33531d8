cimport cython


@cython.final
cdef class Attempt:
    cdef readonly str agent_id
    cdef readonly object base, owner
    cdef public bytes delta, top
    cdef public tuple entries
    cdef readonly list results, tickets
    cdef public str verdict
    cdef public object number
    cdef public double put_at
