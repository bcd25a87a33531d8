"""The compiled half of composites: the state, the attribute that shows a field, the schema in C."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdlib cimport calloc

from crdt.document cimport Replicated, class_of, view
from crdt.engine cimport *

# The engine's schemas point to these bytes; like the schemas they live as long as the process.
cdef list names_kept = []


def build_schema(fields):
    """The engine's description of `(name, shape, address of the inner schema)` rows; its address.

    It is never freed: a class lives about as long as its states.
    """
    cdef u16 n = <u16>len(fields)
    cdef Schema *schema = <Schema *>calloc(1, sizeof(Schema) + n * sizeof(SchemaField))
    cdef u16 i
    if schema == NULL:
        raise MemoryError()
    schema.n = n
    for i in range(n):
        name, shape, inner = fields[i]
        packed = name.encode()
        names_kept.append(packed)
        schema.field[i].name = <const u8 *>PyBytes_AS_STRING(packed)
        schema.field[i].name_bytes = <u8>PyBytes_GET_SIZE(packed)
        schema.field[i].shape = shape
        schema.field[i].of = <const Schema *><size_t>inner
    return <size_t>schema


# The composites that keep the views of their fields, the last so many that made some: views are made in no time, and
# those of all small states together would take more than the states. Borrowed; a state leaves when it goes.
cdef enum:
    SEATS = 4096
cdef void *seats[SEATS]
cdef u32 next_seat = 0


cdef int take_seat(CompositeState state) except -1:
    """Let a state keep its views, and have the one that has done so for longest let go of them."""
    global next_seat
    cdef void *before = seats[next_seat]
    state.seat = next_seat
    seats[next_seat] = <void *>state
    next_seat = (next_seat + 1) % SEATS
    if before != NULL:
        (<CompositeState>before).views = None
    return 0


cdef class FieldView:
    """The attribute of a composite that shows a field. Reading gives its state; it cannot be set."""
    cdef object declared
    cdef type shown_as
    cdef bint has_children
    cdef int index

    def __init__(self, declared, int index):
        self.declared = declared
        self.shown_as = declared.type
        self.has_children = hasattr(declared.type, "_with")
        self.index = index

    def __get__(self, instance, owner):
        cdef CompositeState state
        if instance is None:
            return self.declared
        state = instance
        cdef list views = state.views
        if views is None:
            views = state.views = [None] * len(type(state)._declared)
            take_seat(state)
        shown = views[self.index] if self.index < len(views) else None
        if shown is None or type(shown) is not self.shown_as:
            if not self.is_of(type(state)):
                raise AttributeError(
                    f"{type(state).__name__} has no field {self.declared.name!r} of type "
                    f"{self.declared.type.__name__}: it is another class's, or has been declared anew"
                )
            shown = view(self.shown_as, state.root, NULL, state, self.index)
            if self.has_children:
                shown._with(self.declared.of)
            views[self.index] = shown
        return shown

    cdef bint is_of(self, type cls):
        declared = cls._declared
        return self.index < len(declared) and declared[self.index] is self.declared

    def __set__(self, instance, value):
        raise AttributeError(
            f"{type(instance).__name__}.{self.declared.name} is a {self.declared.type.__name__} and cannot be "
            "replaced: change it through its own methods"
        )

    def __delete__(self, instance):
        raise AttributeError(f"{type(instance).__name__}.{self.declared.name} is a field and cannot be deleted")


cdef class CompositeState(Replicated):
    """A state made of the fields that its class declares in `_declared`."""

    cdef list views  # by field, or None

    def __dealloc__(self):
        if seats[self.seat] == <void *>self:
            seats[self.seat] = NULL

    def _unknown(self, child_of):
        """Name -> value of the fields that the class does not declare."""
        cdef CompositeNode *node = <CompositeNode *>self.here()
        cdef Container *child
        cdef Replicated shown
        result = {}
        if node == NULL:
            return result
        for i in range(node.extras):
            child = node.extra[i].child
            name = node.extra[i].name[: node.extra[i].name_bytes].decode()
            shown = view(class_of(child), self.root, child, None, None)
            if container_kind(child) == OR_MAP:
                shown._with(child_of(shape_kind(shape_of_children(child.shape))))
            result[name] = shown._unknown(child_of) if container_kind(child) == COMPOSITE else shown.value
        return result

    def _is_restricted(self):
        strictest = type(self)._strictest
        return strictest is not None and strictest.rank > self.root.rank

    def _contents(self):
        return [getattr(self, f.name)._contents() for f in type(self)._declared]

    cdef object value_of(self, Container *node):
        return {f.name: getattr(self, f.name).value for f in type(self)._declared}
