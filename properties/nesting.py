"""Subjects made of subjects: an ORMap of one type of child, and a Composite of several fields.

A child's part of a history is cut out and handed to the child's own subject, so nesting needs no
models of its own beyond `models.or_map` and `models.composite`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from . import models
from .models import Ops, Shape, key_shape
from .strategies import keys
from .subjects import Clock, Command, Effect, Subject, Writing


class Nested(Subject):
    """An ORMap of one type of child."""

    def __init__(self, type_: Any, child: Subject) -> None:
        super().__init__(type_)
        self.child = child
        self.name = f"{self.name}[{child.name}]"
        self.pool = keys
        below = st.tuples(st.just("below"), self.pool, child.commands)
        self.commands = st.one_of(below, below, st.tuples(st.just("del"), self.pool))

    def make(self, replica: str, clock: Clock) -> Any:
        return self.type(replica, of=self.child.type, clock=clock)

    def from_bytes(self, data: bytes, replica: str, **options: Any) -> Any:
        return self.type.from_bytes(data, replica=replica, of=self.child.type, **options)

    def inner(self, key: Any, ops: Ops) -> list[models.Op]:
        """The history as the child at this key knows it."""
        found = []
        for op in ops:
            if op.name == "reset":
                found.append(op)
            elif op.args[0] == key_shape(key):
                name, args = ("reset", ()) if op.name == "del" else op.args[1:]
                found.append(models.replace(op, name=name, args=args))
        return found

    def resolve(self, command: Command, ops: Ops) -> Command:
        if command[0] == "del":
            return command
        name, key, inner = command
        return name, key, self.child.resolve(inner, self.inner(key, ops))

    def refusal(self, command: Command, ops: Ops) -> type[Exception] | None:
        if command[0] == "del":
            return None if models.live(self.inner(command[1], ops)) else KeyError
        return self.child.refusal(command[2], self.inner(command[1], ops))

    def perform(self, state: Any, command: Command) -> None:
        if command[0] == "del":
            del state[command[1]]
        else:
            self.child.perform(state[command[1]], command[2])

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        key = command[1]
        if command[0] == "del":
            yield Effect("del", (key_shape(key),))
            return
        below = Below(writing, lambda ops: self.inner(key, ops))
        for effect in self.child.effects(command[2], below):
            yield effect._replace(name="below", args=(key_shape(key), effect.name, effect.args))

    def value(self, ops: Ops) -> Shape:
        return models.or_map(self.child.value)(ops)

    def view(self, state: Any) -> Shape:
        found = frozenset((key_shape(k), self.child.view(state[k])) for k in state)
        assert len(found) == len(state) == len(list(state))
        assert all(k in state for k in state)
        return found


class Compound(Subject):
    """A Composite with one field for each of the given subjects."""

    def __init__(self, type_: Any, fields: dict[str, Subject]) -> None:
        super().__init__(type_)
        self.fields = fields
        self.commands = st.one_of([st.tuples(st.just(name), s.commands) for name, s in fields.items()])

    def inner(self, name: str, ops: Ops) -> list[models.Op]:
        return [models.replace(op, name=op.args[1], args=op.args[2]) for op in ops if op.args[0] == name]

    def resolve(self, command: Command, ops: Ops) -> Command:
        name, inner = command
        return name, self.fields[name].resolve(inner, self.inner(name, ops))

    def refusal(self, command: Command, ops: Ops) -> type[Exception] | None:
        return self.fields[command[0]].refusal(command[1], self.inner(command[0], ops))

    def perform(self, state: Any, command: Command) -> None:
        self.fields[command[0]].perform(getattr(state, command[0]), command[1])

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        name, inner = command
        below = Below(writing, lambda ops: self.inner(name, ops))
        for effect in self.fields[name].effects(inner, below):
            yield effect._replace(name="field", args=(name, effect.name, effect.args))

    def value(self, ops: Ops) -> Shape:
        return models.composite({name: s.value for name, s in self.fields.items()})(ops)

    def view(self, state: Any) -> Shape:
        assert list(state.value) == list(self.fields)
        return tuple((name, s.view(getattr(state, name))) for name, s in self.fields.items())


@dataclass
class Below:
    """A child's part of what its writer has seen."""

    outer: Writing
    part: Callable[[Ops], Ops]

    @property
    def writer(self) -> str:
        return self.outer.writer

    @property
    def number(self) -> int:
        return self.outer.number

    @property
    def ops(self) -> Ops:
        return self.part(self.outer.ops)

    @property
    def purges(self) -> list[dict[str, int]]:
        return self.outer.purges
