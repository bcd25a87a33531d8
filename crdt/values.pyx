"""Python values to packed items and back.

What is accepted is exact: a subclass of `str` or `int` (an enum, a NumPy scalar) would lose its
identity without a word, so it is refused with a hint. Nothing here runs code of the caller.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8

from crdt.engine cimport *

from crdt.shown import shown

cdef extern from "Python.h":
    double PyFloat_AS_DOUBLE(object o)

cdef str KEYS = "None, bool, int, float, str, bytes and tuples of these"
cdef str VALUES = "None, bool, int, float, str, bytes, and lists, tuples and dicts of these"

cdef dict HINTS = {
    "set": "keep it in a GSet or ORSet, or store sorted(...)",
    "frozenset": "keep it in a GSet or ORSet, or store sorted(...)",
    "datetime": "store .isoformat() or .timestamp()",
    "date": "store .isoformat()",
    "time": "store .isoformat()",
    "timedelta": "store .total_seconds()",
    "function": "store data, not code: a name that both sides know",
    "Decimal": "store str(...)",
    "Fraction": "store its numerator and denominator",
    "complex": "store its two parts",
    "UUID": "store str(...) or .bytes",
    "bytearray": "store bytes(...)",
    "memoryview": "store bytes(...)",
    "ndarray": "store .tolist() or .tobytes()",
    "coroutine": "it was not awaited",
}


cdef bint has_attribute(object kind, str name):
    try:
        return hasattr(kind, name)
    except Exception:  # a metaclass may do as it likes
        return False


cdef str hint_for(object value):
    kind = type(value)
    if kind.__name__ in HINTS:
        return HINTS[kind.__name__]
    if has_attribute(kind, "__dataclass_fields__"):
        return "store dataclasses.asdict(...)"
    if has_attribute(kind, "model_dump"):
        return "store .model_dump()"
    if kind is list or kind is dict:
        return "a key never changes: make it a tuple" + (" of pairs" if kind is dict else "")
    for base in (bool, int, float, str, bytes, list, tuple, dict):
        if issubclass(kind, base):
            name = base.__name__
            return f"it is a subclass of {name} that would come back as a plain one: store .value or {name}(...)"
    return "store the plain data it is made of"


cdef str place_of(object owner, object key):
    return owner._place() if key is None else f"{owner._place()}[{shown(key)}]"


cdef int refuse_type(object value, object owner, object key, bint as_key) except -1:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    raise TypeError(
        f"{place_of(owner, key)}: "
        f"{'a key or element' if as_key else 'a value'} of type {name} cannot be kept; "
        f"accepted: {KEYS if as_key else VALUES} ({hint_for(value)})"
    )


cdef object pack_text(object text, Item *item, object owner, object key):
    """A str: its own bytes when it is ASCII, else a UTF-8 copy; UnicodeEncodeError for lone surrogates."""
    item.type = STRING
    if PyUnicode_IS_COMPACT_ASCII(text):
        item.p = PyUnicode_1BYTE_DATA(text)
        item.n = <u32>PyUnicode_GET_LENGTH(text)
        return text
    try:
        data = (<str>text).encode()
    except UnicodeEncodeError as error:
        raise UnicodeEncodeError(
            error.encoding, error.object, error.start, error.end, f"{place_of(owner, key)}: {error.reason}"
        ) from None
    item.p = <const u8 *>PyBytes_AS_STRING(data)
    item.n = <u32>PyBytes_GET_SIZE(data)
    return data


cdef object pack_integer(object number, Item *item, object owner, object key):
    cdef int overflow
    cdef long long small = PyLong_AsLongLongAndOverflow(number, &overflow)
    if overflow == 0:
        item[0] = item_integer(small)
        return None
    magnitude = abs(number)
    n = (magnitude.bit_length() + 7) // 8
    if n > INTEGER_BYTES_MAX:
        raise ValueError(
            f"{place_of(owner, key)}: an int of {n} bytes; the limit is {INTEGER_BYTES_MAX}: "
            "store it as bytes or str"
        )
    data = (b"\x00" if number < 0 else b"\x01") + magnitude.to_bytes(n, "big")
    item.type = BIG_INTEGER
    item.p = <const u8 *>PyBytes_AS_STRING(data)
    item.n = <u32>PyBytes_GET_SIZE(data)
    return data


cdef inline bint is_singleton(object value, Item *item):
    if value is None:
        item.type = NONE
    elif value is True:
        item.type = TRUE_
    elif value is False:
        item.type = FALSE_
    else:
        return False
    return True


cdef int check_length(Py_ssize_t n, bint as_key, object owner, object key) except -1:
    cdef Py_ssize_t limit = KEY_BYTES_MAX if as_key else VALUE_BYTES_MAX
    if n > limit:
        raise ValueError(
            f"{place_of(owner, key)}: "
            f"{'a key' if as_key else 'a value'} of {n} bytes; the limit is {limit}"
        )
    return 0


cdef object pack_key(object key, Item *item, object owner):
    return pack_key_in(key, item, owner, None)


cdef object pack_key_in(object key, Item *item, object owner, object at):
    """`pack_key`; `at`, if not None, is the key of the value that the key is in."""
    cdef object kind = type(key)
    cdef double number
    item.p = NULL
    item.n = 0
    if kind is str:
        check_length(PyUnicode_GET_LENGTH(key), True, owner, at)
        _holder = pack_text(key, item, owner, at)
    elif kind is int:
        return pack_integer(key, item, owner, at)
    elif is_singleton(key, item):
        return None
    elif kind is float:
        number = PyFloat_AS_DOUBLE(key)
        item[0] = item_float(0.0 if number == 0 else number)
        return None
    elif kind is bytes:
        item.type = BYTES
        item.p = <const u8 *>PyBytes_AS_STRING(key)
        _holder = key
        check_length(PyBytes_GET_SIZE(key), True, owner, at)
        item.n = <u32>PyBytes_GET_SIZE(key)
    elif kind is tuple:
        _holder = pack_nested(key, item, True, owner, at)
    else:
        refuse_type(key, owner, at, True)
    check_length(item.n, True, owner, at)
    return _holder


cdef object pack_value(object value, Item *item, object owner, object key):
    cdef object kind = type(value)
    item.p = NULL
    item.n = 0
    if kind is str:
        check_length(PyUnicode_GET_LENGTH(value), False, owner, key)
        _holder = pack_text(value, item, owner, key)
    elif kind is int:
        return pack_integer(value, item, owner, key)
    elif is_singleton(value, item):
        return None
    elif kind is float:
        item[0] = item_float(PyFloat_AS_DOUBLE(value))
        return None
    elif kind is bytes:
        check_length(PyBytes_GET_SIZE(value), False, owner, key)
        item.type = BYTES
        item.p = <const u8 *>PyBytes_AS_STRING(value)
        item.n = <u32>PyBytes_GET_SIZE(value)
        return value
    elif kind is list or kind is tuple or kind is dict:
        _holder = pack_nested(value, item, False, owner, key)
    else:
        refuse_type(value, owner, key, False)
    check_length(item.n, False, owner, key)
    return _holder


cdef object pack_nested(object value, Item *item, bint as_key, object owner, object key):
    cdef Writer w = empty_writer()
    try:
        write_contents(&w, value, 0, as_key, owner, key)
        if w.failed:
            raise MemoryError()
        data = PyBytes_FromStringAndSize(<char *>w.p, w.n)
    finally:
        writer_free(&w)
    item.type = DICT if type(value) is dict else TUPLE if as_key else LIST
    item.p = <const u8 *>PyBytes_AS_STRING(data)
    item.n = <u32>PyBytes_GET_SIZE(data)
    return data


cdef int write_contents(Writer *w, object value, int depth, bint as_key, object owner, object key) except -1:
    """Count and items of a list, tuple or dict, without the head."""
    cdef size_t start = w.n
    if depth >= VALUE_DEPTH_MAX:
        raise ValueError(
            f"{place_of(owner, key)}: nested deeper than {VALUE_DEPTH_MAX} levels "
            "(or a value that contains itself)"
        )
    write_number(w, len(value))
    if type(value) is dict:
        write_dict(w, value, depth, owner, key)
    else:
        for inner in value:
            write_inner(w, inner, depth + 1, as_key, owner, key)
    return check_length(<Py_ssize_t>(w.n - start), as_key, owner, key)  # a tuple in a key has the limit of a key


cdef int write_inner(Writer *w, object value, int depth, bint as_key, object owner, object key) except -1:
    cdef Item item
    kind = type(value)
    if kind is tuple or (not as_key and (kind is list or kind is dict)):
        write_byte(w, <u8>((TUPLE if as_key else DICT if kind is dict else LIST) << 4))
        return write_contents(w, value, depth, as_key, owner, key)
    if as_key:
        _holder = pack_key_in(value, &item, owner, key)
    else:
        _holder = pack_value(value, &item, owner, key)
    write_item(w, &item)
    return 0


cdef bytes packed(object value, bint as_key, int depth=0, object owner=None, object at=None):
    """A value as it stands in another: what tells it from all others, and of a key what dicts are ordered by."""
    cdef Writer w = empty_writer()
    try:
        write_inner(&w, value, depth, as_key, owner, at)
        if w.failed:
            raise MemoryError()
        return PyBytes_FromStringAndSize(<char *>w.p, w.n)
    finally:
        writer_free(&w)


cdef int write_dict(Writer *w, dict value, int depth, object owner, object key) except -1:
    cdef list rows = [(packed(inner_key, True, depth + 1, owner, key), inner_key) for inner_key in value]
    rows.sort(key=first)
    previous = None
    for key_bytes, inner_key in rows:
        if key_bytes == previous:
            raise ValueError(f"{place_of(owner, key)}: a dict with the same key twice: {shown(inner_key)}")
        previous = key_bytes
        write_bytes(w, PyBytes_AS_STRING(key_bytes), PyBytes_GET_SIZE(key_bytes))
        write_inner(w, value[inner_key], depth + 1, False, owner, key)
    return 0


def first(row):
    return row[0]


cdef dict dict_of_equal_keys(list pairs):
    cdef dict result = {}
    for _, key, value in sorted([(packed(key, True), key, value) for key, value in pairs], key=first):
        result.setdefault(key, value)
    return result


cdef object unpack(const Item *item):
    cdef Reader r
    cdef u8 kind = item.type
    if kind == STRING:
        return PyUnicode_DecodeUTF8(<const char *>item_bytes(item), item.n, NULL)
    if kind == INTEGER:
        return item_integer_value(item)
    if kind == FLOAT:
        return item_float_value(item)
    if kind == BYTES:
        return PyBytes_FromStringAndSize(<const char *>item_bytes(item), item.n)
    if kind == TRUE_:
        return True
    if kind == FALSE_:
        return False
    if kind == BIG_INTEGER:
        data = PyBytes_FromStringAndSize(<const char *>item.p, item.n)
        number = int.from_bytes(data[1:], "big")
        return number if data[0] else -number
    if kind == TUPLE or kind == LIST or kind == DICT:
        r.p = r.start = item_bytes(item)
        r.end = r.p + item.n
        r.error = NULL
        return unpack_undisturbed(&r, kind)
    return None


cdef object unpack_undisturbed(Reader *r, u8 kind):
    """Its containers are no occasion to collect garbage: a finalizer could change the state that is read here."""
    cdef bint collects = PyGC_Disable()
    try:
        return unpack_contents(r, kind)
    finally:
        if collects:
            PyGC_Enable()


cdef object unpack_contents(Reader *r, u8 kind):
    cdef u64 n = read_number(r)
    if kind == DICT:
        result = {}
        for _ in range(n):
            key = unpack_next(r, True)
            result[key] = unpack_next(r, False)
        return result
    items = [unpack_next(r, kind == TUPLE) for _ in range(n)]
    return tuple(items) if kind == TUPLE else items


cdef object unpack_next(Reader *r, bint as_key):
    """The next item of a payload that was checked when it came in."""
    cdef Item item
    cdef u8 kind = r.p[0] >> 4
    if kind == TUPLE or kind == LIST or kind == DICT:
        r.p += 1
        return unpack_contents(r, kind)
    if (read_key(r, &item) if as_key else read_value(r, &item)) != DONE:
        raise AssertionError("a packed value is damaged in memory")
    return unpack(&item)
