"""OpBasedList: a list that many can edit at once.

Elements are ordered as FugueMax orders them (Weidner and Kleppmann, "The Art of the Fugue", 2023):
runs inserted concurrently at one place stay whole, one behind the other, by writer's name.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc

from crdt.document cimport Replicated, finish, place_of, place_to_change
from crdt.engine cimport *
from crdt.sequences cimport (
    counted, delete_at, delete_range, index_in, length_of, make_cursor, place_of_cursor, plain_slice
)
from crdt.values cimport PyGC_Disable, PyGC_Enable, pack_value, packed, unpack

from crdt.document import _register
from crdt.root import MAX_DRIFT
from crdt.shown import shown


@cython.final
cdef class ListIterator:
    cdef OpBasedList owner
    cdef SequenceWalk at
    cdef Digest digest  # of what it walks, which every change of it changes
    cdef u32 epoch      # but for an update that is undone: that leaves other leaves, and the same digest

    def __iter__(self):
        return self

    def __next__(self):
        cdef Item item
        if self.owner is None:
            raise StopIteration
        if not self.is_as_it_was(self.owner.here()):
            raise RuntimeError(f"{self.owner._place()}: changed during iteration")
        if not walk_next(&self.at, &item):
            self.owner = None
            raise StopIteration
        return unpack(&item)

    cdef bint is_as_it_was(self, Container *node):
        if node == NULL or self.epoch != self.owner.root.doc.epoch:
            return False
        cdef Digest now = sequence_digest((<SequenceNode *>node).sequence)
        return now.low == self.digest.low and now.high == self.digest.high


@cython.final
cdef class OpBasedList(Replicated):
    """A list of plain values.

    >>> l = OpBasedList("a")
    >>> l.extend([1, 2, 4]); l.insert(2, 3); del l[0]
    >>> l.value, l[-1], l[:2]
    ([2, 3, 4], 4, [2, 3])
    """

    def __init__(self, replica=None, *, clock=None, max_drift=MAX_DRIFT):
        self._start(OP_LIST, 0, replica, clock, max_drift)

    cdef int put(self, Py_ssize_t at, list values) except -1:
        """Insert at a valid index; all values or, if one cannot be kept, none."""
        cdef Py_ssize_t n = len(values), i
        cdef Container *node
        cdef int status
        if n == 0:
            if self.root.guard:
                self.check_guard()
            return 0
        cdef Item *items = <Item *>PyMem_Malloc(n * sizeof(Item))
        if items == NULL:
            raise MemoryError()
        try:
            holders = []
            for i in range(n):
                holders.append(pack_value(values[i], &items[i], self, at + i))
            node = place_to_change(self)
            status = node_insert_items(self.root.doc, <SequenceNode *>node, <u32>at, items, counted(n))
        finally:
            PyMem_Free(items)
        return finish(self, status)

    cdef int put_one(self, Py_ssize_t at, object value) except -1:
        cdef Item item
        _holder = pack_value(value, &item, self, at)
        cdef Container *node = place_to_change(self)
        return finish(self, node_insert_items(self.root.doc, <SequenceNode *>node, <u32>at, &item, 1))

    def insert(self, i, v):
        """Insert a value before index i; i == len appends. O(log n). `IndexError`: out of range."""
        self.put_one(index_in(self, i, length_of(place_of(self)), True), v)

    def append(self, v, /):
        """Insert a value at the end. O(log n)."""
        self.put_one(length_of(place_of(self)), v)

    def extend(self, vs, /):
        """Insert the values of an iterable at the end, as one run."""
        self.put(length_of(place_of(self)), list(vs))

    def insert_many(self, i, vs):
        """Insert the values of an iterable before index i, as one run."""
        values = list(vs)
        self.put(index_in(self, i, length_of(place_of(self)), True), values)

    def delete(self, i, n=1):
        """Delete n values from index i on. O(log n) a run. `IndexError`: out of range; nothing is changed."""
        if self.root.guard:
            self.check_guard()
        delete_range(self, i, n)

    def clear(self):
        """Delete every value that is here now."""
        self.delete(0, len(self))

    def __len__(self):
        return length_of(place_of(self))

    def __getitem__(self, index):
        cdef Py_ssize_t at
        cdef Item item
        cdef bint collects
        if isinstance(index, slice):
            index = plain_slice(index)
            collects = PyGC_Disable()  # or a finalizer may change what is read
            try:
                return self.sliced(index)
            finally:
                if collects:
                    PyGC_Enable()
        at = index_in(self, index, length_of(place_of(self)), False)  # which may run the caller's code
        item = list_item((<SequenceNode *>place_of(self)).sequence, <u32>at)
        return unpack(&item)

    cdef list sliced(self, object index):
        cdef Container *node = place_of(self)
        start, stop, step = index.indices(length_of(node))
        if step == 1:
            return self.copied(node, start, max(start, stop))
        return [self[i] for i in range(start, stop, step)]

    def __setitem__(self, index, value):
        raise TypeError(
            f"{self._place()}: an element cannot be replaced in place: concurrent replacements would both stay; "
            "delete it and insert another"
        )

    def __delitem__(self, index):
        if self.root.guard:
            self.check_guard()
        delete_at(self, index)

    cdef list copied(self, Container *node, Py_ssize_t start, Py_ssize_t stop):
        cdef list result = []
        cdef SequenceWalk walk
        cdef Item item
        if start >= stop:
            return result
        walk = walk_start((<SequenceNode *>node).sequence, <u32>start)
        while start < stop and walk_next(&walk, &item):
            result.append(unpack(&item))
            start += 1
        return result

    def __iter__(self):
        cdef ListIterator it = ListIterator.__new__(ListIterator)
        cdef Container *node = place_of(self)
        if node != NULL:
            it.owner = self
            it.epoch = self.root.doc.epoch
            it.digest = sequence_digest((<SequenceNode *>node).sequence)
            it.at = walk_start((<SequenceNode *>node).sequence, 0)
        return it

    def _find(self, v):
        cdef Item wanted, item
        cdef SequenceWalk walk
        cdef Py_ssize_t i = 0
        _holder = pack_value(v, &wanted, self, None)
        cdef Container *node = place_of(self)
        if node == NULL:
            return -1
        walk = walk_start((<SequenceNode *>node).sequence, 0)
        while walk_next(&walk, &item):
            if item_compare(&wanted, &item) == 0:
                return i
            i += 1
        return -1

    def index(self, v, /):
        """The first index of a value, told apart by type. O(n). `ValueError`: not in the list."""
        i = self._find(v)
        if i < 0:
            raise ValueError(f"{self._place()}: {shown(v)} is not in the list")
        return i

    def __contains__(self, v):
        return self._find(v) >= 0

    def cursor(self, i, side="right"):
        """A `Cursor` at index i that stays with its right or left neighbour while others edit."""
        return make_cursor(self, i, side)

    def index_of(self, cursor, /):
        """Where a cursor is now. O(log n). `KeyError`: its element has not come here yet."""
        return place_of_cursor(self, cursor)

    def _contents(self):
        return [packed(value, False) for value in self.value]

    cdef object value_of(self, Container *node):
        return self.copied(node, 0, length_of(node))


_register(OP_LIST, OpBasedList)
