"""LWWMap: a dict whose keys are each a last-writer-wins register.

A write carries a stamp of a hybrid logical clock; of two writes of one key the larger stamp stays,
then the larger writer's name. Deleting is a write too, so a key's deletion competes like a value.
"""

from collections.abc import ItemsView, KeysView, MutableMapping, ValuesView

cimport cython
from cpython.ref cimport PyObject

from crdt.document cimport Replicated, doc_of, finish, is_ready, place_of, place_to_change, raise_status, time_of
from crdt.engine cimport *
from crdt.root cimport is_plain, wall_clock_ms
from crdt.values cimport (
    AHEAD, PyGC_Disable, PyGC_Enable, dict_of_equal_keys, hold_key, hold_value, list_prefetch, pack_key, pack_keys,
    pack_plain, pack_value, packed, unpack
)

from crdt.document import _register
from crdt.root import MAX_DRIFT

cdef object MISSING = object()


@cython.final
cdef class RowIterator:
    """Walks live keys, or pairs of key and value; notices changes as dict iterators do."""
    cdef LWWMap owner
    cdef u32 row, mutations
    cdef bint started, pairs

    def __iter__(self):
        return self

    def __next__(self):
        if self.owner is None:
            raise StopIteration
        cdef Table *t = <Table *>self.owner.here()
        cdef Item item
        if not self.started:
            if t == NULL:
                self.owner = None
                raise StopIteration
            self.started = True
            self.mutations = t.mutations
        elif t == NULL or t.mutations != self.mutations:  # NULL: what it walks is gone
            raise RuntimeError(f"{self.owner._place()}: changed size during iteration")
        while self.row < t.n:
            self.row += 1
            if not table_is_winner(self.owner.root.doc, t, self.row - 1):
                continue
            item = table_key(t, self.row - 1)
            key = unpack(&item)
            if not self.pairs:
                return key
            item = table_value(t, self.row - 1)
            return key, unpack(&item)
        self.owner = None
        raise StopIteration


class LWWMapItems(ItemsView):
    """The pairs of an LWWMap, without a lookup for each."""

    def __iter__(self):
        return self._mapping._pairs()


class LWWMapValues(ValuesView):
    """The values of an LWWMap, without a lookup for each."""

    def __iter__(self):
        return (value for _, value in self._mapping._pairs())


cdef extern from "Python.h":
    bint PyDict_Next(dict entries, Py_ssize_t *at, PyObject **key, PyObject **value)


cdef extern from *:
    """
    /* The next pairs of a dict, up to BATCH; what they are will be needed after those before them. */
    static int next_pairs(PyObject *entries, Py_ssize_t *at, PyObject **key, PyObject **value)
    {
        int n = 0;
        while (n < BATCH && PyDict_Next(entries, at, &key[n], &value[n])) {
            __builtin_prefetch(key[n]);
            __builtin_prefetch((const char *)key[n] + 64);
            __builtin_prefetch(value[n]);
            n++;
        }
        return n;
    }
    """
    int next_pairs(dict entries, Py_ssize_t *at, PyObject **key, PyObject **value)


cdef bint all_plain(dict entries) except -1:
    """Whether all keys and values are what `pack_plain` takes."""
    cdef PyObject *key[2 * BATCH]
    cdef PyObject *value[2 * BATCH]
    cdef Item item
    cdef Py_ssize_t at = 0
    cdef int i, ahead, half = 0, n = next_pairs(entries, &at, key, value)
    while n != 0:
        half = BATCH - half
        ahead = next_pairs(entries, &at, key + half, value + half)
        for i in range(n):
            if not pack_plain(<object>key[BATCH - half + i], &item, KEY_BYTES_MAX):
                return False
            if not pack_plain(<object>value[BATCH - half + i], &item, VALUE_BYTES_MAX):
                return False
        n = ahead
    return True


@cython.final
@cython.collection_type("mapping")  # registering an extension type does not mark it for `match`
cdef class LWWMap(Replicated):
    """A mutable mapping; of concurrent writes of one key the later stays.

    Keys are told apart by type, as elements of sets are. Values are kept by content: what is read is
    a copy, and changing it changes nothing.

    >>> m = LWWMap("a")
    >>> m["model"] = "small"; m.update({"depth": 3})
    >>> m["model"], len(m), m.get_many(["depth", "none"])
    ('small', 2, [3, None])
    """

    def __init__(self, replica=None, *, clock=None, max_drift=MAX_DRIFT):
        self._start(LWW_MAP, 0, replica, clock, max_drift)

    cdef inline int put(self, object key, object value) except -1:
        cdef Item k, v
        if is_ready(self) and pack_plain(key, &k, KEY_BYTES_MAX) and pack_plain(value, &v, VALUE_BYTES_MAX):
            return finish(self, table_put_inline(doc_of(self), <Table *>self.node, &k, &v, wall_clock_ms()))
        return self.put_any(key, value)

    cdef int put_any(self, object key, object value) except -1:
        cdef Item k, v
        if not pack_plain(key, &k, KEY_BYTES_MAX) or not pack_plain(value, &v, VALUE_BYTES_MAX):
            _holders = pack_key(key, &k, self), pack_value(value, &v, self, key)
        cdef u64 now = time_of(self)
        cdef Table *t = <Table *>place_to_change(self)
        return finish(self, table_put(self.root.doc, t, &k, &v, now))

    cdef object lookup(self, object key, object default):
        cdef Item item
        cdef Table *t = <Table *>place_of(self)
        _holder = hold_key(key, &item, self)
        cdef u32 row = NO_ROW if t == NULL else table_winner(self.root.doc, t, &item)
        if row == NO_ROW:
            return default
        item = table_value(t, row)
        return unpack(&item)

    cdef int erase(self, object key, u64 now) except -1:
        """Delete a key that is there."""
        cdef Item k, absent
        _holder = hold_key(key, &k, self)
        absent.type = ABSENT
        absent.n = 0
        absent.p = NULL
        cdef Table *t = <Table *>place_to_change(self)
        return finish(self, table_put(self.root.doc, t, &k, &absent, now))

    def __getitem__(self, key):
        value = self.lookup(key, MISSING)
        if value is MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key, value):
        self.put(key, value)

    def __delitem__(self, key):
        if key not in self:
            raise KeyError(key)
        self.erase(key, time_of(self))

    def __contains__(self, key):
        cdef Item item
        cdef Table *t = <Table *>place_of(self)
        _holder = hold_key(key, &item, self)
        return t != NULL and table_winner(self.root.doc, t, &item) != NO_ROW

    def __len__(self):
        cdef Table *t = <Table *>self.here()
        if t == NULL:
            return 0
        if t.siblings == 0:
            return t.n - t.tombstones
        return sum(1 for _ in self)

    __reversed__ = None  # else reversed() would take keys 0, 1, ... for indexes; as in Mapping

    def __iter__(self):
        return self.walk(False)

    cdef RowIterator walk(self, bint pairs):
        cdef RowIterator it = RowIterator.__new__(RowIterator)
        it.owner = self
        it.pairs = pairs
        return it

    def _pairs(self):
        return self.walk(True)

    def get(self, key, default=None):
        """The value of a key, or `default`. O(1)."""
        return self.lookup(key, default)

    def get_many(self, keys, default=None):
        """The values of many keys, in their order, `default` where there is none. The fastest way to read many."""
        cdef list wanted = keys if type(keys) is list else list(keys)
        cdef list result = []
        cdef Py_ssize_t at
        cdef bint collects = PyGC_Disable()  # or a finalizer may change what is read, or the list of keys
        try:
            for at in range(0, len(wanted), BATCH):
                self.look_up(wanted, at, BATCH, default, result)
        finally:
            if collects:
                PyGC_Enable()
        return result

    cdef int look_up(self, list keys, Py_ssize_t at, int n, object default, list result) except -1:
        cdef Item[BATCH] item
        cdef u32[BATCH] row
        cdef int i
        cdef list holders = []
        cdef Table *t = <Table *>place_of(self)  # may wait: from the packing on, nobody else's code runs
        n = max(0, min(n, len(keys) - at))
        pack_keys(keys, at, n, item, holders, self)
        if t == NULL or t.n == 0:
            result.extend([default] * n)
            return 0
        table_winners(self.root.doc, t, item, n, row)
        for i in range(n):
            if row[i] == NO_ROW:
                result.append(default)
            else:
                item[i] = table_value(t, row[i])
                result.append(unpack(&item[i]))
        return 0

    def keys(self):
        """A view of the keys."""
        return KeysView(self)

    def values(self):
        """A view of the values."""
        return LWWMapValues(self)

    def items(self):
        """A view of the pairs."""
        return LWWMapItems(self)

    def update(self, other=(), /, **more):
        """Write all pairs of a mapping or an iterable; none of them if one cannot be kept."""
        cdef list keys, values
        if type(other) is dict and not more and self.put_plain(other):
            return
        if isinstance(other, dict):
            if type(other) is not dict:
                other = dict(other)  # reads a subclass as `dict.update` does
            keys, values = list(other), list((<dict>other).values())
        elif hasattr(other, "keys") and type(other) is not LWWMap:
            keys = list(other.keys())
            values = [other[key] for key in keys]
        else:
            keys, values = [], []
            for key, value in other.items() if type(other) is LWWMap else other:
                keys.append(key)
                values.append(value)
        keys.extend(more)
        values.extend(more.values())
        self.put_all(keys, values)

    cdef bint put_plain(self, dict entries) except -1:
        """Write the pairs of a dict, if all are plain: then no code of others runs, so they can stay where they are."""
        cdef PyObject *key[2 * BATCH]
        cdef PyObject *value[2 * BATCH]
        cdef Item[BATCH] k
        cdef Item[BATCH] v
        cdef Py_ssize_t at = 0
        cdef int i, n, ahead, half = 0
        if not entries or self.root is None or not is_plain(self.root):
            return False
        cdef Table *t = <Table *>place_to_change(self)
        if not all_plain(entries):
            finish(self, UNCHANGED)
            return False
        raise_status(table_expect(self.root.doc, t, <u64>len(entries)), self)
        n = next_pairs(entries, &at, key, value)
        while n != 0:
            half = BATCH - half
            ahead = next_pairs(entries, &at, key + half, value + half)
            for i in range(n):
                pack_plain(<object>key[BATCH - half + i], &k[i], KEY_BYTES_MAX)
                pack_plain(<object>value[BATCH - half + i], &v[i], VALUE_BYTES_MAX)
            finish(self, table_put_many(self.root.doc, t, k, v, n, wall_clock_ms()))
            n = ahead
        return True

    cdef int put_all(self, list keys, list values) except -1:
        """Write these pairs, after a look at all of them."""
        cdef Item item
        cdef Py_ssize_t i
        for i in range(len(keys)):
            list_prefetch(keys, i + AHEAD)
            list_prefetch(values, i + AHEAD)
            hold_key(keys[i], &item, self)
            hold_value(values[i], &item, self, keys[i])
        cdef u64 now = time_of(self)  # once, as in clear
        if len(keys) > BATCH:
            raise_status(table_expect(self.root.doc, <Table *>place_to_change(self), <u64>len(keys)), self)
        for i in range(0, len(keys), BATCH):
            self.put_batch(keys, values, i, min(BATCH, len(keys) - i), now)
        return 0

    cdef int put_batch(self, list keys, list values, Py_ssize_t at, int n, u64 now) except -1:
        cdef Item[BATCH] key
        cdef Item[BATCH] value
        cdef int i
        cdef list holders = []
        pack_keys(keys, at, n, key, holders, self)
        for i in range(n):
            list_prefetch(values, at + i + AHEAD)
            if not pack_plain(values[at + i], &value[i], VALUE_BYTES_MAX):
                holders.append(pack_value(values[at + i], &value[i], self, keys[at + i]))
        cdef Table *t = <Table *>place_to_change(self)
        return finish(self, table_put_many(self.root.doc, t, key, value, n, now))

    def pop(self, key, default=MISSING):
        """Delete a key and return its value; `default`, or `KeyError`, if it is not there."""
        cdef u64 now = time_of(self)
        value = self.lookup(key, MISSING)
        if value is MISSING:
            if default is MISSING:
                raise KeyError(key)
            return default
        self.erase(key, now)
        return value

    def popitem(self):
        """Delete some key and return it with its value; `KeyError` if there is none."""
        for key in self:
            return key, self.pop(key)
        raise KeyError(f"{self._place()}: popitem of an empty map")

    def setdefault(self, key, default=None):
        """The value of a key, which becomes `default` if it is not there."""
        value = self.lookup(key, MISSING)
        if value is MISSING:
            self.put_any(key, default)
            return self.lookup(key, default)
        return value

    def clear(self):
        """Delete every key that is here now. O(n)."""
        cdef u64 now = time_of(self)  # once: a clock that fails must not fail half-way
        for key in list(self):
            self.erase(key, now)

    def _contents(self):
        return {packed(key, True): packed(value, False) for key, value in self.walk(True)}

    cdef object value_of(self, Container *node):
        cdef dict result = {}
        cdef Table *t = <Table *>node
        cdef Item item
        cdef u32 row, n = 0
        if node == NULL:
            return result
        for row in range(t.n):
            if table_is_winner(self.root.doc, t, row):
                item = table_key(t, row)
                key = unpack(&item)
                item = table_value(t, row)
                result[key] = unpack(&item)
                n += 1
        return result if <u32>len(result) == n else dict_of_equal_keys(list(self.walk(True)))


MutableMapping.register(LWWMap)
_register(LWW_MAP, LWWMap)
