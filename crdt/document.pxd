cimport cython

from crdt.engine cimport Container, Document, Landing, Shape, u8, u32, u64
from crdt.turns cimport Turns
from crdt.version cimport VersionVector

cdef extern from *:
    """
    #include <time.h>
    #ifndef CLOCK_REALTIME_COARSE
    #define CLOCK_REALTIME_COARSE CLOCK_REALTIME
    #endif
    /* The coarse clock is read without a system call and is exact to a few milliseconds. */
    static inline unsigned long long wall_clock_ms(void)
    {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME_COARSE, &t);
        return (unsigned long long)t.tv_sec * 1000 + (unsigned long long)t.tv_nsec / 1000000;
    }
    """
    u64 wall_clock_ms() nogil

# Counts the forks of this process.
cdef unsigned int fork_generation

# Bits of Turns.guard, beside its own.
cdef enum Guard:
    READ_ONLY = 1    # handed out for reading
    RESTRICTED = 2   # in a transaction of a mode that some field refuses
    TRACKED = 4      # note each changed field's value before
    KEPT = 32        # a node's, between its transactions: nobody else changes it

@cython.no_gc
cdef class RootExtras:
    """What few documents need. Plain data: the collector need not look at it."""
    cdef u64 drift_ms
    cdef dict names             # local writer index -> name; filled as needed; None before
    cdef list held_back         # (events it builds on, bytes), sorted; None before the first
    cdef u64 base               # of the message that is to be held back
    cdef dict before
    cdef u32 held_back_bytes
    cdef bint has_clock         # the root is a ClockedRoot

@cython.no_gc
cdef class Root(Turns):
    """What one document has once: its engine state, its writer, what it holds back.

    There is one a document, so it is small, and without the collector's header: nothing in it leads back to it.
    """
    cdef Document *doc
    cdef str replica            # None for a made-up name that nobody asked for
    cdef dict others            # what is held of the other writers, or None after a merge
    cdef RootExtras extras      # None until one of them is needed
    cdef unsigned int generation
    cdef u8 rank                # of the transaction's mode
    cdef u8 is_anonymous        # the writer's name was made up, so a forked process must make another
    cdef u8 changed

    cdef int own(self) except -1
    cdef str name(self)
    cdef int take_name(self) except -1
    cdef u64 now_ms(self) except? 0
    cdef RootExtras made_extras(self)
    cdef list held_back(self)
    cdef u64 drift_ms(self)

cdef class ClockedRoot(Root):
    """One with a clock of the caller's, which may well lead back to it."""
    cdef object clock

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
cdef inline bint is_plain(Root root) noexcept:
    """Whether the time is the system's, and nothing waits for it to pass. Not of None."""
    return root.extras is None or (not root.extras.has_clock and not root.extras.held_back)


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
