"""State that always converges: counters, sets, registers, maps, lists and text, and composites of them.

Each type can be changed by many writers at once, without asking each other; merging is
commutative, associative and idempotent, so all who have received the same changes hold the same
state, byte for byte. See docs/explanation/types.md for what each type promises.

>>> from crdt import ORSet
>>> a, b = ORSet("a"), ORSet("b")
>>> a.add("x"); b.add("y")
>>> a.merge(b), sorted(a)
(True, ['x', 'y'])
"""

try:
    from crdt.composite import Composite, Field, field
except ImportError as error:  # pragma: no cover - only in an unbuilt checkout
    raise ImportError(f"the compiled part of crdt cannot be loaded ({error}); build it with `make build`") from error
from crdt.counters import GCounter, PNCounter
from crdt.cursor import Cursor
from crdt.errors import CRDTError, DecodeError, ReadOnlyError, RefusedError, RetiredError, WrongTypeError
from crdt.lww_map import LWWMap
from crdt.op_based_list import OpBasedList
from crdt.or_map import ORMap
from crdt.registers import LWWRegister, MVRegister
from crdt.registry import REGISTRY
from crdt.sets import GSet, ORSet
from crdt.text import Text
from crdt.version import VersionVector

__all__ = [
    "REGISTRY",
    "CRDTError",
    "Composite",
    "Cursor",
    "DecodeError",
    "Field",
    "GCounter",
    "GSet",
    "LWWMap",
    "LWWRegister",
    "MVRegister",
    "ORMap",
    "ORSet",
    "OpBasedList",
    "PNCounter",
    "ReadOnlyError",
    "RefusedError",
    "RetiredError",
    "Text",
    "VersionVector",
    "WrongTypeError",
    "field",
]
