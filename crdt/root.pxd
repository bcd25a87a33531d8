cimport cython

from crdt.engine cimport Document, Transaction, u8, u32, u64
from crdt.turns cimport Turns

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

# Of the process, so that no remote data can choose colliding keys.
cdef u64 hash_seed


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

cdef Root new_root(Document *doc, replica, clock, u64 drift_ms)
cdef object clock_of(Root root)
cdef str name_of(Document *doc, int writer)
cdef Transaction lent_room() noexcept
cdef void take_back(Transaction *room) noexcept


@cython.nonecheck(False)
cdef inline bint is_plain(Root root) noexcept:
    """Whether the time is the system's, and nothing waits for it to pass. Not of None."""
    return root.extras is None or (not root.extras.has_clock and not root.extras.held_back)
