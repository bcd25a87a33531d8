from crdt.document cimport Replicated, finish, place_of, place_to_change
from crdt.engine cimport ONE_EVENT, Container, SequenceNode, node_delete, sequence_length, u32

cdef extern from *:
    """
    /* An int as positions are, below 2^30, without a call. Below 0: another, which PyLong_AsSsize_t has to read. */
    static inline Py_ssize_t small_position(PyObject *o)
    {
    #if PY_VERSION_HEX >= 0x030C0000
        PyLongObject *i = (PyLongObject *)o;
        return PyUnstable_Long_IsCompact(i) ? PyUnstable_Long_CompactValue(i) : -1;
    #else
        Py_ssize_t digits = Py_SIZE(o);
        return (size_t)digits <= 1 ? digits * (Py_ssize_t)((PyLongObject *)o)->ob_digit[0] : -1;
    #endif
    }

    /* An index too large for a Py_ssize_t is out of range of any sequence all the same. */
    static inline Py_ssize_t PyLong_AsSsize_t_or_max(PyObject *o)
    {
        Py_ssize_t i = small_position(o);
        if (i >= 0)
            return i;
        i = PyLong_AsSsize_t(o);
        if (i == -1 && PyErr_Occurred()) {
            PyErr_Clear();
            return PY_SSIZE_T_MAX;
        }
        return i;
    }
    """
    Py_ssize_t PyLong_AsSsize_t_or_max(object o)
    bint PyLong_CheckExact(object o)

cdef inline u32 length_of(Container *node):
    return 0 if node == NULL else sequence_length((<SequenceNode *>node).sequence)

cdef inline u32 counted(Py_ssize_t n):
    """How many elements to insert, for the engine: more than it can count is more than it takes."""
    return <u32>n if n <= <Py_ssize_t>0xFFFFFFFF else <u32>0xFFFFFFFF

cdef inline Py_ssize_t index_in(Replicated who, object index, Py_ssize_t length, bint may_end) except -1:
    """An index as Python's lists read it, negative from the end; IndexError outside."""
    cdef Py_ssize_t i
    if PyLong_CheckExact(index):
        i = PyLong_AsSsize_t_or_max(index)
        if -length <= i < length or (may_end and i == length):
            return i + length if i < 0 else i
    return unusual_index(who, index, length, may_end)

cdef inline int delete_range(Replicated who, object i, object n) except -1:
    """Delete n elements from index i on; the guard has been asked."""
    cdef Py_ssize_t length = length_of(place_of(who)), start, count = -1
    cdef Container *node
    if PyLong_CheckExact(n):
        count = PyLong_AsSsize_t_or_max(n)
    if count < 0:
        return unusual_deletion(who, n, 0, length)
    start = index_in(who, i, length, count == 0)
    if not 0 < count <= length - start:
        return unusual_deletion(who, n, start, length)
    node = place_to_change(who)
    return finish(who, node_delete(who.root.doc, <SequenceNode *>node, <u32>start, <u32>count, ONE_EVENT))

cdef Py_ssize_t unusual_index(Replicated who, object index, Py_ssize_t length, bint may_end) except -1
cdef int unusual_deletion(Replicated who, object n, Py_ssize_t start, Py_ssize_t length) except -1
cdef object plain_slice(object index)
cdef object make_cursor(Replicated who, object i, object side)
cdef object place_of_cursor(Replicated who, object cursor)
cdef int delete_at(Replicated who, object index) except -1
