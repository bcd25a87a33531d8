"""Several replicas of one type, each beside the model's account of what it has seen.

`World` runs the steps of a history on the real objects and on the account together, and compares
after every step. The account follows the contract alone: a delta taken since a version carries what
its holder had seen beyond it, it lands where that version is covered, and is held back elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from .models import Op, Ops
from .strategies import Step
from .subjects import Subject

NAMES = ("b", "a", "é", "a2")  # not in creation order: ties must be broken by name alone
EPOCH_MS = 1_700_000_000_000

Seen = dict[str, int]


def covers(seen: Seen, other: Seen) -> bool:
    return all(seen.get(writer, 0) >= number for writer, number in other.items())


def meet(a: Seen, b: Seen) -> Seen:
    return {w: min(n, b[w]) for w, n in a.items() if w in b}


@dataclass
class Packet:
    """A delta on its way: its bytes, what it presupposes, and what its receiver will have seen."""

    data: bytes
    base: Seen
    upto: Seen


@dataclass
class Replica:
    name: str
    state: Any
    clock: list[int]
    seen: Seen = field(default_factory=dict)
    held: list[Packet] = field(default_factory=list)
    posted: Seen = field(default_factory=dict)
    posted_version: Any = None


class World:
    """2 to 4 replicas, their clocks, and the deltas that were posted and may arrive at any time."""

    def __init__(self, subject: Subject, count: int = 2) -> None:
        self.subject = subject
        self.history: dict[str, list[Op]] = {}
        self.posts: list[Packet] = []
        self.replicas: list[Replica] = []
        for name in NAMES[:count]:
            clock = [EPOCH_MS]
            self.replicas.append(Replica(name, subject.make(name, lambda c=clock: c[0]), clock))

    # -- what the account says ------------------------------------------------------------------

    def visible(self, seen: Seen) -> list[Op]:
        return [op for writer, number in seen.items() for op in self.history.get(writer, ())[:number]]

    def purges_in(self, seen: Seen) -> list[Seen]:
        """What each purge had seen that is seen here: nobody purges in this world."""
        return []

    def stamp(self, replica: Replica) -> int:
        last = max((op.stamp for op in self.visible(replica.seen)), default=0)
        return max(last + 1, replica.clock[0] << 16)

    def record(self, replica: Replica, name: str, args: tuple[Any, ...], stamped: bool) -> None:
        ops = self.history.setdefault(replica.name, [])
        stamp = self.stamp(replica) if stamped else 0
        ops.append(Op(replica.name, len(ops) + 1, dict(replica.seen), name, args, stamp))
        replica.seen[replica.name] = len(ops)

    def receive(self, replica: Replica, packet: Packet) -> bool:
        """What the account says of a delta's arrival: whether the receiver's state changes."""
        before = dict(replica.seen)
        replica.held.append(packet)
        landed = True
        while landed:
            landed = False
            for waiting in list(replica.held):
                if covers(replica.seen, waiting.base):
                    replica.held.remove(waiting)
                    if not covers(replica.seen, waiting.upto):
                        for writer, number in waiting.upto.items():
                            replica.seen[writer] = max(number, replica.seen.get(writer, 0))
                        landed = True
        return before != replica.seen

    # -- steps ----------------------------------------------------------------------------------

    def run(self, steps: Iterable[Step]) -> World:
        for step in steps:
            for replica in self.step(*step):
                self.check(replica)
        return self

    def step(self, name: str, *args: Any) -> Iterator[Replica]:
        replica: Replica | None = getattr(self, f"do_{name}")(*args)
        if replica is not None:
            yield replica

    def at(self, index: int) -> Replica:
        return self.replicas[index % len(self.replicas)]

    def do_edit(self, index: int, command: tuple[Any, ...]) -> Replica:
        replica = self.at(index)
        subject, state = self.subject, replica.state
        command = subject.resolve(command, self.visible(replica.seen))
        refusal = subject.refusal(command, self.visible(replica.seen))
        before = state.version
        if refusal is not None:
            bytes_before = state.to_bytes()
            with pytest.raises(refusal):
                subject.perform(state, command)
            assert state.to_bytes() == bytes_before, f"a refused {command} changed the state"
            return replica
        subject.perform(state, command)
        moved = state.version != before
        for effect in subject.effects(command, Account(self, replica)):
            assert moved or not effect.certain, f"{command} took no dot"
            if moved:
                self.record(replica, effect.name, effect.args, effect.stamped)
        return replica

    def do_sync(self, source_index: int, target_index: int, how: str) -> Replica | None:
        source, target = self.at(source_index), self.at(target_index)
        if source is target:
            return None
        since = meet(target.seen, source.seen) if how == "delta" else {}
        if how == "object":
            data: Any = source.state
        else:
            data = source.state.delta(target.state.version) if how == "delta" else source.state.to_bytes()
        self.arrive(target, Packet(data, since, dict(source.seen)))
        return target

    def do_post(self, index: int) -> None:
        """Put what this replica has seen since it last posted into the mail for anyone."""
        source = self.at(index)
        data = source.state.delta(source.posted_version)
        is_news = not covers(source.posted, source.seen)
        if source.posted_version is not None:
            assert bool(data) == is_news, "a delta is empty if and only if nothing is new"
        if is_news:
            self.posts.append(Packet(data, source.posted, dict(source.seen)))
        source.posted, source.posted_version = dict(source.seen), source.state.version

    def do_deliver(self, post: int, index: int) -> Replica | None:
        """A post arrives: perhaps late, perhaps again, perhaps before the one it builds on."""
        if not self.posts:
            return None
        self.arrive(self.at(index), self.posts[post % len(self.posts)])
        return self.at(index)

    def do_tick(self, index: int, ms: int) -> None:
        self.at(index).clock[0] += ms

    def do_fork(self, index: int) -> Replica | None:
        if len(self.replicas) == len(NAMES):
            return None
        parent = self.at(index)
        name = NAMES[len(self.replicas)]
        held = list(parent.held)
        child = Replica(name, parent.state.fork(name), parent.clock, dict(parent.seen), held)
        self.replicas.append(child)
        return child

    def do_reload(self, index: int) -> Replica | None:
        """A replica that is read back from its bytes, as after a restart: what it held back is gone."""
        replica = self.at(index)
        if not hasattr(self.subject.type, "from_bytes"):  # the models that mistakes are planted in have no bytes
            return None
        # Of what was overwritten the stamps are gone too; a clock that goes on hides the difference.
        replica.clock[0] = max(replica.clock[0], (self.stamp(replica) >> 16) + 1)
        clock = replica.clock
        data = replica.state.to_bytes()
        replica.state = self.subject.from_bytes(data, replica.name, clock=lambda: clock[0])
        replica.held.clear()
        return replica

    def arrive(self, target: Replica, packet: Packet) -> None:
        before = target.state.to_bytes()
        changes = self.receive(target, packet)
        reported = target.state.merge(packet.data)
        assert reported is (target.state.to_bytes() != before), "merge returns True if and only if the state changed"
        assert reported is changes, "a delta landed that should wait, or waits though its base is there"

    # -- checks ---------------------------------------------------------------------------------

    def check(self, replica: Replica) -> None:
        replica.state.check_invariants()
        expected = self.subject.value(self.visible(replica.seen))
        found = self.subject.view(replica.state)
        assert found == expected, f"{replica.name} reads {found}, the model says {expected}"
        assert (replica.state.pending == 0) == (not replica.held), "pending counts what is held back"
        for other in self.replicas:
            if other.seen == replica.seen:
                assert_equal_states(replica.state, other.state)

    def settle(self) -> World:
        """Everyone hears everything, then all states are one."""
        for _ in range(2):
            for source in range(len(self.replicas)):
                for target in range(len(self.replicas)):
                    self.do_sync(source, target, "delta")
        for replica in self.replicas:
            self.check(replica)
        return self


@dataclass
class Account:
    """What a command's effects are computed from: the writer and what it has seen so far."""

    world: World
    replica: Replica

    @property
    def writer(self) -> str:
        return self.replica.name

    @property
    def number(self) -> int:
        return len(self.world.history.get(self.replica.name, ())) + 1

    @property
    def ops(self) -> Ops:
        return self.world.visible(self.replica.seen)

    @property
    def purges(self) -> list[Seen]:
        return self.world.purges_in(self.replica.seen)


def assert_equal_states(a: Any, b: Any) -> None:
    """Convergence is one comparison: equal histories have equal bytes."""
    assert a.to_bytes() == b.to_bytes(), "the same history gives different bytes"
    assert a == b
    assert not a != b
    assert a.digest() == b.digest()
    assert a.version == b.version
