"""Registers: one value each.

`LWWRegister` keeps the write with the largest stamp, of a hybrid logical clock (Kulkarni et al.
2014), then of the larger writer's name. `MVRegister` keeps every write that no other had observed.
"""

cimport cython

from crdt.document cimport Replicated, time_of
from crdt.engine cimport *
from crdt.values cimport PyGC_Disable, PyGC_Enable, pack_value, packed, unpack

from crdt.document import _register
from crdt.root import MAX_DRIFT


cdef int put(Replicated owner, object value, u64 now_ms) except -1:
    cdef Item item
    cdef Item key = item_none()
    _holder = pack_value(value, &item, owner, None)
    cdef Table *t = <Table *>owner.open()
    return owner.done(table_put(owner.root.doc, t, &key, &item, now_ms))


@cython.final
cdef class LWWRegister(Replicated):
    """One value; of concurrent writes the one with the larger stamp stays.

    >>> r = LWWRegister("a")
    >>> r.set({"model": "small"}); r.value
    {'model': 'small'}
    """

    def __init__(self, replica=None, *, clock=None, max_drift=MAX_DRIFT):
        self._start(LWW_REGISTER, 0, replica, clock, max_drift)

    def set(self, value, /):
        """Write a value. `TypeError`: not plain data; nothing is changed then."""
        put(self, value, time_of(self))

    def _contents(self):
        return packed(self.value, False)

    cdef object value_of(self, Container *node):
        cdef Item key = item_none()
        cdef Item item
        cdef u32 row = NO_ROW if node == NULL else table_winner(self.root.doc, <Table *>node, &key)
        if row == NO_ROW:
            return None
        item = table_value(<Table *>node, row)
        return unpack(&item)


@cython.final
cdef class MVRegister(Replicated):
    """One value, or all the values that were written concurrently.

    >>> a, b = MVRegister("a"), MVRegister("b")
    >>> a.set(1); b.set(2)
    >>> a.merge(b), a.values
    (True, [1, 2])
    >>> a.set(3); a.values
    [3]
    """

    def __init__(self, replica=None, *, clock=None, max_drift=MAX_DRIFT):
        self._start(MV_REGISTER, 0, replica, clock, max_drift)

    def set(self, value, /):
        """Write a value in place of all that are here. `TypeError`: not plain data."""
        put(self, value, 0)

    @property
    def values(self):
        """The concurrent values in canonical order (by type, then content); equal ones once."""
        cdef Container *node = self.here()
        cdef bint collects = PyGC_Disable()  # or a finalizer may change what is read
        try:
            return self.values_of(node)
        finally:
            if collects:
                PyGC_Enable()

    cdef list values_of(self, Container *node):
        cdef Table *t = <Table *>node
        cdef list rows = []
        cdef Item a, b
        cdef u32 row
        cdef Py_ssize_t at
        if node == NULL:
            return rows
        for row in range(t.n):  # insertion sort: concurrent values are few
            a = table_value(t, row)
            at = 0
            order = 1
            while at < len(rows):
                b = table_value(t, rows[at])
                order = item_compare(&a, &b)
                if order <= 0:
                    break
                at += 1
            if order != 0 or not rows:
                rows.insert(at, row)
        result = []
        for row in rows:
            a = table_value(t, row)
            result.append(unpack(&a))
        return result

    def _contents(self):
        return [packed(value, False) for value in self.values]

    cdef object value_of(self, Container *node):
        values = self.values_of(node)
        return values[0] if values else None


_register(LWW_REGISTER, LWWRegister)
_register(MV_REGISTER, MVRegister)
