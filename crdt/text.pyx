"""Text: a string that many can edit at once, ordered as OpBasedList is.

Positions are code points, as in `str`. Lone surrogates, which no UTF-8 can carry, are refused.
"""

cimport cython

from crdt.document cimport Replicated
from crdt.engine cimport *
from crdt.sequences cimport delete_range, index_in, length_of, make_cursor, place_of_cursor

from crdt.document import MAX_DRIFT, _register

cdef extern from "Python.h":
    int PyUnicode_KIND(object o)
    void *PyUnicode_DATA(object o)
    Py_ssize_t PyUnicode_GET_LENGTH(object o)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)


cdef int check_text(Replicated who, object s) except -1:
    cdef Py_ssize_t i
    cdef int kind
    cdef void *data
    cdef Py_UCS4 c
    if type(s) is not str:
        raise TypeError(f"{who._place()}: text is inserted as a str, not {type(s).__name__}: {s!r}")
    kind = PyUnicode_KIND(s)
    if kind == 1:
        return 0
    data = PyUnicode_DATA(s)
    for i in range(PyUnicode_GET_LENGTH(s)):
        c = (<u16 *>data)[i] if kind == 2 else (<u32 *>data)[i]
        if 0xD800 <= c <= 0xDFFF:
            (<str>s).encode()  # raises UnicodeEncodeError, which names the place
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

    cdef int put(self, Py_ssize_t at, object s) except -1:
        cdef Py_ssize_t n = PyUnicode_GET_LENGTH(s)
        cdef Container *node
        if n == 0:
            if self.root.guard:
                self.check_guard()
            return 0
        node = self.open()
        return self.done(node_insert_text(self.root.doc, <SequenceNode *>node, <u32>at,
                                          PyUnicode_DATA(s), PyUnicode_KIND(s), <u32>n))

    def insert(self, pos, s):
        """Insert a str before code point pos. O(log n), O(1) while typing on at one place.

        `IndexError`: out of range. `UnicodeEncodeError`: a lone surrogate. Nothing is changed then.
        """
        check_text(self, s)
        self.put(index_in(self, pos, length_of(self.here()), True), s)

    def append(self, s, /):
        """Insert a str at the end."""
        check_text(self, s)
        self.put(length_of(self.here()), s)

    def delete(self, pos, n):
        """Delete n code points from pos on. `IndexError`: out of range; nothing is changed."""
        if self.root.guard:
            self.check_guard()
        delete_range(self, pos, n)

    def apply(self, patches):
        """Apply `(pos, n_deleted, inserted)` patches in their order, or none if one is not valid."""
        cdef Py_ssize_t length = length_of(self.here())
        cdef list checked = []
        for number, patch in enumerate(patches):
            length = self.check_patch(number, patch, length)
            checked.append(patch)
        for pos, n, s in checked:
            if n:
                delete_range(self, pos, n)
            self.put(pos, s)

    cdef Py_ssize_t check_patch(self, object number, object patch, Py_ssize_t length) except -1:
        """The length of the text after a patch."""
        try:
            pos, n, s = patch
        except (TypeError, ValueError):
            raise TypeError(f"{self._place()}: patch {number} is not (pos, n_deleted, inserted): {patch!r}") from None
        check_text(self, s)
        if type(pos) is not int or type(n) is not int:
            raise TypeError(f"{self._place()}: patch {number}: pos and n_deleted are ints: {patch!r}")
        if not 0 <= pos <= length or not 0 <= n <= length - pos:
            raise IndexError(
                f"{self._place()}: patch {number}, {n} deleted at {pos}, is out of range; the length is then {length}"
            )
        return length - n + PyUnicode_GET_LENGTH(s)

    def clear(self):
        """Delete all text that is here now."""
        self.delete(0, len(self))

    def __len__(self):
        return length_of(self.here())

    def __str__(self):
        return self.value_of(self.here())

    def __getitem__(self, index):
        cdef Container *node = self.here()
        cdef Py_ssize_t length = length_of(node)
        if isinstance(index, slice):
            start, stop, step = index.indices(length)
            if step == 1:
                return self.copied(node, start, max(start, stop) - start)
            return self.value_of(node)[index]
        return self.copied(node, index_in(self, index, length, False), 1)

    def __contains__(self, s):
        if type(s) is not str:
            raise TypeError(f"{self._place()}: a str can be in a text, not {type(s).__name__}")
        return s in self.value_of(self.here())

    cdef str copied(self, Container *node, Py_ssize_t start, Py_ssize_t n):
        cdef Sequence *s
        if n == 0:
            return ""
        s = (<SequenceNode *>node).sequence
        result = PyUnicode_New(n, text_widest(s, <u32>start, <u32>n))
        text_copy(s, <u32>start, <u32>n, PyUnicode_DATA(result), PyUnicode_KIND(result))
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
