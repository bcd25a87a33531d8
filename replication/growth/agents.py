"""What grows in the agents of this node: measured, told to others, and purged.

Fills the Growth port of `stability`. Used by the runtime's thread.
"""

from collections.abc import Iterable

from crdt import VersionVector
from replication.config import Config
from replication.consistency import CRDT_ENHANCED
from replication.errors import Closed, CorruptStore, Timeout
from replication.growth.stability import Decide
from replication.identity import node_of
from replication.messages import Standing
from replication.slot import Slot
from replication.store import Store
from replication.strong.entries import is_of_a_group
from replication.ticket import Ticket


class StoreGrowth:
    """`note` is to be called with the agents whose states on disk changed."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._max = config.purge_queue_max
        self._changed: dict[str, None] = {}

    def note(self, agent_ids: Iterable[str]) -> None:
        """About 50 nanoseconds each."""
        self._changed.update(dict.fromkeys(agent_ids))
        while len(self._changed) > self._max:
            del self._changed[next(iter(self._changed))]

    def take_changed(self) -> list[str]:
        # A node without a disk and without others writes nothing, and hears of no change.
        self.note(self._store.changes.dirty_agents())
        changed, self._changed = list(self._changed), {}
        return changed

    def excess(self, agent_id: str, gone: frozenset[str]) -> int | None:
        """Entries that would go, and names beyond one for each node that is not gone.

        O(rows of tables with deletions).
        """
        slot = self._acquire(agent_id)
        if slot is None:
            return None
        try:
            version = slot.state.version
            if any(map(is_of_a_group, version)):
                return 0  # an entry of the log may be under way that was made without knowing of a purge
            nodes = {node_of(writer) for writer in version}
            entries: int = slot.state._purgeable(version)
            return entries + len(version) - len(nodes - gone)
        finally:
            slot.release()

    def held(self, agent_id: str) -> tuple[VersionVector, VersionVector] | None:
        """The version in memory, and the cut, without retired writers; None if they are not known at this moment."""
        slot = self._acquire(agent_id)
        if slot is None:
            return None
        try:
            state = slot.state
            return _without(state.version, state._retired), _without(state._cut, state._retired)
        finally:
            slot.release()

    def standing(self, agent_id: str) -> Standing | None:
        try:
            slot = self._store.acquire(agent_id, 0.0, create=False, flushing=True)
        except CorruptStore:
            raise
        except (Timeout, Closed, ValueError):
            return None
        if slot is None:
            return Standing(agent_id, self._store.writers.of(agent_id), b"", b"")
        try:
            if slot.in_flight:  # what is being written may yet be lost
                return None
            stored, held = slot.stored, slot.state.version
            if stored is None and slot.next_number:
                return None  # all of it is about to be replaced
            packed = b"" if stored is None else stored.to_bytes()
            return Standing(agent_id, slot.state.replica, packed, b"" if held == stored else held.to_bytes())
        finally:
            slot.release()

    def purge(self, agent_id: str, decide: Decide, carried: bool) -> bool | None:
        slot = self._acquire(agent_id)
        if slot is None:
            return None
        try:
            if slot.in_flight:
                return None
            before = slot.state.version
            purge = decide(slot.state.replica, before, before if slot.stored is None else slot.stored)
            if purge is None or slot.state._is_retired:
                return None
            if not slot.state._purge(*purge):
                # What the cut does not cover yet, it may at the next look.
                return False if purge.cut == before else None
            if carried:
                self._store.changes.carry(slot, Ticket(set(), lambda _: None, None, CRDT_ENHANCED.rank))
            elif not slot.dirty:
                self._store.changes.mark(slot)
            return True
        finally:
            slot.release()

    def _acquire(self, agent_id: str) -> Slot | None:
        """The agent with its lock held; None if it is busy or unknown, or no agent can have this id."""
        try:
            return self._store.acquire(agent_id, 0.0, create=False, flushing=True)
        except CorruptStore:
            raise
        except (Timeout, Closed, ValueError):
            return None


def _without(version: VersionVector, writers: VersionVector) -> VersionVector:
    return VersionVector({each: count for each, count in version.items() if each not in writers})
