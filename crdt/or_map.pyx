"""ORMap: a map whose values are states of one type.

A key is there while an update below it is held that no removal has observed: every update below
refreshes the key's presence, as an add in an ORSet would. So a removal takes what it has observed,
and a concurrent update survives: of a counter exactly the concurrent steps, of a set the concurrent
adds. Two writers who make one key concurrently get one merged child, since a child is known by its
place and not by who made it (compare the reset-remove map of Almeida, Shoker and Baquero 2018).
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from crdt.document cimport RESTRICTED, Replicated, view
from crdt.engine cimport *
from crdt.values cimport dict_of_equal_keys, pack_key, packed, unpack

from crdt.document import LEVELS, _register, restore
from crdt.errors import RefusedError, WrongTypeError
from crdt.root import MAX_DRIFT
from crdt.shapes import shape_of_type, strictest_of_type
from crdt.shown import shown

cdef enum:
    HEAD_BYTES = 32  # of a message, in which its type stands


cdef u64 kind_of_children(object data):
    """The kind of the children in the bytes of an ORMap; 0 if they are no such bytes."""
    cdef bytes head = bytes(data[:HEAD_BYTES]) if isinstance(data, (bytes, bytearray, memoryview)) else b""
    cdef Reader r
    cdef u64 shape
    r.p = r.start = <const u8 *>PyBytes_AS_STRING(head)
    r.end = r.p + PyBytes_GET_SIZE(head)
    r.error = NULL
    read_bytes(&r, HEADER_BYTES + 1)  # and the flags
    shape = read_number(&r)
    return (shape >> 8) & 0xFF if r.error == NULL and shape & 0xFF == OR_MAP else 0


@cython.final
cdef class ORMap(Replicated):
    """A map of nested states, made on first write.

    >>> m = ORMap("a")
    >>> m["x"].increment(2)
    >>> m.value, "y" in m, m["y"].value
    ({'x': 2}, False, 0)
    """

    cdef object _of

    def __init__(self, replica=None, *, of=None, clock=None, max_drift=MAX_DRIFT):
        self._of = self._default() if of is None else of
        shape, schema = shape_of_type(ORMap, self._of)
        self._start(shape, schema, replica, clock, max_drift)

    @classmethod
    def from_bytes(cls, data, replica=None, *, of=None, **options):
        """A state from `to_bytes`, as of every type.

        `of` is what the bytes say, if it is left out; for composites it is needed, since no bytes name a class.
        """
        kind = kind_of_children(data)
        if of is None and GCOUNTER <= kind < COMPOSITE:
            from crdt.registry import class_of_kind
            of = class_of_kind(kind)
        try:
            return super(ORMap, cls).from_bytes(data, replica, of=of, **options)
        except WrongTypeError as error:
            if of is not None or kind != COMPOSITE:
                raise
            raise WrongTypeError(
                f"{cls.__name__}.from_bytes: the children are composites; give their class, of=", error.offset
            ) from None

    def _kind(self):
        return f"ORMap(of={self._of.__name__})"

    def _default(self):
        from crdt.counters import GCounter
        return GCounter

    def _like(self, other):
        self._of = other.of

    def _with(self, of):
        self._of = self._default() if of is None else of

    @property
    def of(self):
        """The type of the children."""
        return self._of

    def __getitem__(self, key):
        """The child under a key; a child that is not there reads as empty and is made when written."""
        cdef Item item
        pack_key(key, &item, self)
        cdef Replicated child = view(self._of, self.root, NULL, self, key)
        if self._of is ORMap:
            child._with(None)
        return child

    def __setitem__(self, key, value):
        raise TypeError(
            f"{self._place()}[{shown(key)}] is a {self._of.__name__} and cannot be replaced by a "
            f"{type(value).__name__}: change it through its own methods"
        )

    def __delitem__(self, key):
        """Remove what is observed here under a key. `KeyError` if it is not there."""
        cdef Item item
        if key not in self:
            raise KeyError(key)
        _holder = pack_key(key, &item, self)
        if self.root.guard & RESTRICTED:
            self.check_removal(key)
        cdef Table *t = <Table *>self.open()
        self.done(map_remove(self.root.doc, t, &item))

    cdef object too_strict(self):
        """A field of the children that refuses a change in the transaction's mode, or None."""
        strictest = strictest_of_type(self._of)
        return strictest if strictest is not None and strictest.rank > self.root.rank else None

    cdef int check_removal(self, object key) except -1:
        """A removal changes all fields below, so the strictest of them decides."""
        field = self.too_strict()
        if field is not None:
            raise RefusedError(
                f"{self._place()}[{shown(key)}]: its field {field.name!r} is declared at_least={field.at_least!r} and "
                f"refuses to be removed by a {LEVELS[self.root.rank]!r} update; "
                f"call update_state(..., consistency={field.at_least!r})",
                field.name,
                field.at_least,
            )
        return 0

    def _is_restricted(self):
        return self.too_strict() is not None

    def __contains__(self, key):
        cdef Item item
        cdef Table *t = <Table *>self.here()
        _holder = pack_key(key, &item, self)
        cdef Container *child = NULL if t == NULL else map_find(self.root.doc, t, &item)
        return child != NULL and map_is_present(t, child.row)

    def __len__(self):
        cdef Table *t = <Table *>self.here()
        return 0 if t == NULL else t.n - t.tombstones

    __reversed__ = None  # else reversed() would take keys 0, 1, ... for indexes

    def __iter__(self):
        cdef list keys = []
        cdef Table *t = <Table *>self.here()
        cdef Item item
        cdef u32 row
        if t != NULL:
            for row in range(t.n):
                if map_is_present(t, row):
                    item = table_key(t, row)
                    keys.append(unpack(&item))
        return iter(keys)

    def keys(self):
        """The keys, as a list."""
        return list(self)

    def items(self):
        """Pairs of key and child, as a list."""
        return [(key, self[key]) for key in self]

    def _contents(self):
        return self._of, {packed(key, True): self[key]._contents() for key in self}

    cdef object value_of(self, Container *node):
        keys = list(self)
        result = {key: self[key].value for key in keys}
        return result if len(result) == len(keys) else dict_of_equal_keys([(key, self[key].value) for key in keys])

    def __reduce__(self):
        self._only_root("pickling")
        return restore, (ORMap, self.to_bytes(), self._of, self._waiting())


_register(OR_MAP, ORMap)
