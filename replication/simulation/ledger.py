"""What clients did and what they were promised, written down outside of the nodes.

Every operation has a number and leaves it in the state, so that afterwards each can be found: there
once, if it was promised; at most once, if it was tried. `Everything` has a field of every type, and
each field has a pair of functions here: one does operation number n, one reads back which are there.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, NamedTuple, TypeVar

from crdt import (
    Composite,
    GCounter,
    GSet,
    LWWMap,
    LWWRegister,
    MVRegister,
    OpBasedList,
    ORMap,
    ORSet,
    PNCounter,
    Text,
    field,
)

T = TypeVar("T")


class Everything(Composite):
    """A field of every type."""

    count: GCounter
    balance: PNCounter
    seen: GSet
    members: ORSet
    settings: LWWMap
    latest: LWWRegister
    opinions: MVRegister
    log: OpBasedList
    text: Text
    tallies: ORMap = field(of=GCounter)


class Violation(Exception):
    """Something that must never be, was."""


class Operation:
    """One call of a client.

    removes  the number of the operation that it takes away again, if it does
    boot     which start of the node it was done in
    writer   who wrote it into the state, and that writer's count just before
    tried    its function ran, so that it may be there
    kept     its caller was promised that it is durable
    """

    __slots__ = ("agent_id", "boot", "count_before", "field", "kept", "node", "number", "removes", "tried", "writer")

    def __init__(self, number: int, node: str, boot: int, agent_id: str, field: str) -> None:
        self.number = number
        self.node = node
        self.boot = boot
        self.agent_id = agent_id
        self.field = field
        self.writer = ""
        self.count_before = 0
        self.removes: int | None = None
        self.tried = False
        self.kept = False

    def act(self, state: Any, random: Random) -> None:
        """Do it: what is given to `update_state`."""
        self.writer = state.replica
        self.count_before = state.version.get(self.writer, 0)
        self.removes = KINDS[self.field].act(getattr(state, self.field), self.number, random)
        self.tried = True


class Kind(NamedTuple):
    """How an operation is done on a field, and how it is found again.

    act    does the operation; returns the number of the one it removes, if any
    found  the numbers that are there, as often as they are; None if only their count can be read
    """

    act: Callable[[Any, int, Random], int | None]
    found: Callable[[Any], Iterable[int]] | None


# ---- one pair for each field


def _increment(counter: Any, number: int, random: Random) -> None:
    counter.increment()


def _add(elements: Any, number: int, random: Random) -> None:
    elements.add(number)


def _add_or_discard(elements: Any, number: int, random: Random) -> int | None:
    present: list[int] = sorted(elements)
    victim = _victim(present, random)
    if victim is None:
        elements.add(number)
    else:
        elements.discard(victim)
    return victim


def _put_or_delete(settings: Any, number: int, random: Random) -> int | None:
    present: list[int] = sorted(settings.values())
    victim = _victim(present, random)
    if victim is None:
        settings[f"key {number}"] = number
    else:
        del settings[f"key {victim}"]
    return victim


def _set(register: Any, number: int, random: Random) -> None:
    register.set(number)


def _insert_or_delete(log: Any, number: int, random: Random) -> int | None:
    items: list[int] = list(log)
    victim = _victim(items, random)
    if victim is None:
        log.insert(random.randint(0, len(items)), number)
    else:
        log.delete(items.index(victim))
    return victim


_WORD = re.compile(r"<(\d+)>")


def _write_or_erase(text: Any, number: int, random: Random) -> int | None:
    words = list(_WORD.finditer(str(text)))
    word = _victim(words, random)
    if word is None:
        text.insert(random.choice([0, *(word.end() for word in words)]), f"<{number}>")
        return None
    text.delete(word.start(), len(word[0]))
    return int(word[1])


def _read_words(value: str) -> Iterable[int]:
    rest = _WORD.sub("", value)
    if rest:
        raise Violation(f"words in a text were torn apart: {value!r} leaves {rest!r}")
    return [int(number) for number in _WORD.findall(value)]


def _tally_or_drop(tallies: Any, number: int, random: Random) -> int | None:
    present = sorted(int(key.removeprefix("tally ")) for key in tallies)
    victim = _victim(present, random)
    if victim is None:
        tallies[f"tally {number}"].increment()
    else:
        del tallies[f"tally {victim}"]
    return victim


def _read_tallies(value: dict[str, int]) -> Iterable[int]:
    return Counter({int(key.removeprefix("tally ")): count for key, count in value.items()}).elements()


def _victim(candidates: list[T], random: Random) -> T | None:
    """Two in five operations take away what another has put there, if there is anything."""
    return random.choice(candidates) if candidates and random.random() < 0.4 else None


def _is_one_of(value: Any) -> Iterable[int]:
    return [] if value is None else [value]


KINDS: dict[str, Kind] = {
    "count": Kind(_increment, None),
    "balance": Kind(_increment, None),
    "seen": Kind(_add, list),
    "members": Kind(_add_or_discard, list),
    "settings": Kind(_put_or_delete, lambda value: value.values()),
    "latest": Kind(_set, _is_one_of),
    "opinions": Kind(_set, _is_one_of),
    "log": Kind(_insert_or_delete, list),
    "text": Kind(_write_or_erase, _read_words),
    "tallies": Kind(_tally_or_drop, _read_tallies),
}
# Fields in which a later operation replaces an earlier one, whether it has seen it or not.
REPLACED = ("latest", "opinions")


class Ledger:
    """All operations of a run."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def open(self, node: str, boot: int, agent_id: str, field: str) -> Operation:
        """Write down that a client is about to do something."""
        operation = Operation(len(self.operations), node, boot, agent_id, field)
        self.operations.append(operation)
        return operation

    def kept_by(self, boots: dict[str, int]) -> None:
        """Reactive changes are promised too, unless their node crashed since; `boots` are the present ones."""
        for operation in self.operations:
            if operation.tried and boots.get(operation.node) == operation.boot:
                operation.kept = True

    def agents(self) -> list[str]:
        """The agents of which something must be there."""
        return sorted({operation.agent_id for operation in self.operations if operation.kept})

    def check(self, agent_id: str, value: dict[str, Any]) -> None:
        """Violation unless an agent's value is what the operations on it allow."""
        mine = [operation for operation in self.operations if operation.agent_id == agent_id and operation.tried]
        for name, kind in KINDS.items():
            operations = [operation for operation in mine if operation.field == name]
            where = f"agent {agent_id!r}, field {name!r}"
            if kind.found is None:
                _check_count(where, operations, value[name])
            elif name in REPLACED:
                _check_replaced(where, operations, list(kind.found(value[name])))
            else:
                _check_each(where, operations, Counter(kind.found(value[name])))


def _check_count(where: str, operations: list[Operation], value: int) -> None:
    kept = sum(operation.kept for operation in operations)
    if not kept <= value <= len(operations):
        raise Violation(f"{where}: counts {value}, but {kept} were promised and {len(operations)} tried")


def _check_replaced(where: str, operations: list[Operation], found: list[int]) -> None:
    tried = {operation.number for operation in operations}
    if not set(found) <= tried or (not found and any(operation.kept for operation in operations)):
        raise Violation(f"{where}: holds {found}, and tried were {sorted(tried)}")


def _check_each(where: str, operations: list[Operation], found: Counter[int]) -> None:
    removed = {operation.removes for operation in operations}
    gone = {operation.removes for operation in operations if operation.kept}
    may = {operation.number for operation in operations if operation.removes is None} - gone
    must = {operation.number for operation in operations if operation.kept and operation.removes is None} - removed
    lost, alien = sorted(must - found.keys()), sorted(found.keys() - may)
    twice = sorted(number for number, times in found.items() if times > 1)
    if lost:
        raise Violation(f"{where}: operations {lost} were promised and are not there")
    if alien:
        raise Violation(f"{where}: {alien} are there, and should not be: never tried, or taken away for good")
    if twice:
        raise Violation(f"{where}: operations {twice} are there more than once")
