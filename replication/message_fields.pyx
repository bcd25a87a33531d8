"""From the annotations of a message's class to a check of its fields, made once.

Compiled, because every field that comes from another node passes through here. Knows nothing of which
messages there are.
"""

cimport cython

from typing import get_args, get_origin, get_type_hints

# Characters of a string.
STRING_MAX = 1024
cdef Py_ssize_t CHARACTERS_MAX = STRING_MAX

cdef enum Kind:
    INT, BOOL, STR, BYTES, META, ARRAY, CLASS

cdef dict KINDS = {int: INT, bool: BOOL, str: STR, bytes: BYTES, dict[str, str]: META}
cdef tuple WORDS = (
    "a number from 0", "a truth value", f"a string of at most {STRING_MAX}", "a byte string", "a map", "an array"
)
# Makes a tuple of names from the values in their order; to call its class takes three times as long.
cdef object new_tuple = tuple.__new__


class MessageError(ValueError):
    """Bytes that are no message of this protocol, or one beyond its limits."""


@cython.final
cdef class Field:
    """What a value must be: of a plain kind, an array of `item`, or an instance of `type` with `fields`."""

    cdef Kind kind
    cdef Field item
    cdef object type
    cdef tuple fields
    cdef bint is_flat   # whether all fields are taken as they are

    def __init__(self, annotation):
        self.kind = KINDS.get(annotation, ARRAY if get_origin(annotation) is tuple else CLASS)
        if self.kind == ARRAY:
            self.item = Field(get_args(annotation)[0])
        elif self.kind == CLASS:
            hints = get_type_hints(annotation)
            if not (hints and issubclass(annotation, tuple)):
                # Taken for a class without fields, whatever came for it would be dropped without a word.
                raise TypeError(f"no message can have a field of {annotation!r}")
            self.type = annotation
            self.fields = tuple([Field(each) for each in hints.values()])
            self.is_flat = all([(<Field>each).kind < META for each in self.fields])

    def __call__(self, value):
        return self.check(value)

    cdef object check(self, value):
        if self.kind == STR:
            if type(value) is str and len(<str>value) <= CHARACTERS_MAX:
                return value
        elif self.kind == BYTES:
            if type(value) is bytes:
                return value
        elif self.kind == INT:
            if type(value) is int and value >= 0:
                return value
        elif self.kind == BOOL:
            if type(value) is bool:
                return value
        elif self.kind == ARRAY:
            if type(value) is tuple:
                return tuple([self.item.check(each) for each in <tuple>value])
        elif self.kind == CLASS:
            return self.make(value)
        elif type(value) is dict:
            return {TEXT.check(key): TEXT.check(text) for key, text in (<dict>value).items()}
        raise MessageError(f"{value!r:.40} is not {WORDS[self.kind]}")

    cdef object make(self, value):
        cdef Py_ssize_t place, count = len(self.fields)
        if type(value) is not tuple or len(<tuple>value) < count:
            raise MessageError(f"{self.type.__name__} has {count} fields, not {value!r:.40}")
        if not self.is_flat:
            values = [(<Field>self.fields[place]).check((<tuple>value)[place]) for place in range(count)]
            return new_tuple(self.type, values)
        for place in range(count):
            (<Field>self.fields[place]).check((<tuple>value)[place])
        return new_tuple(self.type, value if len(<tuple>value) == count else (<tuple>value)[:count])


cdef Field TEXT = Field(str)


def check_of_class(kind, /):
    """What makes an instance of a class of fields from an array, or raises MessageError."""
    return Field(kind)
