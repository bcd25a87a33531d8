"""Every state type with its tag on the wire: the list that laws and formats are tested over."""

from crdt.composite import Composite
from crdt.counters import GCounter, PNCounter
from crdt.lww_map import LWWMap
from crdt.op_based_list import OpBasedList
from crdt.or_map import ORMap
from crdt.registers import LWWRegister, MVRegister
from crdt.sets import GSet, ORSet
from crdt.shapes import KINDS
from crdt.text import Text

__all__ = ["REGISTRY", "class_of_kind"]

# The types that can be made without more said; a Composite needs fields.
REGISTRY = (GCounter, PNCounter, GSet, ORSet, LWWRegister, MVRegister, LWWMap, ORMap, OpBasedList, Text)


def class_of_kind(kind: int) -> type:
    """The type with this tag."""
    return next(t for t in (*REGISTRY, Composite) if KINDS[t.__name__] == kind)
