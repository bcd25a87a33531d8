"""Every type of `crdt` as a subject of the properties, alone, nested and together."""

from __future__ import annotations

import crdt

from . import subjects
from .nesting import Compound, Nested
from .subjects import Subject

SIMPLE: dict[str, Subject] = {
    name: getattr(subjects, name)(getattr(crdt, name))
    for name in (
        "GCounter",
        "PNCounter",
        "GSet",
        "ORSet",
        "LWWRegister",
        "MVRegister",
        "LWWMap",
        "OpBasedList",
        "Text",
    )
}


class Everything(crdt.Composite):
    """One field of each kind, the nested ones included."""

    hits: crdt.GCounter
    budget: crdt.PNCounter
    flags: crdt.GSet
    tags: crdt.ORSet
    mode: crdt.LWWRegister
    votes: crdt.MVRegister
    config: crdt.LWWMap
    logs: crdt.OpBasedList
    notes: crdt.Text
    tallies: crdt.ORMap = crdt.field(of=crdt.GCounter)
    groups: crdt.ORMap = crdt.field(of=crdt.ORSet)


NESTED: list[Subject] = [Nested(crdt.ORMap, child) for child in SIMPLE.values()]

EVERYTHING = Compound(
    Everything,
    {
        "hits": SIMPLE["GCounter"],
        "budget": SIMPLE["PNCounter"],
        "flags": SIMPLE["GSet"],
        "tags": SIMPLE["ORSet"],
        "mode": SIMPLE["LWWRegister"],
        "votes": SIMPLE["MVRegister"],
        "config": SIMPLE["LWWMap"],
        "logs": SIMPLE["OpBasedList"],
        "notes": SIMPLE["Text"],
        "tallies": Nested(crdt.ORMap, SIMPLE["GCounter"]),
        "groups": Nested(crdt.ORMap, SIMPLE["ORSet"]),
    },
)

SUBJECTS: list[Subject] = [*SIMPLE.values(), *NESTED, EVERYTHING]
# For properties of what all types share: each format and each way of nesting once.
EACH_FORMAT: list[Subject] = [*SIMPLE.values(), EVERYTHING]
