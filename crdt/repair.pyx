"""Making two states equal again whose versions agree and whose contents do not.

Versions tell two replicas what either lacks, as long as a writer's name has one life and nothing is lost
once it was held. Where that failed (a name that was used twice, a restored backup, memory gone bad)
equal versions hide different contents, which only the digests show. Then the replicas compare the
entries themselves: each turns the keyed hashes of its entries into coded symbols (engine/riblt.h), of
which a few per difference are enough, and sends the other the entries that it lacks (engine/repair.c).

    mine, theirs = Sketch(a, key), Sketch(b, key)
    found = theirs.difference(mine.symbols(0, 32))    # None: ask for symbols(32, 64) too
    b_only, a_only = found
    repair(b, entries(a, key, a_only)); repair(a, entries(b, key, b_only))

`key` is 16 random bytes of the session: whoever cannot foresee it cannot make entries that collide in it.
Both sketches must be of states with equal versions, or what one side has removed comes back.
"""

cimport cython

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc

from crdt.document cimport READ_ONLY, Replicated, raise_landing, raise_status
from crdt.engine cimport *
from crdt.root cimport Root
from crdt.turns cimport LANDING, WALKED
from crdt.version cimport VersionVector

from crdt.errors import DecodeError, WrongTypeError
from crdt.shown import shown

cdef extern from "hash.h" nogil:
    u64 checksum_of(const u8 *p, size_t n, u64 seed)

cdef enum:
    MAGIC = 0xC7
    FORMAT = 0x10
    HEADER = 6

SYMBOLS_MAX = CELLS_MAX
KEY_BYTES = 16
HASH_BYTES = 6


cdef SipKey key_of(object key) except *:
    if type(key) is not bytes or len(key) != KEY_BYTES:
        raise ValueError(f"key: {KEY_BYTES} random bytes of the session, not {shown(key)}")
    cdef SipKey k
    k.k0 = int.from_bytes(key[:8], "little")
    k.k1 = int.from_bytes(key[8:], "little")
    return k


cdef Root walked_root(Replicated state, str what):
    """The root of a state, which nobody changes until `end_walk`."""
    state._only_root(what)
    cdef Root root = state.root
    root.begin_walk()
    if root.doc.open != NULL:
        root.end_walk()
        raise RuntimeError(f"{type(state).__name__}: {what} is not possible inside an update")
    return root


@cython.final
cdef class Sketch:
    """The entries of a state at this moment, as symbols. 8 bytes an entry; O(entries) to make."""
    cdef Hashes hashes
    cdef SipKey key
    cdef readonly object version

    def __init__(self, Replicated state not None, key):
        self.key = key_of(key)
        self.free()
        cdef Root root = walked_root(state, "a sketch")
        cdef int status
        try:
            self.version = state.version
            with nogil:
                status = entries_hashes(root.doc, self.key, &self.hashes)
        finally:
            root.end_walk()
        root.let_others_in()
        if status < 0:
            self.hashes.all = NULL
            self.hashes.n = self.hashes.capacity = 0
        raise_status(status, state)

    cdef void free(self) noexcept:
        block_free(self.hashes.all, self.hashes.capacity * sizeof(u64))
        self.hashes.all = NULL
        self.hashes.n = self.hashes.capacity = 0

    def __dealloc__(self):
        self.free()

    def __len__(self):
        """How many entries there are."""
        return self.hashes.n

    cdef Cell *cells(self, u32 first, u32 n, int sign, Cell *cells) noexcept nogil:
        cells_add(cells, first, n, self.hashes.all, self.hashes.n, self.key.k1, sign)
        return cells

    def symbols(self, first, count, /):
        """The coded symbols [first, first + count) as bytes, 8 each. O(entries * log(symbols))."""
        if not 0 <= first <= SYMBOLS_MAX or not 0 < count <= SYMBOLS_MAX - first:
            raise ValueError(f"symbols: [first, first + count) lies within [0, {SYMBOLS_MAX}), not {first}, {count}")
        cdef u32 start = first, n = count
        cdef Cell *cells = <Cell *>PyMem_Calloc(n, sizeof(Cell))
        cdef Writer out = empty_writer()
        cdef u32 checksum
        cdef int i
        if cells == NULL:
            raise MemoryError()
        try:
            with nogil:
                self.cells(start, n, 1, cells)
            write_byte(&out, MAGIC)
            write_byte(&out, FORMAT)
            for _ in range(HEADER - 2):
                write_byte(&out, 0)
            write_number(&out, start)
            write_number(&out, n)
            cells_write(&out, cells, n)
            if out.failed:
                raise MemoryError()
            checksum = <u32>checksum_of(out.p + HEADER, out.n - HEADER, FORMAT)
            for i in range(4):
                out.p[2 + i] = (checksum >> (8 * i)) & 0xFF
            return PyBytes_FromStringAndSize(<char *>out.p, out.n)
        finally:
            PyMem_Free(cells)
            writer_free(&out)

    def difference(self, *batches):
        """`(what only this state has, what only theirs has)`, as hashes of entries; None: more symbols are needed.

        A hash that stands on both sides is of no entry. Where an entry of one side happens to have the hash of an
        entry of the other, neither is told: the digests stay different, and another key tells them.
        `batches`: all symbols received, from the first on. `DecodeError`: they are no such symbols.
        """
        cdef u32 n = 0, at = 0, count
        cdef object parsed = [opened(batch) for batch in batches]
        for batch in parsed:
            if batch[0] != n or batch[1] > SYMBOLS_MAX - n:
                raise DecodeError(f"symbols: a batch begins at {batch[0]} where {n} comes next", 0)
            n += batch[1]
        cdef Cell *cells = <Cell *>PyMem_Calloc(n + 1, sizeof(Cell))
        cdef u64 *items = <u64 *>PyMem_Malloc((2 * <size_t>n + 1) * sizeof(u64))
        cdef u32 *queue = <u32 *>PyMem_Malloc((<size_t>n + 1) * sizeof(u32))
        cdef Difference found
        cdef bint complete
        try:
            if cells == NULL or items == NULL or queue == NULL:
                raise MemoryError()
            for _, number, offset, data in parsed:
                count = number
                read_cells(data, offset, cells + at, count)
                at += count
            found.theirs = items
            found.mine = items + n
            with nogil:
                self.cells(0, n, -1, cells)
                complete = cells_peel(cells, n, self.key.k1, queue, &found)
            if not complete:
                return None
            return [found.mine[i] for i in range(found.n_mine)], [found.theirs[i] for i in range(found.n_theirs)]
        finally:
            PyMem_Free(cells)
            PyMem_Free(items)
            PyMem_Free(queue)


cdef Reader reader_of(bytes data):
    cdef Reader r
    r.p = r.start = <const u8 *>PyBytes_AS_STRING(data)
    r.end = r.p + PyBytes_GET_SIZE(data)
    r.error = NULL
    return r


cdef object opened(object batch):
    """(first, count, where the cells begin, bytes) of one batch of symbols."""
    if type(batch) is not bytes:
        raise TypeError(f"symbols: bytes, not {type(batch).__name__}")
    cdef Reader r = reader_of(batch)
    cdef u32 checksum
    cdef u64 first, count
    if reader_left(&r) < HEADER + 2:
        raise DecodeError("symbols: shorter than any", 0)
    if r.p[0] != MAGIC or (r.p[1] & 0xF0) != FORMAT:
        raise DecodeError("symbols: not of this format", 0)
    checksum = <u32>checksum_of(r.p + HEADER, reader_left(&r) - HEADER, r.p[1])
    for i in range(4):
        if r.p[2 + i] != ((checksum >> (8 * i)) & 0xFF):
            raise DecodeError("symbols: the checksum does not hold: damaged or cut short", 2)
    r.p += HEADER
    first = read_number(&r)
    count = read_count(&r, CELL_BYTES)
    if r.error != NULL or count == 0 or first > <u64>SYMBOLS_MAX:
        raise DecodeError("symbols: numbers that cannot be", r.p - r.start)
    return first, count, r.p - r.start, batch


def symbols_end(batch, /):
    """The number of the symbol after the last one of a batch. `DecodeError`: it is none."""
    first, count, _, _ = opened(batch)
    return first + count


cdef int read_cells(bytes data, size_t offset, Cell *cells, u32 n) except -1:
    cdef Reader r = reader_of(data)
    r.p += offset
    if cells_read(&r, cells, n) != DONE or reader_left(&r) != 0:
        raise DecodeError("symbols: cut short, or bytes are left over", r.p - r.start)
    return 0


def entries(Replicated state not None, key, hashes, version=None):
    """A message of those entries that have these hashes (None: of all entries), for `repair`. O(entries).

    With `version`, which must be that of the sketch in which the hashes were found to be all that the
    receiver lacks, the receiver takes it over: for two states that cannot exchange deltas any more.
    """
    cdef SipKey k = key_of(key)
    cdef bint everything = hashes is None
    cdef size_t n = 0 if everything else len(hashes), at = 0
    cdef u64 *wanted = <u64 *>PyMem_Malloc((n + 1) * sizeof(u64))
    if wanted == NULL:
        raise MemoryError()
    try:
        for h in hashes or ():
            if at < n:
                wanted[at] = h
                at += 1
        return entries_of(state, k, NULL if everything else wanted, at, version)
    finally:
        PyMem_Free(wanted)


cdef bytes entries_of(Replicated state, SipKey key, const u64 *wanted, size_t n, object version):
    cdef Root root = walked_root(state, "a message of entries")
    cdef Document *doc = root.doc
    cdef Writer out = empty_writer()
    cdef u64 *tops = NULL
    cdef int index, status
    try:
        if version is not None:
            tops = <u64 *>PyMem_Calloc(doc.replicas.n + 1, sizeof(u64))
            if tops == NULL:
                raise MemoryError()
            for writer, count in (<VersionVector?>version).all_counts().items():
                name = writer.encode()
                index = replicas_find(&doc.replicas, <const u8 *>PyBytes_AS_STRING(name), <u8>PyBytes_GET_SIZE(name))
                if index >= 0:
                    tops[index] = count
        with nogil:
            status = entries_encode(doc, key, wanted, n, tops, &out)
        raise_status(status, state)
        return PyBytes_FromStringAndSize(<char *>out.p, out.n)
    finally:
        writer_free(&out)
        PyMem_Free(tops)
        root.end_walk()
        root.let_others_in()


def repair(Replicated state not None, data, /):
    """Join the entries of a message, whatever the versions say; whether that changed anything.

    Entries of events above the own version are left for the delta that brings them, unless the message
    hands its version over. Nothing is joined if one is stamped further ahead than `max_drift`.
    `DecodeError`: not such a message; nothing of it was joined. `RetiredError`: it hands its version over,
    and one side has purged what the other side was written without; nothing of it was joined.
    """
    cdef bytes message = state._bytes(data)
    state._only_root("a repair")
    cdef Root root = state.root
    cdef Document *doc = root.doc
    cdef Landing landing = MESSAGE_NO_NEWS
    cdef const char *error = NULL
    cdef size_t offset = 0
    cdef const u8 *p = <const u8 *>PyBytes_AS_STRING(message)
    cdef size_t size = PyBytes_GET_SIZE(message)
    cdef u64 latest = ((root.now_ms() + root.drift_ms()) << 16) | 0xFFFF
    cdef int status
    if root.guard & (READ_ONLY | WALKED | LANDING):
        state.check_guard()
    if doc.open != NULL:
        raise RuntimeError(f"{type(state).__name__}: a repair is not possible inside an update")
    root.begin_landing()
    with nogil:
        status = document_repair(doc, p, size, latest, &landing, &error, &offset)
    root.end_landing()
    root.others = None
    root.let_others_in()
    if status == ERROR_DECODE:
        kind = WrongTypeError if error == b"of another type" else DecodeError
        raise kind(f"{type(state).__name__}: {error.decode()}; nothing of it was applied", offset)
    raise_status(status, state)
    raise_landing(landing, state)
    state.land_due()
    return landing == MESSAGE_LANDED
