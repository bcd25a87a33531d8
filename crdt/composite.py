"""Composite: a class of annotated fields, one state with one version, one delta and one digest.

    class AgentState(Composite):
        counters: GCounter
        budget: PNCounter = field(at_least="replicated")
        tallies: ORMap = field(of=ORSet)

On the wire a field goes by its name and type. What a class does not declare, because it is older or
has retyped a field, is kept, merged and passed on, and shows under `.unknown`.
"""

import sys
from operator import attrgetter
from typing import Any, ClassVar

from crdt.document import LEVELS, _register
from crdt.fields import CompositeState, FieldView, build_schema
from crdt.root import MAX_DRIFT
from crdt.shapes import KINDS, LEVELS_MAX, levels_of_type, shape_of_type, strictest_of_type

__all__ = ["Composite", "Field", "field"]

FIELDS_MAX = 4096
FIELD_NAME_BYTES_MAX = 255


class Field:
    """How a field of a composite was declared.

    `name`; `type`, its state type; `of`, the type of an ORMap's children; `at_least`, the weakest
    mode of `update_state` that may change it, and `rank`, that mode's place in the order of modes.
    """

    __slots__ = ("at_least", "name", "of", "rank", "type")

    def __init__(self, at_least: str = "reactive", of: type | None = None) -> None:
        if at_least not in LEVELS:
            raise ValueError(f"field: at_least={at_least!r} is not a mode; one of {', '.join(LEVELS)}")
        self.at_least = at_least
        self.rank = LEVELS.index(at_least)
        self.of = of
        self.name = ""
        self.type: Any = None

    def __repr__(self) -> str:
        of = f", of={getattr(self.of, '__name__', self.of)}" if self.of is not None else ""
        what = f"{self.name}: {self.type.__name__}, " if self.type is not None else ""
        return f"Field({what}at_least={self.at_least!r}{of})"


def field(*, at_least: str = "reactive", of: type | None = None) -> Any:
    """Declare more of a composite's field than its type.

    `at_least`: the weakest mode of `update_state` that may change it (a state used without a node
    is not bound by it). `of`: the type of the children, for an ORMap.
    """
    return Field(at_least, of)


def _resolve(cls: type, name: str, annotation: object) -> object:
    """The type that an annotation names, also when it is a string."""
    if not isinstance(annotation, str):
        return annotation
    import crdt

    known = {name: getattr(crdt, name) for name in KINDS}
    scope = {**known, **vars(sys.modules.get(cls.__module__, crdt))}
    try:
        return eval(annotation, scope)  # the class's own source
    except Exception:
        raise TypeError(
            f"{cls.__name__}.{name}: the annotation {annotation!r} cannot be looked up; "
            "name a type that its module can see"
        ) from None


def _declared_field(cls: type, name: str, annotation: object) -> Field:
    declared = cls.__dict__.get(name)
    if declared is None:
        declared = Field()
    elif not isinstance(declared, Field):
        raise TypeError(f"{cls.__name__}.{name}: a field has no default; write `{name}: SomeType` or `= field(...)`")
    if hasattr(Composite, name) or name.startswith("_") or len(name.encode()) > FIELD_NAME_BYTES_MAX:
        raise TypeError(f"{cls.__name__}.{name}: this name cannot be a field's: it is Composite's own or too long")
    declared.name = name
    declared.type = _resolve(cls, name, annotation)
    try:
        if levels_of_type(declared.type, declared.of) >= LEVELS_MAX:
            raise TypeError(f"states nest at most {LEVELS_MAX} levels deep")
    except TypeError as error:
        raise TypeError(f"{cls.__name__}.{name}: {error}") from None
    return declared


class Composite(CompositeState):
    """A state made of fields. Subclass it and annotate the fields with state types.

    >>> from crdt import GCounter, LWWMap
    >>> class AgentState(Composite):
    ...     counters: GCounter
    ...     config: LWWMap
    >>> s = AgentState("agent-a")
    >>> s.counters.increment(); s.config["model"] = "small"
    >>> s.value
    {'counters': 1, 'config': {'model': 'small'}}
    """

    __slots__ = ()

    _declared: ClassVar[tuple[Field, ...]] = ()
    _schema: ClassVar[int] = 0
    _levels: ClassVar[int] = 0
    _strictest: ClassVar[Field | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        fields = {f.name: f for base in reversed(cls.__mro__[1:]) for f in getattr(base, "_declared", ())}
        own = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - importing inspect takes longer than all of crdt
        for name, annotation in own.items():
            if "ClassVar" not in str(annotation):
                fields[name] = _declared_field(cls, name, annotation)
        if len(fields) > FIELDS_MAX:
            raise TypeError(f"{cls.__name__}: {len(fields)} fields; at most {FIELDS_MAX} are possible")
        cls._declared = tuple(fields.values())
        cls._schema = build_schema([(f.name, *shape_of_type(f.type, f.of)) for f in cls._declared])
        cls._levels = max((1 + levels_of_type(f.type, f.of) for f in cls._declared), default=0)
        below = [strictest_of_type(f.type, f.of) for f in cls._declared]
        cls._strictest = max((f for f in (*cls._declared, *below) if f), key=attrgetter("rank"), default=None)
        for index, declared in enumerate(cls._declared):
            setattr(cls, declared.name, FieldView(declared, index))

    def __init__(self, replica: str | None = None, *, clock: Any = None, max_drift: float = MAX_DRIFT) -> None:
        if type(self) is Composite:
            raise TypeError("Composite: subclass it and annotate its fields with state types")
        self._start(KINDS["Composite"], type(self)._schema, replica, clock, max_drift)

    def __setattr__(self, name: str, value: object) -> None:
        if not hasattr(type(self), name):
            raise AttributeError(
                f"{type(self).__name__} has no field {name!r}; its fields are: {', '.join(self.fields())}"
            )
        super().__setattr__(name, value)

    @classmethod
    def fields(cls) -> dict[str, Field]:
        """The declared fields, by name."""
        return {f.name: f for f in cls._declared}

    @property
    def unknown(self) -> dict[str, Any]:
        """Name and value of the fields that came in a merge and that this class does not declare."""
        from crdt.registry import class_of_kind

        return self._unknown(class_of_kind)


_register(KINDS["Composite"], Composite)
