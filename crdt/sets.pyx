"""Sets: one that only grows, and one whose elements can be removed.

`ORSet` is the observed-remove set without tombstones (Bieniusa et al. 2012, arXiv 1210.3368): an
element is in the set while one of the events that added it is held; removing drops the events that
were observed, so an add that the remover had not seen survives.
"""

cimport cython

from crdt.document cimport Replicated, doc_of, finish, is_ready, place_of, place_to_change, raise_status
from crdt.engine cimport *
from crdt.values cimport AHEAD, dict_of_equal_keys, hold_key, list_prefetch, pack_keys, pack_plain, packed, unpack

from crdt.document import _register
from crdt.root import MAX_DRIFT


@cython.final
cdef class ElementIterator:
    """Walks the keys of a table, once each; notices changes as dict iterators do."""
    cdef Replicated owner
    cdef u32 row, mutations
    cdef bint started

    def __init__(self, Replicated owner):
        self.owner = owner

    def __iter__(self):
        return self

    def __next__(self):
        if self.owner is None:
            raise StopIteration
        cdef Table *t = <Table *>self.owner.here()
        cdef Item key
        if not self.started:
            if t == NULL:
                self.owner = None
                raise StopIteration
            self.started = True
            self.mutations = t.mutations
        elif t == NULL or t.mutations != self.mutations:  # NULL: what it walks is gone
            raise RuntimeError(f"{self.owner._place()}: changed during iteration")
        while self.row < t.n:
            self.row += 1
            if table_is_winner(self.owner.root.doc, t, self.row - 1):
                key = table_key(t, self.row - 1)
                return unpack(&key)
        self.owner = None
        raise StopIteration


cdef bint contains(Replicated owner, object x) except -1:
    cdef Item key
    cdef Table *t = <Table *>place_of(owner)
    _holder = hold_key(x, &key, owner)
    return t != NULL and table_winner(owner.root.doc, t, &key) != NO_ROW


cdef inline int add(Replicated owner, object x) except -1:
    cdef Item key
    if is_ready(owner) and pack_plain(x, &key, KEY_BYTES_MAX):
        return finish(owner, set_add_inline(doc_of(owner), <Table *>owner.node, &key))
    return add_any(owner, x)


cdef int add_any(Replicated owner, object x) except -1:
    cdef Item key
    _holder = hold_key(x, &key, owner)
    cdef Table *t = <Table *>place_to_change(owner)
    return finish(owner, set_add(owner.root.doc, t, &key))


cdef int add_all(Replicated owner, object elements) except -1:
    """All of them or, when one cannot be an element, none."""
    cdef Item key
    cdef Py_ssize_t i
    cdef list all_of_them = list(elements)
    for i in range(len(all_of_them)):
        list_prefetch(all_of_them, i + AHEAD)
        hold_key(all_of_them[i], &key, owner)
    if len(all_of_them) > BATCH:
        raise_status(table_expect(owner.root.doc, <Table *>place_to_change(owner), <u64>len(all_of_them)), owner)
    for i in range(0, len(all_of_them), BATCH):
        add_batch(owner, all_of_them, i, min(BATCH, len(all_of_them) - i))
    return 0


cdef int add_batch(Replicated owner, list elements, Py_ssize_t at, int n) except -1:
    cdef Item[BATCH] key
    cdef list holders = []
    pack_keys(elements, at, n, key, holders, owner)
    cdef Table *t = <Table *>place_to_change(owner)
    return finish(owner, set_add_many(owner.root.doc, t, key, n))


cdef Py_ssize_t size(Container *node):
    return 0 if node == NULL else <Py_ssize_t>((<Table *>node).n - (<Table *>node).siblings)


cdef set elements_of(Replicated owner, Container *node):
    cdef Table *t = <Table *>node
    cdef Item key
    cdef u32 row
    cdef set result = set()
    if node == NULL:
        return result
    for row in range(t.n):
        key = table_key(t, row)
        result.add(unpack(&key))
    if len(result) == size(node):
        return result
    return set(dict_of_equal_keys([(x, None) for x in ElementIterator(owner)]))


@cython.final
cdef class GSet(Replicated):
    """A set that only grows. Elements are told apart by type: 1, 1.0 and True are three.

    >>> s = GSet("a")
    >>> s.add("x"); s.update([1, 2])
    >>> "x" in s, len(s)
    (True, 3)
    """

    def __init__(self, replica=None, *, clock=None, max_drift=MAX_DRIFT):
        self._start(GSET, 0, replica, clock, max_drift)

    def add(self, x, /):
        """Add an element. O(1). `TypeError`: not None, bool, int, float, str, bytes or a tuple of these."""
        add(self, x)

    def update(self, elements, /):
        """Add every element of an iterable; none of them if one cannot be an element."""
        add_all(self, elements)

    def __contains__(self, x):
        return contains(self, x)

    def __len__(self):
        return size(self.here())

    def __iter__(self):
        return ElementIterator(self)

    def _contents(self):
        return {packed(element, True) for element in self}

    cdef object value_of(self, Container *node):
        return elements_of(self, node)


@cython.final
cdef class ORSet(Replicated):
    """A set whose elements can be removed; an add wins over a concurrent remove.

    >>> s = ORSet("a")
    >>> s.add("x"); s.remove("x"); s.add("y")
    >>> s.value
    {'y'}
    """

    def __init__(self, replica=None, *, clock=None, max_drift=MAX_DRIFT):
        self._start(ORSET, 0, replica, clock, max_drift)

    def add(self, x, /):
        """Add an element. O(1). `TypeError`: not None, bool, int, float, str, bytes or a tuple of these."""
        add(self, x)

    def update(self, elements, /):
        """Add every element of an iterable; none of them if one cannot be an element."""
        add_all(self, elements)

    def remove(self, x, /):
        """Remove an element. O(1). `KeyError` if it is not in the set."""
        if not self.take_out(x):
            raise KeyError(x)

    def discard(self, x, /):
        """Remove an element if it is in the set. O(1)."""
        self.take_out(x)

    def clear(self):
        """Remove every element that is here now. O(n)."""
        if len(self):
            self.done(set_clear(self.root.doc, <Table *>self.open()))
        elif self.root.guard:
            self.check_guard()

    cdef bint take_out(self, object x) except -1:
        cdef Item key
        cdef Table *t
        if not contains(self, x):
            if self.root.guard:
                self.check_guard()
            return False
        _holder = hold_key(x, &key, self)
        t = <Table *>place_to_change(self)
        return finish(self, set_discard(self.root.doc, t, &key)) == CHANGED

    def __contains__(self, x):
        return contains(self, x)

    def __len__(self):
        return size(self.here())

    def __iter__(self):
        return ElementIterator(self)

    def _contents(self):
        return {packed(element, True) for element in self}

    cdef object value_of(self, Container *node):
        return elements_of(self, node)


_register(GSET, GSet)
_register(ORSET, ORSet)
