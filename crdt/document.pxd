cimport cython

from crdt.engine cimport Container, Document, Landing, Shape, u32, u64
from crdt.root cimport Root, fork_generation, is_plain, wall_clock_ms
from crdt.version cimport VersionVector

# Bits of Turns.guard, beside its own.
cdef enum Guard:
    READ_ONLY = 1    # handed out for reading
    RESTRICTED = 2   # in a transaction of a mode that some field refuses
    TRACKED = 4      # note each changed field's value before
    KEPT = 32        # a node's, between its transactions: nobody else changes it

cdef class Replicated:
    cdef Root root
    cdef Container *node
    cdef u32 epoch
    cdef u32 seat               # of a composite: where it is noted that it keeps its views
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
    cdef bint land_due(self) except -1
    cdef u64 time_to_write(self) except? 0
    cdef u64 *counts_of(self, vector, bint exact) except NULL

# The common case of an access, without a call: nobody is at work, nothing is guarded, the place is known.

cdef inline Container *place_of(Replicated state) except? NULL:
    """`state.here()`."""
    if state.root.guard == 0 and state.parent is None:
        return state.node
    return state.here()


cdef inline Container *place_to_change(Replicated state) except NULL:
    """`state.open()`."""
    if (
        state.root is not None
        and state.root.guard == 0
        and state.root.doc.self >= 0
        and state.root.generation == fork_generation
        and (state.parent is None or (state.node != NULL and state.epoch == state.root.doc.epoch))
    ):
        return state.node
    return state.open()


@cython.nonecheck(False)
cdef inline bint is_ready(Replicated state) noexcept:
    """Whether `state.open()` would only return the place, and `time_of` only read the clock."""
    return (
        state.root is not None
        and state.root.guard == 0
        and is_plain(state.root)
        and state.root.doc.self >= 0
        and state.root.generation == fork_generation
        and state.parent is None
    )


@cython.nonecheck(False)
cdef inline Document *doc_of(Replicated state) noexcept:
    """The document of what `is_ready`."""
    return state.root.doc


cdef inline int finish(Replicated state, int status) except -1:
    """`state.done(status)`."""
    return status if status > 0 else state.done(status)


cdef inline u64 time_of(Replicated state) except? 0:
    """`state.time_to_write()`."""
    return wall_clock_ms() if state.root.extras is None or is_plain(state.root) else state.time_to_write()


cdef Replicated view(type cls, Root root, Container *node, Replicated parent, object place)
cdef object class_of(Container *node)
cdef int raise_status(int status, Replicated who) except -1
cdef int raise_landing(Landing landing, Replicated who) except -1
