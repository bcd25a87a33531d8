"""How each type is driven: which commands it takes, what they do to the history, how it is read.

A subject ties a type of `crdt` to its model. A new type gets every property by getting a subject
here; `test_merge_laws.py` fails for a registered type without one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from hypothesis import strategies as st

from . import models
from .models import Model, Ops, Shape, key_shape, shape
from .strategies import Step, histories, indexes, keys, texts, values

Command = tuple[Any, ...]
Clock = Callable[[], int]


class Effect(NamedTuple):
    """One operation of the history that a command makes."""

    name: str
    args: tuple[Any, ...] = ()
    stamped: bool = False  # carries a hybrid logical clock stamp
    certain: bool = True  # False: the type may as well treat it as no change at all


class Writing(Protocol):
    """Who writes, which operation comes next, and what was seen so far (grows between effects)."""

    @property
    def writer(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def ops(self) -> Ops: ...
    @property
    def purges(self) -> list[dict[str, int]]: ...  # of those that were seen, what each had seen


class Subject:
    """The defaults suit a type whose commands need no resolving and are never refused."""

    name: str
    type: Any  # the class in `crdt`, or whatever stands in for it
    model: Model
    commands: st.SearchStrategy[Command]
    is_sequence = False

    def __init__(self, type_: Any) -> None:
        self.type = type_
        self.name = getattr(type_, "__name__", str(type_))

    def __repr__(self) -> str:
        return self.name

    def make(self, replica: str, clock: Clock) -> Any:
        return self.type(replica, clock=clock)

    def from_bytes(self, data: bytes, replica: str, **options: Any) -> Any:
        return self.type.from_bytes(data, replica=replica, **options)

    def resolve(self, command: Command, ops: Ops) -> Command:
        """The command with its indexes brought into range."""
        return command

    def histories(self, *, late: bool = True) -> st.SearchStrategy[list[Step]]:
        return histories(self.commands, late=late, crowded=self.is_sequence)

    def refusal(self, command: Command, ops: Ops) -> type[Exception] | None:
        """The exception that a legal program would get here."""
        return None

    def perform(self, state: Any, command: Command) -> None:
        name, *args = command
        getattr(state, name)(*args)

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        raise NotImplementedError

    def value(self, ops: Ops) -> Shape:
        return type(self).model(ops)

    def view(self, state: Any) -> Shape:
        raise NotImplementedError


class Counter(Subject):
    amounts = st.integers(0, 5) | st.sampled_from([2**32, 2**53 + 1, 2**60])

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        name, by = command
        yield Effect(name, (by,), certain=by > 0)

    def view(self, state: Any) -> Shape:
        assert type(state.value) is int
        return state.value


class GCounter(Counter):
    model = staticmethod(models.g_counter)
    commands = st.tuples(st.just("increment"), Counter.amounts)


class PNCounter(Counter):
    model = staticmethod(models.pn_counter)
    commands = st.tuples(st.sampled_from(["increment", "decrement"]), Counter.amounts)


def view_set(state: Any) -> Shape:
    elements = [key_shape(x) for x in state]
    found = frozenset(elements)
    assert len(elements) == len(found) == len(state)
    assert all(x in state for x in state)
    assert {key_shape(x) for x in state.value} <= found and isinstance(state.value, set)
    return found


class GSet(Subject):
    model = staticmethod(models.g_set)
    commands = st.tuples(st.just("add"), keys) | st.tuples(st.just("update"), st.lists(keys, max_size=3))
    view = staticmethod(view_set)

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        for x in [command[1]] if command[0] == "add" else command[1]:
            yield Effect("add", (key_shape(x),), certain=key_shape(x) not in self.value(writing.ops))


class ORSet(GSet):
    model = staticmethod(models.or_set)
    commands = st.one_of(
        st.tuples(st.just("add"), keys),
        st.tuples(st.sampled_from(["remove", "discard"]), keys),
        st.tuples(st.just("update"), st.lists(keys, max_size=3)),
        st.tuples(st.just("clear")),
    )

    def refusal(self, command: Command, ops: Ops) -> type[Exception] | None:
        absent = command[0] == "remove" and key_shape(command[1]) not in self.value(ops)
        return KeyError if absent else None

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        name, *args = command
        present = self.value(writing.ops)
        if name == "clear":
            if present:
                yield Effect("clear")
        elif name in ("remove", "discard"):
            if key_shape(args[0]) in present:
                yield Effect("remove", (key_shape(args[0]),))
        else:
            for x in [args[0]] if name == "add" else args[0]:
                yield Effect("add", (key_shape(x),))  # a fresh dot even if it was there


class LWWRegister(Subject):
    model = staticmethod(models.lww_register)
    commands = st.tuples(st.just("set"), values)

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        yield Effect("set", (shape(command[1]),), stamped=True)

    def view(self, state: Any) -> Shape:
        return shape(state.value)


class MVRegister(Subject):
    model = staticmethod(models.mv_register)
    commands = st.tuples(st.just("set"), values)

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        yield Effect("set", (shape(command[1]),))

    def view(self, state: Any) -> Shape:
        found = [shape(v) for v in state.values]
        assert len(found) == len(set(found)), "equal values are shown once"
        assert shape(state.value) == (found[0] if found else shape(None))
        return frozenset(found)


class LWWMap(Subject):
    model = staticmethod(models.lww_map)
    commands = st.one_of(
        st.tuples(st.just("set"), keys, values),
        st.tuples(st.just("del"), keys),
        st.tuples(st.just("pop"), keys, values),
        st.tuples(st.just("setdefault"), keys, values),
    )

    def refusal(self, command: Command, ops: Ops) -> type[Exception] | None:
        absent = command[0] == "del" and not self.has(command[1], ops)
        return KeyError if absent else None

    def has(self, key: Any, ops: Ops) -> bool:
        return any(present == key_shape(key) for present, _ in self.value(ops))

    def perform(self, state: Any, command: Command) -> None:
        name, key, *rest = command
        if name == "set":
            state[key] = rest[0]
        elif name == "del":
            del state[key]
        else:
            getattr(state, name)(key, rest[0])

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        name, key, *rest = command
        present = self.has(key, writing.ops)
        if name == "set" or (name == "setdefault" and not present):
            yield Effect("set", (key_shape(key), shape(rest[0])), stamped=True)
        elif name in ("del", "pop") and present:
            yield Effect("del", (key_shape(key),), stamped=True)

    def view(self, state: Any) -> Shape:
        found = frozenset((key_shape(k), shape(v)) for k, v in state.items())
        assert len(found) == len(state) == len(list(state))
        assert all(k in state and shape(state[k]) == shape(state.get(k)) for k in state)
        return found


class Sequence(Subject):
    """The order of a history is asked for several times a step: the last one is remembered."""

    is_sequence = True
    last: tuple[list[models.Op], list[tuple[models.Element, bool]]] = ([], [])

    def order(self, ops: Ops) -> list[tuple[models.Element, bool]]:
        asked = list(ops)
        if len(asked) != len(self.last[0]) or any(map(operator.is_not, asked, self.last[0])):
            self.last = asked, models.elements_in_order(asked)
        return self.last[1]

    def value(self, ops: Ops) -> Shape:
        return tuple(element.value for element, visible in self.order(ops) if visible)

    def length(self, ops: Ops) -> int:
        return len(self.value(ops))

    def idle(self, writing: Writing) -> set[models.ElementId]:
        """What purges have condemned and nothing needs: it is passed over where a right origin is looked for."""
        condemned: set[models.ElementId] = set()
        for past in writing.purges:
            order = self.order([op for op in writing.ops if op.number <= past.get(op.writer, 0)])
            condemned |= models.needless(order, {element.id for element, visible in order if not visible})
        return models.needless(self.order(writing.ops), condemned) if condemned else condemned

    def insertion(self, position: int, run: Any, writing: Writing) -> Effect:
        order = self.order(writing.ops)
        idle = self.idle(writing)
        order = [(element, visible) for element, visible in order if element.id not in idle]
        places = [i for i, (_, visible) in enumerate(order) if visible]
        before = places[position - 1] if position else -1
        left = order[before][0].id if position else None
        right = order[before + 1][0].id if before + 1 < len(order) else None
        elements = []
        for index, value in enumerate(run):
            element = models.Element((writing.writer.encode(), writing.number, index), left, right, value)
            elements.append(element)
            left = element.id
        return Effect("insert", (tuple(elements),))

    def deletion(self, position: int, count: int, writing: Writing) -> Effect:
        ids = [element.id for element, visible in self.order(writing.ops) if visible]
        return Effect("delete", (frozenset(ids[position : position + count]),))

    def splice(self, position: int, count: int, run: Any, writing: Writing) -> Iterator[Effect]:
        if count:
            yield self.deletion(position, count, writing)
        if run:
            yield self.insertion(position, run, writing)


class OpBasedList(Sequence):
    commands = st.one_of(
        st.tuples(st.just("insert"), indexes, values),
        st.tuples(st.just("append"), values),
        st.tuples(st.just("insert_many"), indexes, st.lists(values, max_size=4)),
        st.tuples(st.just("delete"), indexes, st.integers(0, 4)),
        st.tuples(st.just("del"), indexes),
    )

    def resolve(self, command: Command, ops: Ops) -> Command:
        length = self.length(ops)
        if command[0] in ("insert", "insert_many"):
            return command[0], command[1] % (length + 1), command[2]
        if command[0] == "delete":
            start = command[1] % (length + 1)
            return "delete", start, min(command[2], length - start)
        if command[0] == "del":
            return "del", command[1] % length if length else 0
        return command

    def refusal(self, command: Command, ops: Ops) -> type[Exception] | None:
        return IndexError if command[0] == "del" and not self.length(ops) else None

    def perform(self, state: Any, command: Command) -> None:
        if command[0] == "del":
            del state[command[1]]
        elif command[0] != "delete" or command[2] or command[1] < len(state):
            super().perform(state, command)

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        name, *args = command
        if name == "append":
            return self.splice(self.length(writing.ops), 0, [shape(args[0])], writing)
        if name == "insert":
            return self.splice(args[0], 0, [shape(args[1])], writing)
        if name == "insert_many":
            return self.splice(args[0], 0, [shape(v) for v in args[1]], writing)
        return self.splice(args[0], args[1] if name == "delete" else 1, [], writing)

    def view(self, state: Any) -> Shape:
        found = tuple(shape(v) for v in state.value)
        assert found == tuple(shape(v) for v in state) == tuple(shape(state[i]) for i in range(len(state)))
        return found


class Text(Sequence):
    patches = st.tuples(indexes, st.integers(0, 4), texts)
    commands = st.one_of(
        st.tuples(st.just("insert"), indexes, texts),
        st.tuples(st.just("append"), texts),
        st.tuples(st.just("delete"), indexes, st.integers(0, 4)),
        st.tuples(st.just("apply"), st.lists(patches, max_size=4)),
    )

    def resolve(self, command: Command, ops: Ops) -> Command:
        name, *args = command
        length = self.length(ops)
        if name == "append":
            return command
        if name == "insert":
            return "insert", args[0] % (length + 1), args[1]
        if name == "delete":
            start = args[0] % (length + 1)
            return "delete", start, min(args[1], length - start)
        patches = []
        for position, count, inserted in args[0]:
            position %= length + 1
            count = min(count, length - position)
            length += len(inserted) - count
            patches.append((position, count, inserted))
        return "apply", patches

    def effects(self, command: Command, writing: Writing) -> Iterator[Effect]:
        name, *args = command
        if name == "append":
            yield from self.splice(self.length(writing.ops), 0, args[0], writing)
        elif name == "insert":
            yield from self.splice(args[0], 0, args[1], writing)
        elif name == "delete":
            yield from self.splice(args[0], args[1], "", writing)
        else:
            for position, count, inserted in args[0]:
                yield from self.splice(position, count, inserted, writing)

    def view(self, state: Any) -> Shape:
        text = str(state)
        assert text == state.value and len(text) == len(state)
        return tuple(text)
