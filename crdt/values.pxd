from crdt.engine cimport Item

# Pack a Python object into `item`. Returns what must stay alive while `item` is used. `owner` and
# `key` are only looked at to name the place in an error.
cdef object pack_key(object key, Item *item, object owner)
cdef object pack_value(object value, Item *item, object owner, object key)
cdef object unpack(const Item *item)
