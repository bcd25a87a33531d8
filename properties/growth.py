"""Histories with purges: a `World` whose replicas purge where the cut is causally stable.

The harness stands for the node above: it remembers what every replica held after every step, and lets
a replica purge only at a cut that all hold, and only when it holds whatever any of them wrote before
holding that cut. A purge is an operation that means nothing: the models never hear of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from crdt.repair import Sketch, entries, repair

from .models import Op
from .strategies import Step, replica_indexes
from .subjects import Subject
from .world import Replica, Seen, World, covers, meet

KEY = bytes(range(16))


class GrowthWorld(World):
    """`eager`: the cut is believed to be stable as soon as the purger holds it. A mistake to be found."""

    def __init__(self, subject: Subject, count: int = 2, *, eager: bool = False) -> None:
        super().__init__(subject, count)
        self.eager = eager
        self.purges = 0
        self.held: dict[str, list[Seen]] = {}
        self.remember()

    def visible(self, seen: Seen) -> list[Op]:
        return [op for op in super().visible(seen) if op.name != "purge"]

    def purges_in(self, seen: Seen) -> list[Seen]:
        return [dict(op.seen) for op in super().visible(seen) if op.name == "purge"]

    def step(self, name: str, *args: Any) -> Iterator[Replica]:
        changed = list(super().step(name, *args))
        self.remember()
        yield from changed

    def remember(self) -> None:
        for replica in self.replicas:
            versions = self.held.setdefault(replica.name, [])
            version = dict(replica.state.version)
            if not versions or versions[-1] != version:
                versions.append(version)

    def stable_cut(self, purger: Replica) -> Seen:
        """The cut that all hold, or nothing while the purger may lack what was written without it."""
        mine = dict(purger.state.version)
        if self.eager:
            return mine
        cut = mine
        for replica in self.replicas:
            cut = meet(cut, dict(replica.state.version))
        for replica in self.replicas:
            first = next(version for version in self.held[replica.name] if covers(version, cut))
            if first.get(replica.name, 0) > mine.get(replica.name, 0):
                return {}
        return cut

    def do_purge(self, index: int) -> Replica | None:
        replica = self.at(index)
        cut = self.stable_cut(replica)
        count = replica.state._purgeable(cut)
        # Of sequences, condemning what is deleted counts, too, which goes before any cut.
        has_sequences = any(word in self.subject.name for word in ("Text", "List", "Everything"))
        for nothing in () if has_sequences else ({}, replica.state._cut):
            assert replica.state._purgeable(nothing) == 0, "what is above the cut is not purged"
        before = replica.state.to_bytes()
        purged = replica.state._purge(cut)
        assert purged is (count > 0) is (replica.state.to_bytes() != before)
        assert replica.state._purge(cut) is False, "what is gone is not purged again"
        if purged:
            self.purges += 1
            self.record(replica, "purge", (), False)
        return replica

    def repair(self, source: Replica, target: Replica) -> None:
        """Of two replicas that hold the same events no entry differs, and to exchange them all changes nothing."""
        if source.state.version != target.state.version:
            return
        assert Sketch(source.state, KEY).difference(Sketch(target.state, KEY).symbols(0, 4)) == ([], [])
        assert repair(target.state, entries(source.state, KEY, None)) is False

    def do_hear(self, index: int) -> Replica | None:
        """Everyone hears from one replica, which hears from everyone."""
        for other in range(len(self.replicas)):
            self.do_sync(other, index, "delta")
            self.remember()
        for other in range(len(self.replicas)):
            self.do_sync(index, other, "delta")
            self.remember()
            self.repair(self.at(index), self.at(other))
        return self.at(index)


def histories(subject: Subject) -> st.SearchStrategy[list[Step]]:
    """The subject's histories with purges between their scenes."""
    purge = st.tuples(st.just("purge"), replica_indexes)
    hear = st.tuples(st.just("hear"), replica_indexes)
    between = st.lists(st.one_of(purge, purge, hear), max_size=3)
    scenes = st.lists(st.tuples(subject.histories(), between), max_size=4)
    return scenes.map(lambda parts: [step for scene, rest in parts for step in [*scene, *rest]])
