# Bits of `guard`; the document has more of its own.
cdef enum:
    WALKED = 8       # a thread reads all of it without the interpreter lock
    LANDING = 16     # a thread changes it without the interpreter lock

cdef class Turns:
    cdef int guard
    cdef int walkers  # threads that read all of it without the interpreter lock
    cdef int waiting  # threads that want it meanwhile
    cdef int worked_in  # the process in which that began

    cdef int wait(self, int what) except -1
    cdef int begin_walk(self) except -1
    cdef void end_walk(self) noexcept
    cdef int begin_landing(self) except -1
    cdef void end_landing(self) noexcept
    cdef void let_others_in(self) noexcept
