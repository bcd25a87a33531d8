"""What one document has once: its engine state, its writer and clock, what it holds back, room for its transactions."""

import os
from base64 import urlsafe_b64encode
from sys import getsizeof

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memset

from crdt.engine cimport *

from crdt.shown import shown

cdef enum:
    DRIFT_MS = 60_000

MAX_DRIFT = DRIFT_MS / 1000.0

# Of the process, so that no remote data can choose colliding keys.
cdef u64 hash_seed = int.from_bytes(os.urandom(8), "little")

# Room for undo records, for the next transaction.
cdef Transaction spare
memset(&spare, 0, sizeof(Transaction))

fork_generation = 0


def _after_fork():
    global fork_generation
    fork_generation += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


cdef str random_name():
    return urlsafe_b64encode(os.urandom(9)).decode()


cdef str checked_name(object replica):
    if type(replica) is not str:
        raise TypeError(f"replica: the writer's name is a str, not {type(replica).__name__}: {shown(replica)}")
    if not 1 <= len(replica.encode()) <= REPLICA_ID_BYTES_MAX:
        most = REPLICA_ID_BYTES_MAX
        raise ValueError(f"replica: the writer's name is 1 to {most} bytes of UTF-8, not {shown(replica)}")
    return replica


cdef Transaction lent_room() noexcept:
    cdef Transaction room = spare
    memset(&spare, 0, sizeof(Transaction))
    return room


cdef void take_back(Transaction *room) noexcept:
    global spare
    transaction_free(&spare)  # a transaction inside of this one has given back its own
    spare = room[0]


cdef str name_of(Document *doc, int writer):
    return PyBytes_FromStringAndSize(
        <const char *>replica_id(&doc.replicas, writer), doc.replicas.all[writer].id_bytes
    ).decode()


@cython.no_gc
cdef class RootExtras:
    pass


@cython.no_gc
cdef class Root:
    def __dealloc__(self):
        document_free(self.doc)

    def __sizeof__(self):
        """With what it keeps beside the document: names that were asked for, and deltas that wait."""
        size = object.__sizeof__(self)
        names = set()
        if self.others is not None:
            size += getsizeof(self.others) + sum(map(getsizeof, self.others.values()))
            names.update(self.others)
        if self.extras is not None:
            size += getsizeof(self.extras)
            if self.extras.names is not None:
                size += getsizeof(self.extras.names)
                names.update(self.extras.names.values())
            size += sum([150 + len(data) for _, data in self.extras.held_back or ()])
        return size + sum(map(getsizeof, names))

    cdef str name(self):
        """The name that the state writes under."""
        if self.replica is None and self.doc.self >= 0:
            self.replica = name_of(self.doc, self.doc.self)
        elif self.replica is None:
            self.replica = random_name()
        return self.replica

    cdef int own(self) except -1:
        """Make sure the document knows its writer; a process forked from another takes a new name."""
        if self.generation != fork_generation:
            if self.is_anonymous:
                self.replica = random_name()
            self.generation = fork_generation
            if self.is_anonymous:
                return self.take_name()
        return 0 if self.doc.self >= 0 else self.take_name()

    cdef int take_name(self) except -1:
        cdef int status
        name = (random_name() if self.replica is None else self.replica).encode()
        status = document_own(self.doc, <const u8 *>PyBytes_AS_STRING(name), <u8>PyBytes_GET_SIZE(name))
        if status == ERROR_LIMIT:
            raise OverflowError("a state can have at most 65535 writers")
        if status < 0:
            raise MemoryError()
        self.others = None
        return 0

    cdef u64 now_ms(self) except? 0:
        return wall_clock_ms()

    cdef RootExtras made_extras(self):
        if self.extras is None:
            self.extras = RootExtras.__new__(RootExtras)
            self.extras.drift_ms = DRIFT_MS
        return self.extras

    cdef list held_back(self):
        return None if self.extras is None else self.extras.held_back

    cdef u64 drift_ms(self):
        return DRIFT_MS if self.extras is None else self.extras.drift_ms


cdef class ClockedRoot(Root):
    cdef u64 now_ms(self) except? 0:
        now = self.clock()
        if type(now) is not int and type(now) is not float:
            raise TypeError(f"clock: must return milliseconds as an int, not {type(now).__name__}: {shown(now)}")
        if not 0 <= now < 1 << 47:  # as NaN is neither
            raise ValueError(f"clock: milliseconds since 1970 must be 0..2**47-1, not {shown(now)}")
        return <u64>int(now)


cdef object clock_of(Root root):
    return (<ClockedRoot>root).clock if type(root) is ClockedRoot else None


cdef Root new_root(Document *doc, replica, clock, u64 drift_ms):
    if doc == NULL:
        raise MemoryError()
    cdef Root root = Root.__new__(Root) if clock is None else ClockedRoot.__new__(ClockedRoot)
    root.doc = doc
    if clock is not None:
        (<ClockedRoot>root).clock = clock
        root.made_extras().has_clock = True
    if drift_ms != DRIFT_MS:
        root.made_extras().drift_ms = drift_ms
    root.is_anonymous = replica is None
    if replica is not None:
        root.replica = checked_name(replica)
    elif doc.self >= 0:
        root.replica = random_name()  # the name that is known there is another's
    root.generation = fork_generation
    return root
