"""What OpBasedList and Text share: indexes, ranges and cursors over one sequence."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from crdt.document cimport Replicated
from crdt.engine cimport *

from operator import index as as_int

from crdt.cursor import Cursor
from crdt.shown import shown

cdef Py_ssize_t unusual_index(Replicated who, object index, Py_ssize_t length, bint may_end) except -1:
    """An index that is no int within the range."""
    if not PyLong_CheckExact(index):
        if hasattr(index, "__index__") and not isinstance(index, bool):
            index = int(index.__index__())  # which may change what it is an index of
            return index_in(who, index, length_of(who.here()), may_end)
        raise TypeError(f"{who._place()}: an index is an int, not {type(index).__name__}: {shown(index)}")
    raise IndexError(f"{who._place()}: index {shown(index)} is out of range; the length is {length}")


cdef int unusual_deletion(Replicated who, object n, Py_ssize_t start, Py_ssize_t length) except -1:
    """A number to delete that is no int from 1 to what there is: 0 is all that is right then."""
    if type(n) is not int:
        raise TypeError(f"{who._place()}: how many to delete is an int, not {type(n).__name__}: {shown(n)}")
    if n < 0:
        raise ValueError(f"{who._place()}: how many to delete must be 0 or more, not {shown(n)}")
    if n > length - start:
        raise IndexError(
            f"{who._place()}: {shown(n)} elements from index {start} is out of range; the length is {length}"
        )
    return 0


cdef object plain_slice(object index):
    """A slice of ints and None, for one of what can be made into ints: which may change what is sliced."""
    cdef object start = index.start, stop = index.stop, step = index.step
    if is_plain(start) and is_plain(stop) and is_plain(step):
        return index
    return slice(*[each if is_plain(each) else as_int(each) for each in (start, stop, step)])


cdef inline bint is_plain(object part):
    return part is None or PyLong_CheckExact(part)


cdef int delete_at(Replicated who, object index) except -1:
    """`del x[i]` and `del x[a:b:c]`."""
    if not isinstance(index, slice):
        return delete_range(who, index, 1)
    index = plain_slice(index)
    start, stop, step = index.indices(length_of(who.here()))
    if step == 1:
        return delete_range(who, start, max(0, stop - start))
    for i in sorted(range(start, stop, step), reverse=True):
        delete_range(who, i, 1)
    return 0


cdef object make_cursor(Replicated who, object i, object side):
    cdef Container *node
    cdef Py_ssize_t at
    cdef Dot dot
    if side not in ("left", "right"):
        raise ValueError(f"{who._place()}: side={shown(side)}; a cursor stays with its 'left' or its 'right' neighbour")
    is_left = side == "left"
    at = index_in(who, i, length_of(who.here()), True)
    node = who.here()  # only now: all of the above may run the caller's code
    if is_left:
        at -= 1
    if at < 0 or at >= <Py_ssize_t>length_of(node):
        return Cursor("", 0, side)
    sequence_dot_at((<SequenceNode *>node).sequence, <u32>at, &dot)
    return Cursor(who._writer(dot_replica(dot)), dot_sequence(dot), side)


cdef object place_of_cursor(Replicated who, object cursor):
    cdef Container *node
    cdef u32 position = 0
    cdef cbool visible = False
    cdef int index
    if type(cursor) is not Cursor:
        raise TypeError(f"{who._place()}: index_of reads a Cursor, not {type(cursor).__name__}")
    replica, sequence, side = cursor
    if type(replica) is not str or type(sequence) is not int or type(side) is not str or side not in ("left", "right"):
        raise TypeError(f"{who._place()}: not a cursor that this library made: {shown(cursor)}")
    if not replica:
        return length_of(who.here()) if side == "right" else 0
    name = replica.encode()
    if len(name) > REPLICA_ID_BYTES_MAX:
        raise ValueError(f"{who._place()}: a cursor whose writer's name is longer than {REPLICA_ID_BYTES_MAX} bytes")
    node = who.here()
    index = replicas_find(&who.root.doc.replicas, <const u8 *>PyBytes_AS_STRING(name), <u8>PyBytes_GET_SIZE(name))
    if (
        node == NULL or index < 0 or not 0 < sequence <= SEQUENCE_MAX
        or sequence_position_of(
            (<SequenceNode *>node).sequence, dot_of(<u16>index, sequence), &position, &visible
        ) != DONE
    ):
        raise KeyError(
            f"{who._place()}: the element of {shown(cursor)} is not here; "
            "merge the state that the cursor comes from first"
        )
    return position + 1 if visible and side == "left" else position
