"""Version vectors: how much of each writer a state holds.

The same small type is the answer to "what do I have" (`state.version`), the question "what do you
lack" (`state.delta(since)`), and the token of optimistic concurrency (`expected=`). Its bytes are
those of a list of writers in rising order of their names, under a magic byte and a checksum.
"""

from collections.abc import Mapping

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from crdt.engine cimport *
from crdt.errors import DecodeError
from crdt.shown import shown

cdef extern from "hash.h" nogil:
    u64 checksum_of(const u8 *p, size_t n, u64 seed)

cdef extern from "document.h" nogil:
    ctypedef struct Sender:
        u64 base, top, retirement
        u32 retired_by
        u8 id_bytes
        const u8 *id
    int message_span(const u8 *bytes, size_t n, Sender **writers, u32 *count, const char **error, size_t *offset)

cdef extern from "stdlib.h" nogil:
    void free(void *p)

cdef enum:
    MAGIC = 0xC6
    FORMAT = 0x10
    HEADER = 6


cdef VersionVector make_version(dict others, str own, unsigned long long own_count):
    cdef VersionVector v = VersionVector.__new__(VersionVector)
    v.others = others
    v.own = own
    v.own_count = own_count
    return v


cdef int check_count(writer, count) except -1:
    if type(writer) is not str:
        raise TypeError(f"a writer's name is a str, not {type(writer).__name__}: {shown(writer)}")
    if type(count) is not int:
        raise TypeError(f"the count of writer {writer!r} is an int, not {type(count).__name__}")
    if not 0 <= count <= SEQUENCE_MAX:
        raise ValueError(f"the count of writer {writer!r} must be 0..2**48-1, not {shown(count)}")
    if not 1 <= len((<str>writer).encode()) <= REPLICA_ID_BYTES_MAX:
        raise ValueError(f"a writer's name is 1 to {REPLICA_ID_BYTES_MAX} bytes of UTF-8, not {shown(writer)}")
    return 0


def restore(data):
    """Unpickle."""
    return VersionVector.from_bytes(data)


@cython.freelist(8)
@cython.no_gc  # it holds names and numbers, so it is never part of a circle
cdef class VersionVector:
    """A mapping from writer to the count of its events that are held.

    `a <= b` says that b contains all that a contains; two vectors may be neither `<=` nor `>=`:
    then each side has something that the other lacks.

    >>> a, b = VersionVector({"x": 2}), VersionVector({"x": 3, "y": 1})
    >>> a <= b, b <= a, b["y"], a.get("y", 0)
    (True, False, 1, 0)
    """

    def __init__(self, counts=None):
        self.counts = {}
        for writer, count in dict({} if counts is None else counts).items():
            check_count(writer, count)
            if count:
                self.counts[writer] = count

    cdef dict all_counts(self):
        if self.counts is None:
            self.counts = dict(self.others)
            if self.own is not None and self.own_count:
                self.counts[self.own] = self.own_count
        return self.counts

    def __getitem__(self, writer):
        return self.all_counts()[writer]

    def get(self, writer, default=None, /):
        """The count of a writer, or `default` if nothing of it is held. O(1)."""
        return self.all_counts().get(writer, default)

    def __contains__(self, writer):
        return writer in self.all_counts()

    def __iter__(self):
        return iter(self.all_counts())

    def __len__(self):
        return len(self.all_counts())

    def keys(self):
        """The writers of whom something is held."""
        return self.all_counts().keys()

    def values(self):
        """The counts, in the order of `keys`."""
        return self.all_counts().values()

    def items(self):
        """Pairs of writer and count."""
        return self.all_counts().items()

    def __eq__(self, other):
        if not isinstance(other, VersionVector):
            return NotImplemented
        return self.all_counts() == (<VersionVector>other).all_counts()

    def __le__(self, other):
        if not isinstance(other, VersionVector):
            return NotImplemented
        cdef dict theirs = (<VersionVector>other).all_counts()
        for writer, count in self.all_counts().items():
            if theirs.get(writer, 0) < count:
                return False
        return True

    def __lt__(self, other):
        if not isinstance(other, VersionVector):
            return NotImplemented
        return self <= other and not self == other

    def __ge__(self, other):
        if not isinstance(other, VersionVector):
            return NotImplemented
        return other <= self

    def __gt__(self, other):
        if not isinstance(other, VersionVector):
            return NotImplemented
        return other < self

    def __repr__(self):
        return f"VersionVector({self.all_counts()!r})"

    def __copy__(self):
        return VersionVector(self.all_counts())

    def _with(self, str writer not None, unsigned long long count, /):
        """A vector that holds so much of this writer, and of the others what this one does. Nothing is checked."""
        cdef VersionVector v = make_version(None, None, 0)
        v.counts = dict(self.all_counts())
        if count:
            v.counts[writer] = count
        else:
            v.counts.pop(writer, None)
        return v

    def __reduce__(self):
        return restore, (self.to_bytes(),)

    def merge(self, other, /):
        """Join `other` into this vector, the larger count of each writer; returns the vector itself."""
        if not isinstance(other, VersionVector):
            raise TypeError(f"a VersionVector merges with a VersionVector, not {type(other).__name__}")
        cdef dict counts = self.all_counts()
        for writer, count in (<VersionVector>other).all_counts().items():
            if counts.get(writer, 0) < count:
                counts[writer] = count
        return self

    def to_bytes(self):
        """Canonical bytes: equal vectors give equal bytes. O(n log n)."""
        cdef Writer w = empty_writer()
        cdef u32 checksum
        cdef int i
        rows = sorted((writer.encode(), count) for writer, count in self.all_counts().items())
        try:
            write_bytes(&w, b"\xc6\x10\0\0\0\0", HEADER)
            write_number(&w, len(rows))
            for name, count in rows:
                write_string(&w, <const u8 *>PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
                write_number(&w, count)
            if w.failed:
                raise MemoryError()
            checksum = <u32>checksum_of(w.p + HEADER, w.n - HEADER, FORMAT)
            for i in range(4):
                w.p[2 + i] = (checksum >> (8 * i)) & 0xFF
            return PyBytes_FromStringAndSize(<char *>w.p, w.n)
        finally:
            writer_free(&w)

    @staticmethod
    def from_bytes(data, /):
        """The vector that `to_bytes` wrote; `DecodeError` for anything else."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"VersionVector.from_bytes reads bytes, not {type(data).__name__}: give it what to_bytes() returned"
            )
        cdef bytes held = bytes(data)
        cdef Reader r
        r.start = r.p = <const u8 *>PyBytes_AS_STRING(held)
        r.end = r.p + PyBytes_GET_SIZE(held)
        r.error = NULL
        cdef VersionVector v = VersionVector.__new__(VersionVector)
        v.counts = {}
        problem = read_vector(&r, v.counts)
        if problem is None and r.error != NULL:
            problem = r.error.decode()
        if problem is None and reader_left(&r):
            problem = "bytes are left over"
        if problem is not None:
            raise DecodeError(f"not a version vector: {problem}", r.p - r.start)
        return v


def span_of(bytes message not None, /):
    """Two vectors: what a message of `delta` or `to_bytes` builds on, and what its receiver then holds.

    A writer that had left is not in it where the purge that retired it is: who holds that purge holds all events of
    the writer, and may have dropped its name.
    Reads the list of writers and checks the checksum, not the contents. `DecodeError` for anything else.
    """
    cdef Sender *writers = NULL
    cdef u32 n = 0
    cdef const char *error = NULL
    cdef size_t offset = 0
    cdef u32 i
    cdef int status = message_span(<const u8 *>PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message),
                                   &writers, &n, &error, &offset)
    if status == ERROR_DECODE:
        raise DecodeError(f"not a message: {error.decode()}", offset)
    if status != 0:
        raise MemoryError()
    base, top = {}, {}
    try:
        for i in range(n):
            by = writers[writers[i].retired_by]
            name = PyBytes_FromStringAndSize(<const char *>writers[i].id, writers[i].id_bytes).decode()
            if writers[i].retirement == 0:
                top[name] = writers[i].top
            if writers[i].base and (writers[i].retirement == 0 or writers[i].retirement > by.base):
                base[name] = writers[i].base
    finally:
        free(writers)
    return make_version(base, None, 0), make_version(top, None, 0)


cdef object read_vector(Reader *r, dict counts):
    """Fill `counts`; returns what is wrong, or None (then r.error may still say it)."""
    cdef u32 checksum
    cdef int i
    cdef u64 n, length, count
    cdef const u8 *name
    if reader_left(r) < HEADER + 1:
        return "cut short"
    if r.p[0] != MAGIC or (r.p[1] & 0xF0) != FORMAT:
        return "another kind of bytes, or of another major version"
    checksum = <u32>checksum_of(r.p + HEADER, reader_left(r) - HEADER, r.p[1])
    for i in range(4):
        if r.p[2 + i] != ((checksum >> (8 * i)) & 0xFF):
            return "the checksum does not hold"
    r.p += HEADER
    n = read_count(r, 3)
    previous = b""
    for _ in range(n):
        length = read_number(r)
        name = read_bytes(r, length)
        count = read_number(r)
        if r.error != NULL:
            return None
        if length == 0 or length > REPLICA_ID_BYTES_MAX or not utf8_is_valid(name, length):
            return "a writer's name is not 1 to 64 bytes of UTF-8"
        if count == 0 or count > SEQUENCE_MAX:
            return "a count is zero or too large"
        packed = PyBytes_FromStringAndSize(<const char *>name, length)
        if packed <= previous:
            return "the writers are not in order"
        previous = packed
        counts[packed.decode()] = count
    return None


Mapping.register(VersionVector)
