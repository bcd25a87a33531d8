from crdt.engine cimport Container, Document, Landing, Shape, u32, u64
from crdt.turns cimport Turns
from crdt.version cimport VersionVector

# Bits of Turns.guard, beside its own.
cdef enum Guard:
    READ_ONLY = 1    # handed out for reading
    RESTRICTED = 2   # in a transaction of a mode that some field refuses
    TRACKED = 4      # note each changed field's value before

cdef class Root(Turns):
    """What one document has once: its engine state, its writer, its clock, what it holds back."""
    cdef Document *doc
    cdef int rank               # of the transaction's mode
    cdef bint is_anonymous      # the writer's name was made up, so a forked process must make another
    cdef unsigned int generation
    cdef str replica
    cdef object clock
    cdef u64 drift_ms
    cdef dict names             # local writer index -> name; filled as needed
    cdef dict others            # what is held of the other writers, or None after a merge
    cdef list held_back  # (events it builds on, bytes), sorted
    cdef u64 base  # of the message merged last
    cdef size_t held_back_bytes
    cdef dict before
    cdef bint changed

    cdef int own(self) except -1
    cdef int take_name(self) except -1
    cdef u64 now_ms(self) except? 0

cdef class Replicated:
    cdef Root root
    cdef Container *node
    cdef u32 epoch
    cdef Replicated parent      # of a field or of a child in a map; None at the root
    cdef object place_in_parent  # index of the field, or key of the child
    cdef object __weakref__

    cdef Container *here(self) except? NULL
    cdef Container *find(self) except? NULL
    cdef Container *open(self) except NULL
    cdef Container *make(self) except NULL
    cdef int check_guard(self) except -1
    cdef int done(self, int status) except -1
    cdef object value_of(self, Container *node)
    cdef bytes encode(self, u64 *since, bint everything)
    cdef bytes delta_for(self, VersionVector version)
    cdef int held_by(self, VersionVector version, u64 *since) except -1
    cdef Landing land(self, bytes data, bint mind_drift) except *
    cdef Landing take_in(self, bytes data, bint mind_drift) except *
    cdef str writer(self, int index)
    cdef u64 *counts_of(self, vector, bint exact) except NULL

cdef inline Container *place_of(Replicated self) except? NULL:
    """`here()`, without a call where nothing stands in the way."""
    if self.root.guard == 0 and self.parent is None:
        return self.node
    return self.here()

cdef inline Container *place_to_change(Replicated self) except NULL:
    """`open()`, without a call where nothing stands in the way."""
    if self.root.guard == 0 and self.parent is None and not self.root.is_anonymous and self.root.doc.self >= 0:
        return self.node
    return self.open()

cdef inline int finish(Replicated self, int status) except -1:
    """`done()`, without a call after a change."""
    return status if status > 0 else self.done(status)

cdef Replicated view(type cls, Root root, Container *node, Replicated parent, object place)
cdef object class_of(Container *node)
cdef int raise_status(int status, Replicated who) except -1
cdef int raise_landing(Landing landing, Replicated who) except -1
