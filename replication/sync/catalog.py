"""The agents as anti-entropy sees them: what of each is on this node's disk.

Fills the Catalog port of `comparison`. Reads slots' marks without their locks: only the runtime's
thread sets them, and only that thread asks here.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from random import Random

from crdt import VersionVector
from replication.errors import Timeout
from replication.storage import Storage
from replication.storage.buckets import BUCKETS, bucket_of
from replication.store import Store

_NOTHING = VersionVector()
# An agent is hot for so long after a change, and is compared all the same in so many of all cases.
_HOT_SECONDS = 0.5
_HOT_SHARE = 0.1
# Agents whose digests are kept in memory when they were read for a comparison: some megabytes.
_KEPT_MAX = 16384


class _Heads:
    """What some buckets hold: while agents change all the time, every comparison asks for the same ones."""

    def __init__(self) -> None:
        self._known = bytearray(BUCKETS)
        self._heads: dict[int, dict[str, bytes]] = {}
        self._order: list[int] = []  # of the buckets that hold any
        self._count = 0

    def covers(self, first: int, beyond: int) -> bool:
        return self._known.find(0, first, beyond) < 0

    def take(self, first: int, beyond: int, heads: Iterator[tuple[str, bytes]]) -> None:
        """Keep all that there is in these buckets; if that is too much with what is kept, that goes."""
        found: dict[int, dict[str, bytes]] = {}
        for agent_id, digest in heads:
            found.setdefault(bucket_of(agent_id), {})[agent_id] = digest
        count = sum(map(len, found.values()))
        if self._count + count > _KEPT_MAX:
            self._known, self._heads, self._order, self._count = bytearray(BUCKETS), {}, [], 0
        at = bisect_left(self._order, first), bisect_left(self._order, beyond)
        for bucket in self._order[slice(*at)]:
            self._count -= len(self._heads.pop(bucket))
        self._order[slice(*at)] = sorted(found)
        self._heads |= found
        self._count += count
        self._known[first:beyond] = b"\1" * (beyond - first)

    def heads(self, first: int, beyond: int) -> Iterator[tuple[str, bytes]]:
        """In order. Only for buckets that are covered."""
        order = self._order
        for bucket in order[bisect_left(order, first) : bisect_left(order, beyond)]:
            yield from sorted(self._heads[bucket].items())

    def change(self, agent_id: str, digest: bytes) -> None:
        """An agent has this digest now; b"" if it is not known."""
        bucket = bucket_of(agent_id)
        if not self._known[bucket]:
            return
        heads = self._heads.get(bucket)
        if heads is None:
            heads = self._heads[bucket] = {}
            insort(self._order, bucket)
        self._count += agent_id not in heads
        heads[agent_id] = digest
        if not digest:
            self._known[bucket] = 0


class StoreCatalog:
    """Looks agents up. `is_arriving` says whether a delta of an agent is on its way in chunks."""

    def __init__(
        self,
        store: Store,
        storage: Storage,
        is_arriving: Callable[[str], bool],
        now: Callable[[], float],
        random: Random,
    ) -> None:
        self._store = store
        self._storage = storage
        self._is_arriving = is_arriving
        self._now = now
        self._random = random
        self._kept = _Heads()

    def heads(self, first: int, beyond: int) -> Iterator[tuple[str, bytes]]:
        """The agents in a stretch of buckets with the digests of their stored states."""
        if not self._kept.covers(first, beyond):
            if self._storage.agent_count() * (beyond - first) > _KEPT_MAX // 4 * BUCKETS:
                return self._storage.heads(first, beyond)
            self._kept.take(first, beyond, self._storage.heads(first, beyond))
        return self._kept.heads(first, beyond)

    def changed(self, agent_ids: Iterable[str]) -> None:
        """To be called with all agents whose states on disk changed."""
        for agent_id in agent_ids:
            slot = self._store.slots.get(agent_id)
            self._kept.change(agent_id, b"" if slot is None or slot.in_flight else slot.digest)

    def digest(self, agent_id: str) -> bytes:
        """The digest of an agent's stored state; b"" if it is not stored."""
        slot = self._store.slots.get(agent_id)
        return self._storage.digest(agent_id) if slot is None else slot.digest

    def arriving(self, agent_id: str) -> bool:
        """Whether a delta is on its way in chunks, or the agent changed a moment ago and more is likely to come.

        An agent that changes all the time differs between any two nodes whenever they compare, though nothing is
        lost. Now and then it is let through all the same, for something may have been.
        """
        slot = self._store.slots.get(agent_id)
        is_hot = slot is not None and (slot.merged or self._now() - slot.changed_at < _HOT_SECONDS)
        return (is_hot and self._random.random() >= _HOT_SHARE) or self._is_arriving(agent_id)

    def holding(self, agent_id: str) -> tuple[VersionVector, bytes] | None:
        """How much of an agent is stored, and its digest; None while more is being written.

        O(1) in memory, else the agent is loaded.
        """
        slot = self._store.slots.get(agent_id)
        if slot is None:
            try:
                slot = self._store.acquire(agent_id, 0.0, create=False, flushing=True)
            except Timeout:
                return None
            if slot is None:
                return _NOTHING, b""
            slot.release()
        # What the disk is being given may be lost yet; what it had before, the slot does not know any more.
        if slot.in_flight:
            return None
        return slot.stored or _NOTHING, slot.digest
