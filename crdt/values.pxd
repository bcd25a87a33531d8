from crdt.engine cimport INTEGER, KEY_BYTES_MAX, STRING, VALUE_BYTES_MAX, Item, item_integer, u8, u32

cdef extern from "Python.h":
    bint PyUnicode_CheckExact(object o)
    bint PyUnicode_IS_COMPACT_ASCII(object o)
    const u8 *PyUnicode_1BYTE_DATA(object o)
    Py_ssize_t PyUnicode_GET_LENGTH(object o)
    bint PyLong_CheckExact(object o)
    long long PyLong_AsLongLongAndOverflow(object o, int *overflow)  # of an exact int, which cannot fail

cdef extern from *:
    """
    /* The bytes of a compact ASCII str. */
    static inline const uint8_t *ascii_bytes(PyObject *text)
    {
        return (const uint8_t *)((PyASCIIObject *)text + 1);
    }

    /* Read an int of one digit, as most are, without a call; whether it is one. */
    static inline int small_integer(PyObject *number, long long *value)
    {
    #if PY_VERSION_HEX >= 0x030C0000
        if (!PyUnstable_Long_IsCompact((PyLongObject *)number))
            return 0;
        *value = PyUnstable_Long_CompactValue((PyLongObject *)number);
    #else
        Py_ssize_t digits = Py_SIZE(number); /* below 0 of a negative one */
        if (digits < -1 || digits > 1)
            return 0;
        *value = digits * (long long)((PyLongObject *)number)->ob_digit[0];
    #endif
        return 1;
    }
    """
    const u8 *ascii_bytes(object text)
    bint small_integer(object number, long long *value)

# Pack a Python object into `item`. Returns what must stay alive while `item` is used. `owner` and
# `key` are only looked at to name the place in an error.
cdef object pack_key(object key, Item *item, object owner)
cdef object pack_value(object value, Item *item, object owner, object key)
cdef object unpack(const Item *item)
cdef bytes packed(object value, bint as_key, int depth=*, object owner=*, object at=*)

cdef extern from "Python.h":
    # Before 3.12 any new container may be the occasion to collect garbage, and so to run anybody's finalizers.
    int PyGC_Disable()
    int PyGC_Enable()
# A dict of pairs of which some keys are equal in Python, as 1 and True are: the first of them in canonical order stays.
cdef dict dict_of_equal_keys(list pairs)


cdef inline bint pack_plain(object value, Item *item, Py_ssize_t limit) noexcept:
    """Pack what is commonest, short ASCII text or an int of 64 bits, without a call; whether it was that.

    `value` itself must stay alive while `item` is used.
    """
    cdef int overflow = 0
    cdef long long number
    if PyUnicode_CheckExact(value):
        if not PyUnicode_IS_COMPACT_ASCII(value) or PyUnicode_GET_LENGTH(value) > limit:
            return False
        item.type = STRING
        item.p = ascii_bytes(value)
        item.n = <u32>PyUnicode_GET_LENGTH(value)
        return True
    if PyLong_CheckExact(value):
        if not small_integer(value, &number):
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow == 0:
            item[0] = item_integer(number)
            return True
    return False


cdef inline object hold_key(object key, Item *item, object owner):
    """`pack_key`, the commonest without a call."""
    return key if pack_plain(key, item, KEY_BYTES_MAX) else pack_key(key, item, owner)


cdef inline object hold_value(object value, Item *item, object owner, object key):
    """`pack_value` likewise."""
    return value if pack_plain(value, item, VALUE_BYTES_MAX) else pack_value(value, item, owner, key)


cdef extern from *:
    """
    /* Ask for the memory of a list's element: its head, and where the bytes of a short text begin. */
    static inline void list_prefetch(PyObject *list, Py_ssize_t i)
    {
        if (i < PyList_GET_SIZE(list)) {
            const char *p = (const char *)PyList_GET_ITEM(list, i);
            __builtin_prefetch(p);
            __builtin_prefetch(p + 64);
        }
    }
    """
    void list_prefetch(list elements, Py_ssize_t i)

cdef enum:
    AHEAD = 16  # elements of a list that are asked for before they are used


cdef inline int pack_keys(list keys, Py_ssize_t at, int n, Item *item, list holders, object owner) except -1:
    """Pack n keys from `at` on; `holders` keeps alive what is not kept by `keys`."""
    cdef int i
    for i in range(n):
        list_prefetch(keys, at + i + AHEAD)
        if not pack_plain(keys[at + i], &item[i], KEY_BYTES_MAX):
            holders.append(pack_key(keys[at + i], &item[i], owner))
    return 0
