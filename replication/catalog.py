"""The agents as anti-entropy sees them: what of each is on this node's disk.

Fills the Catalog port of `comparison`. Reads slots' marks without their locks: only the runtime's
thread sets them, and only that thread asks here.
"""

from collections.abc import Callable, Iterator
from random import Random

from crdt import VersionVector
from replication.errors import Timeout
from replication.storage import Storage
from replication.store import Store

_NOTHING = VersionVector()
# An agent is hot for so long after a change, and is compared all the same in so many of all cases.
_HOT_SECONDS = 0.5
_HOT_SHARE = 0.1


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

    def heads(self, first: int, beyond: int) -> Iterator[tuple[str, bytes]]:
        """The agents in a stretch of buckets with the digests of their stored states."""
        return self._storage.heads(first, beyond)

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
