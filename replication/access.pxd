cimport cython


@cython.final
cdef class UpdateResult:
    cdef readonly object value
    cdef readonly str outcome
    cdef readonly str consistency
    cdef readonly object version
    cdef readonly object acks
    cdef readonly bint replayed
    cdef readonly double elapsed


cdef UpdateResult new_result(value, str outcome, str consistency, version)
