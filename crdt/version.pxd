cdef class VersionVector:
    cdef dict others         # shared with other vectors until `counts` copies it; never changed
    cdef str own             # a writer whose count lies outside of `others`, or None
    cdef unsigned long long own_count
    cdef dict counts         # writer -> count, all of it; None until it is asked for

    cdef dict all_counts(self)

cdef VersionVector make_version(dict others, str own, unsigned long long own_count)
