"""Text: a string that many can edit at once, ordered as OpBasedList is.

Positions are code points, as in `str`. Lone surrogates, which no UTF-8 can carry, are refused.
"""

cimport cython

from libc.string cimport memset

from crdt.document cimport Replicated, finish, place_of, place_to_change, raise_status
from crdt.engine cimport *
from crdt.sequences cimport (
    PyLong_AsSsize_t_or_max,
    counted,
    delete_range,
    index_in,
    length_of,
    make_cursor,
    place_of_cursor,
    plain_slice,
)
from crdt.values cimport PyGC_Disable, PyGC_Enable

from crdt.document import _register
from crdt.root import MAX_DRIFT
from crdt.shown import shown

cdef extern from "Python.h":
    ctypedef struct PyObject
    int PyUnicode_KIND(PyObject *o)
    void *PyUnicode_DATA(PyObject *o)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject *o)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    bint PyLong_CheckExact(object o)
    Py_ssize_t PyList_GET_SIZE(list l)
    PyObject *PyList_GET_ITEM(list l, Py_ssize_t i)
    Py_ssize_t PyTuple_GET_SIZE(PyObject *t)
    PyObject *PyTuple_GET_ITEM(PyObject *t, Py_ssize_t i)

cdef extern from *:
    """
    /* Read a patch that is as most are: a tuple of two small ints in range and a str without wide characters. */
    static inline int is_plain_patch(PyObject *patch, Py_ssize_t length, Py_ssize_t *pos, Py_ssize_t *n)
    {
        if (!PyTuple_CheckExact(patch) || PyTuple_GET_SIZE(patch) != 3)
            return 0;
        PyObject *a = PyTuple_GET_ITEM(patch, 0), *b = PyTuple_GET_ITEM(patch, 1), *s = PyTuple_GET_ITEM(patch, 2);
        if (!PyLong_CheckExact(a) || !PyLong_CheckExact(b) || !PyUnicode_CheckExact(s) ||
            PyUnicode_KIND(s) != PyUnicode_1BYTE_KIND)
            return 0;
        *pos = small_position(a);
        *n = small_position(b);
        return (size_t)*pos <= (size_t)length && (size_t)*n <= (size_t)(length - *pos);
    }
    """
    bint is_plain_patch(PyObject *patch, Py_ssize_t length, Py_ssize_t *pos, Py_ssize_t *n)


cdef inline int check_text(Replicated who, object s) except -1:
    if type(s) is str and PyUnicode_KIND(<PyObject *>s) == 1:
        return 0
    return check_wide_text(who, s)


cdef int check_wide_text(Replicated who, object s) except -1:
    cdef Py_ssize_t i
    cdef int kind
    cdef void *data
    cdef Py_UCS4 c
    if type(s) is not str:
        raise TypeError(f"{who._place()}: text is inserted as a str, not {type(s).__name__}: {shown(s)}")
    kind = PyUnicode_KIND(<PyObject *>s)
    data = PyUnicode_DATA(<PyObject *>s)
    for i in range(PyUnicode_GET_LENGTH(<PyObject *>s)):
        c = (<u16 *>data)[i] if kind == 2 else (<u32 *>data)[i]
        if 0xD800 <= c <= 0xDFFF:
            raise UnicodeEncodeError("utf-8", s, i, i + 1, f"{who._place()}: surrogates not allowed")
    return 0


@cython.final
cdef class Text(Replicated):
    """A text of code points.

    >>> t = Text("a")
    >>> t.insert(0, "hallo"); t.apply([(1, 1, "e"), (5, 0, "!")])
    >>> str(t), len(t), t[1:3]
    ('hello!', 6, 'el')
    """

    def __init__(self, replica=None, *, clock=None, max_drift=MAX_DRIFT):
        self._start(TEXT, 0, replica, clock, max_drift)

    cdef inline int put(self, Py_ssize_t at, object s) except -1:
        cdef Py_ssize_t n = PyUnicode_GET_LENGTH(<PyObject *>s)
        cdef Container *node
        if n == 0:
            if self.root.guard:
                self.check_guard()
            return 0
        node = place_to_change(self)
        return finish(self, node_insert_text(self.root.doc, <SequenceNode *>node, <u32>at,
                                             PyUnicode_DATA(<PyObject *>s), PyUnicode_KIND(<PyObject *>s), counted(n)))

    def insert(self, pos, s):
        """Insert a str before code point pos. O(log n), O(1) while typing on at one place.

        `IndexError`: out of range. `UnicodeEncodeError`: a lone surrogate. Nothing is changed then.
        """
        check_text(self, s)
        self.put(index_in(self, pos, length_of(place_of(self)), True), s)

    def append(self, s, /):
        """Insert a str at the end."""
        check_text(self, s)
        self.put(length_of(place_of(self)), s)

    def delete(self, pos, n):
        """Delete n code points from pos on. `IndexError`: out of range; nothing is changed."""
        if self.root.guard:
            self.check_guard()
        delete_range(self, pos, n)

    def apply(self, patches):
        """Apply `(pos, n_deleted, inserted)` patches in their order, or none if one is not valid.

        Errors as `insert` and `delete`. A negative pos counts from the end of the text that the patch finds.
        """
        cdef list checked = patches if type(patches) is list else list(patches)
        cdef Py_ssize_t length = length_of(place_of(self)), pos = 0, n = 0, i
        cdef PyObject *patch
        cdef Patches gathered
        memset(&gathered, 0, sizeof(gathered))
        try:
            for i in range(PyList_GET_SIZE(checked)):
                patch = PyList_GET_ITEM(checked, i)
                if not is_plain_patch(patch, length, &pos, &n):
                    if checked is patches:
                        checked = list(patches)  # what is read now may run the caller's code
                    patch = self.check_patch(i, checked, length, &pos, &n)
                length += self.gather(&gathered, pos, n, PyTuple_GET_ITEM(patch, 2))
            if gathered.n != 0:
                node = place_to_change(self)
                finish(self, node_apply(self.root.doc, <SequenceNode *>node, &gathered))
            elif self.root.guard:
                self.check_guard()
        finally:
            patches_free(&gathered)

    cdef inline Py_ssize_t gather(self, Patches *gathered, Py_ssize_t at, Py_ssize_t deleted, PyObject *s) except? -1:
        """By how much a checked patch lengthens the text."""
        cdef Py_ssize_t inserted = PyUnicode_GET_LENGTH(s)
        cdef int kind = PyUnicode_KIND(s), status
        cdef const void *units = PyUnicode_DATA(s)
        if inserted == 1 and deleted == 0 and kind == 1 and patches_type_on(gathered, <u32>at, (<const u8 *>units)[0]):
            return 1
        status = patches_add(gathered, <u32>at, <u32>deleted, units, <u8>kind, <size_t>inserted)
        if status < 0:
            raise_status(status, self)
        return inserted - deleted

    cdef PyObject *check_patch(self, Py_ssize_t number, list patches, Py_ssize_t length,
                               Py_ssize_t *pos, Py_ssize_t *n) except NULL:
        """A patch that is not as most are, which is a tuple with a str from then on; read as insert and delete read."""
        cdef object patch = patches[number]
        if type(patch) is not tuple or PyTuple_GET_SIZE(<PyObject *>patch) != 3:
            try:
                at, deleted, s = patch
            except (TypeError, ValueError):
                raise TypeError(
                    f"{self._place()}: patch {number} is not (pos, n_deleted, inserted): {shown(patch)}"
                ) from None
            patch = patches[number] = (at, deleted, s)
        check_text(self, (<tuple>patch)[2])
        at, deleted, s = patch
        if type(deleted) is not int or isinstance(at, bool) or not hasattr(at, "__index__"):
            raise TypeError(f"{self._place()}: patch {number}: pos and n_deleted are ints: {shown(patch)}")
        if deleted < 0:
            raise ValueError(f"{self._place()}: patch {number}: how many to delete must be 0 or more: {shown(patch)}")
        pos[0] = PyLong_AsSsize_t_or_max(int(at.__index__()))
        n[0] = PyLong_AsSsize_t_or_max(deleted)
        if pos[0] < 0:
            pos[0] += length
        if not 0 <= pos[0] <= length or n[0] > length - pos[0]:
            raise IndexError(
                f"{self._place()}: patch {number}, {shown(deleted)} deleted at {shown(at)}, is out of range; "
                f"the length is then {length}"
            )
        return <PyObject *>patch  # the list holds it

    def clear(self):
        """Delete all text that is here now."""
        self.delete(0, len(self))

    def __len__(self):
        return length_of(place_of(self))

    def __str__(self):
        return self.value_of(place_of(self))

    def __getitem__(self, index):
        cdef Py_ssize_t at
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
        return self.copied(place_of(self), at, 1)

    cdef str sliced(self, object index):
        cdef Container *node = place_of(self)
        start, stop, step = index.indices(length_of(node))
        if step == 1:
            return self.copied(node, start, max(start, stop) - start)
        return self.value_of(node)[index]

    def __contains__(self, s):
        if type(s) is not str:
            raise TypeError(f"{self._place()}: a str can be in a text, not {type(s).__name__}")
        return s in self.value_of(place_of(self))

    cdef str copied(self, Container *node, Py_ssize_t start, Py_ssize_t n):
        cdef Sequence *s
        if n == 0:
            return ""
        s = (<SequenceNode *>node).sequence
        result = PyUnicode_New(n, text_widest(s, <u32>start, <u32>n))
        text_copy(s, <u32>start, <u32>n, PyUnicode_DATA(<PyObject *>result), PyUnicode_KIND(<PyObject *>result))
        return result

    def cursor(self, i, side="right"):
        """A `Cursor` at position i that stays with its right or left neighbour while others edit."""
        return make_cursor(self, i, side)

    def index_of(self, cursor, /):
        """Where a cursor is now. O(log n). `KeyError`: its element has not come here yet."""
        return place_of_cursor(self, cursor)

    cdef object value_of(self, Container *node):
        return self.copied(node, 0, length_of(node))


_register(TEXT, Text)
