"""Small state types in plain Python with a mistake that can be switched on, to test the properties.

They are not the types of `crdt` and share nothing with them. A state is a set of facts, each named
by its dot (writer, sequence), and a version vector; whatever a later operation makes void leaves the
set, and the join keeps a fact that only one side holds exactly if the other side has not seen it
(Almeida, Shoker, Baquero, "Delta state replicated data types", 2018). Slow, short and right, except
for the one mistake in `bug`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from .models import Element, FugueMaxTree

Dot = tuple[str, int]
Fact = tuple[Any, ...]  # (name, *args)
Seen = dict[str, int]


def covered(seen: Seen, dot: Dot) -> bool:
    return dot[1] <= seen.get(dot[0], 0)


class Reference:
    bug: ClassVar[str] = ""

    def __init__(self, replica: str, *, clock: Callable[[], int] = lambda: 0, of: Any = None) -> None:
        self.replica, self.clock, self.of = replica, clock, of
        self.facts: dict[Dot, Fact] = {}
        self.seen: Seen = {}
        self.held: list[bytes] = []
        self.last = 0  # the clock of last-writer-wins stamps

    # -- writing --------------------------------------------------------------------------------

    def write(self, *fact: Any) -> Dot:
        dot = (self.replica, self.seen.get(self.replica, 0) + 1)
        self.seen[self.replica] = dot[1]
        self.facts[dot] = fact
        return dot

    def drop(self, void: Callable[[Fact], bool]) -> None:
        self.facts = {dot: fact for dot, fact in self.facts.items() if not void(fact)}

    def tick(self) -> int:
        now = self.clock() << 16
        self.last = now if self.bug == "stamps are the wall clock" else max(self.last + 1, now)
        return self.last

    # -- merging --------------------------------------------------------------------------------

    @property
    def version(self) -> Seen:
        return dict(self.seen)

    @property
    def pending(self) -> int:
        return len(self.held)

    def delta(self, since: Seen | None = None) -> bytes:
        since = since or {}
        if all(covered(since, dot) for dot in self.seen.items()):
            return b""
        base = {w: min(n, self.seen[w]) for w, n in since.items() if w in self.seen}
        return repr((base, sorted(self.seen.items()), sorted(self.facts.items()))).encode()

    def to_bytes(self) -> bytes:
        return repr((sorted(self.seen.items()), sorted(self.facts.items()))).encode()

    def merge(self, other: Any) -> bool:
        if isinstance(other, Reference):
            other = other.delta()
        elif other.startswith(b"(["):
            other = b"({}, " + other[1:]
        before = self.to_bytes()
        if other:
            self.held.append(other)
        while any([self.land(data) for data in list(self.held)]):
            pass
        return self.to_bytes() != before

    def land(self, data: bytes) -> bool:
        base, upto, facts = ast.literal_eval(data.decode())
        if not all(covered(self.seen, dot) for dot in base.items()):
            if self.bug == "a delta that comes early is forgotten":
                self.held.remove(data)
            if self.bug != "a delta lands without its base":
                return False
        if data in self.held:
            self.held.remove(data)
        if all(covered(self.seen, dot) for dot in upto):
            return False
        self.join(dict(facts), dict(upto))
        return True

    def join(self, theirs: dict[Dot, Fact], upto: Seen) -> None:
        off = 1 if self.bug == "descends where strictly descends was meant" else 0
        kept = {}
        for dot, fact in self.facts.items():
            unseen_there = dot[1] + off > upto.get(dot[0], 0)
            if dot in theirs or unseen_there or self.survives(fact, theirs):
                kept[dot] = fact
        fresh = {dot: fact for dot, fact in theirs.items() if not covered(self.seen, dot)}
        if self.bug == "merge looks at no context":
            kept, fresh = self.facts, theirs
        self.facts = kept | fresh
        for writer, number in upto.items():
            self.seen[writer] = max(number, self.seen.get(writer, 0))
        if self.bug != "received stamps do not move the clock":
            self.last = max([self.last, *(self.stamp_of(fact) for fact in fresh.values())])

    def survives(self, fact: Fact, theirs: dict[Dot, Fact]) -> bool:
        if self.bug == "an element present on both sides stays whole":
            return fact in theirs.values()
        return self.bug == "a removal is not sent"

    def stamp_of(self, fact: Fact) -> int:
        return 0

    # -- the rest of the contract ---------------------------------------------------------------

    def fork(self, replica: str) -> Any:
        name = self.replica if self.bug == "a fork keeps its writer's name" else replica
        child = type(self)(name, clock=self.clock, of=self.of)
        child.facts, child.seen, child.held = dict(self.facts), dict(self.seen), list(self.held)
        child.last = self.last
        return child

    def digest(self) -> bytes:
        return self.to_bytes()

    def check_invariants(self) -> None:
        assert all(covered(self.seen, dot) for dot in self.facts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self.to_bytes() == other.to_bytes()


class GCounter(Reference):
    def increment(self, by: int = 1) -> None:
        if by:
            self.write("increment", by)

    @property
    def value(self) -> int:
        amounts = [fact[1] for _, fact in sorted(self.facts.items())]
        if self.bug == "counts are added as floats":
            return int(sum(map(float, amounts)))
        if self.bug == "equal increments are one":
            return sum(set(amounts))
        return sum(amounts)


class ORSet(Reference):
    def add(self, x: Any) -> None:
        if self.bug == "adding again takes no fresh dot" and x in self:
            self.write("nothing")
            return
        self.drop(lambda fact: fact == ("add", x))
        self.write("add", x)

    def remove(self, x: Any) -> None:
        if x not in self:
            raise KeyError(x)
        if self.bug != "remove does nothing":
            self.drop(lambda fact: fact == ("add", x))
        self.write("nothing")

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted({fact[1] for fact in self.facts.values() if fact[0] == "add"}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def value(self) -> set[Any]:
        return set(self)


class LWWMap(Reference):
    def stamp_of(self, fact: Fact) -> int:
        return int(fact[1])

    def put(self, name: str, key: Any, value: Any) -> None:
        stamp = 0 if name == "del" and self.bug == "a delete is stamped zero" else self.tick()
        self.drop(lambda fact: fact[3] == key and fact[1] < stamp)
        self.write(name, stamp, self.replica, key, value)

    def newest(self) -> dict[Any, Fact]:
        rows: dict[Any, Fact] = {}
        for fact in self.facts.values():  # in order of arrival
            row = rows.setdefault(fact[3], fact)
            if self.bug == "ties go to the last to arrive":
                rows[fact[3]] = fact if fact[1] >= row[1] else row
            else:
                rows[fact[3]] = max(fact, row, key=lambda f: (f[1], f[2].encode()))
        return {key: fact for key, fact in rows.items() if fact[0] == "set"}

    def join(self, theirs: dict[Dot, Fact], upto: Seen) -> None:
        super().join(theirs, upto)
        if self.bug == "a delete removes the row":
            self.drop(lambda fact: fact[0] == "del")

    def __setitem__(self, key: Any, value: Any) -> None:
        self.put("set", key, value)

    def __delitem__(self, key: Any) -> None:
        if key not in self.newest():
            raise KeyError(key)
        self.put("del", key, None)

    def __getitem__(self, key: Any) -> Any:
        return self.newest()[key][4]

    def get(self, key: Any) -> Any:
        return self[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.newest())

    def __len__(self) -> int:
        return len(self.newest())

    def items(self) -> list[tuple[Any, Any]]:
        return [(key, fact[4]) for key, fact in self.newest().items()]


class MVRegister(Reference):
    def set(self, value: Any) -> None:
        if self.bug != "a write keeps what it has seen":
            self.facts = {}
        self.write("set", value)

    @property
    def values(self) -> list[Any]:
        return sorted({fact[1] for fact in self.facts.values()})

    @property
    def value(self) -> Any:
        return self.values[0] if self.facts else None


class ORMap(Reference):
    """Of counters: a fact is an increment below a key."""

    def __getitem__(self, key: Any) -> _Child:
        return _Child(self, key)

    def __delitem__(self, key: Any) -> None:
        if key not in self:
            raise KeyError(key)
        if self.bug != "a delete misses what is below":
            self.drop(lambda fact: fact[1] == key)
        self.write("del", None, key)

    def join(self, theirs: dict[Dot, Fact], upto: Seen) -> None:
        before = set(self.facts)
        super().join(theirs, upto)
        if self.bug == "a delete takes concurrent updates along":
            gone = {fact[2] for dot, fact in self.facts.items() if fact[0] == "del" and dot not in before}
            self.drop(lambda fact: fact[1] in gone)

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted({fact[1] for fact in self.facts.values() if fact[0] == "increment"}))

    def __len__(self) -> int:
        return len(list(iter(self)))


class _Child:
    def __init__(self, parent: ORMap, key: Any) -> None:
        self.parent, self.key = parent, key

    def increment(self, by: int) -> None:
        parent = self.parent
        if parent.bug == "a child made again counts from where it began" and self.key not in parent:
            numbers = [f[3] for f in parent.facts.values() if f[0] == "increment"]
            if 1 in numbers:
                return
        parent.write("increment", self.key, by, 1)

    @property
    def value(self) -> int:
        return sum(f[2] for f in self.parent.facts.values() if f[0] == "increment" and f[1] == self.key)


class Text(Reference):
    def insert(self, position: int, run: str) -> None:
        order = self.tree().in_order()
        dead = self.dead()
        places = [i for i, e in enumerate(order) if e.id not in dead]
        before = places[position - 1] if position else -1
        left = order[before].id if position else None
        after = order[before + 1 :]
        if self.bug == "the right origin skips what was deleted":
            after = [e for e in after if e.id not in dead]
        right = after[0].id if after else None
        for character in run:
            number = self.seen.get(self.replica, 0) + 1
            self.write("insert", left, right, character)
            left = (self.replica.encode(), number, 0)

    def delete(self, position: int, count: int) -> None:
        dead = self.dead()
        ids = [e.id for e in self.tree().in_order() if e.id not in dead]
        if ids[position : position + count]:
            self.write("delete", tuple(ids[position : position + count]))

    def dead(self) -> set[Any]:
        return {e for fact in self.facts.values() if fact[0] == "delete" for e in fact[1]}

    def tree(self) -> FugueMaxTree:
        tree = _InterleavingTree() if self.bug == "siblings are ordered by writer alone" else FugueMaxTree()
        waiting = {dot: fact for dot, fact in sorted(self.facts.items()) if fact[0] == "insert"}
        while waiting:
            for (writer, number), (_, left, right, character) in list(waiting.items()):
                if left in tree.nodes and right in tree.nodes:
                    tree.add(Element((writer.encode(), number, 0), left, right, character))
                    del waiting[writer, number]
        return tree

    def __str__(self) -> str:
        dead = self.dead()
        return "".join(e.value for e in self.tree().in_order() if e.id not in dead)

    value = property(__str__)

    def __len__(self) -> int:
        return len(str(self))


class _InterleavingTree(FugueMaxTree):
    def compare_siblings(self, x: Any, y: Any, side: str) -> int:
        return -1 if x < y else 1
