from crdt.document cimport Replicated
from crdt.engine cimport Container, u32

cdef u32 length_of(Container *node)
cdef Py_ssize_t index_in(Replicated who, object index, Py_ssize_t length, bint may_end) except -1
cdef object make_cursor(Replicated who, object i, object side)
cdef object place_of_cursor(Replicated who, object cursor)
cdef int delete_range(Replicated who, object i, object n) except -1
cdef int delete_at(Replicated who, object index) except -1
