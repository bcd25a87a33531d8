cdef class Turnstile:
    cdef volatile int is_wanted
    cdef bint is_spent

    cdef int give_way(self) except -1
