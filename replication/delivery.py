"""What came from other nodes, on its way into the store.

Never waits: an agent whose update_fn is running right now gets its deltas a moment later. Merges
bytes that were told by others, so everything about them is checked, and what has to wait for what
it builds on is bounded: beyond that it is dropped, and anti-entropy brings it again.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, cast

from crdt import DecodeError, VersionVector
from replication.changes import BEHIND, LANDED, NO_NEWS, OUTCOMES, RETIRED
from replication.config import Config
from replication.consistency import REPLICATED
from replication.core import Delivery
from replication.errors import Closed, CorruptStore, Timeout
from replication.growth.promises import Promises
from replication.operations import decode_result
from replication.result import Change
from replication.slot import Slot
from replication.storage import Operation
from replication.store import Store, is_unwritten
from replication.watch import Watch, Watchers

if TYPE_CHECKING:
    from replication.messages import Item


class Meeting(Protocol):
    """Brings together what cannot be merged. Called with the slot's lock held."""

    def meet(self, slot: Slot, peer: str, data: bytes, is_behind: bool) -> bool:
        """These bytes of a peer were refused. Whether the slot's state was rebased, and now has all of them."""

    def adopt(self, slot: Slot, origin: str, parts: list[bytes]) -> bool:
        """As `meet`, for an agent as it lies on a disk that is about to be emptied."""

    def rename(self, slot: Slot) -> None:
        """The writer of the slot's state has been retired: go on under another."""


class Deliveries:
    """Merges deltas into the store and tells watchers. Used by the runtime's thread."""

    # What to do about "retired" and "behind"; without, they are only reported.
    meeting: Meeting | None = None
    # Whom to refuse until they know more; without, nobody.
    promises: Promises | None = None

    def __init__(self, store: Store, watchers: Watchers, config: Config) -> None:
        self._store = store
        self._watchers = watchers
        self._held_back_max = config.held_back_bytes_max
        self.counts = dict.fromkeys(("landed", "known", "waiting", "refused", "retired", "behind"), 0)

    def deliver(self, delivery: Delivery, outcomes: list[str | None], unwritten: set[Slot]) -> bool:
        """Merge the items that have no outcome yet; False if one is left, whose agent is busy: call again in a moment.

        `unwritten` gets the agents of which the disk does not have everything yet. CorruptStore if this node's own
        bytes cannot be read.
        """
        if self.promises and not delivery.is_ordered:
            self._hold_up(delivery, outcomes, self.promises)
        watching = self._watchers.matching if self._watchers else None
        held_back_max = None if delivery.is_ordered else self._held_back_max
        self._store.changes.land(delivery.items, outcomes, unwritten, held_back_max, watching)
        if None in outcomes:
            for place, item in enumerate(delivery.items):
                if outcomes[place] is None:
                    outcomes[place] = self._deliver_one(delivery, item, unwritten)
                    if delivery.is_ordered and outcomes[place] is None:
                        break
            if None in outcomes:
                return False
        self._count(outcomes)
        return True

    def give_up(self, outcomes: list[str | None]) -> None:
        """Drop what has no outcome yet."""
        outcomes[:] = [outcome or "waiting" for outcome in outcomes]
        self._count(outcomes)

    def _count(self, outcomes: list[str | None]) -> None:
        for outcome in dict.fromkeys(cast("list[str]", outcomes)):
            self.counts[outcome] += outcomes.count(outcome)

    def _hold_up(self, delivery: Delivery, outcomes: list[str | None], promises: Promises) -> None:
        """Let what this node has promised to take later come later."""
        for place, item in enumerate(delivery.items):
            if (
                item.delta
                and outcomes[place] is None
                and not promises.lets_in(delivery.peer, item.agent_id, item.delta)
            ):
                outcomes[place] = "waiting"

    def _deliver_one(self, delivery: Delivery, item: "Item", unwritten: set[Slot]) -> str | None:
        """The outcome for one item, by the way that is for all cases; None if its agent is busy."""
        slot = self._store.acquire_now(item.agent_id)
        if slot is None and item.agent_id in self._store.slots:
            return None
        try:
            slot = slot or self._store.acquire(item.agent_id, 0.0, create=bool(item.delta), flushing=True)
        except Timeout:
            return None
        except CorruptStore:
            raise
        except ValueError:  # no agent can have this id
            return "refused"
        except Closed:  # this node is saying farewell: the peer finds what it could not tell, and the log waits for it
            return None if delivery.is_ordered else "waiting"
        if slot is None:
            return "waiting"
        try:
            outcome = self._merge(slot, delivery, item.delta) if item.delta else _question(slot, item.version)
            if outcome == "landed":
                self._store.changes.mark_merged(slot)
            if is_unwritten(slot):
                unwritten.add(slot)
            return outcome
        finally:
            slot.release()

    def _merge(self, slot: Slot, delivery: Delivery, delta: bytes) -> str:
        peer = delivery.peer
        watches = self._watchers.matching(slot.agent_id) if self._watchers else ()
        before = slot.state.value if watches else {}
        try:
            landing: int
            if delivery.is_ordered:
                landing = slot.state._land(delta, False)
                slot.state._land_held_back()
            else:
                landing = slot.state._deliver(delta, self._held_back_max)
        except (DecodeError, TypeError, OverflowError):
            return "refused"
        if landing >= RETIRED and self.meeting is not None:
            try:
                if self.meeting.meet(slot, peer, delta, landing == BEHIND):
                    landing = LANDED
            except (DecodeError, TypeError, OverflowError):
                return "refused"
        if landing <= NO_NEWS and slot.state._is_retired and self.meeting is not None:
            self.meeting.rename(slot)
        if watches and landing == LANDED:
            _tell(watches, slot, before, peer, REPLICATED.word if delivery.is_ordered else None)
        return OUTCOMES[landing]

    def treat(self, agent_id: str, peer: str, act: Callable[[Any], None]) -> bool:
        """Do a step of a repair on the state of an agent, or on None if it is unknown; whether now is the time.

        It is not while somebody uses the agent, or its disk does not have all of it: nothing may leave this node that
        a crash could take back. What `act` changed is written whole, since the version does not tell of it.
        """
        try:
            slot = self._store.acquire(agent_id, 0.0, create=False, flushing=True)
        except Timeout:
            return False
        except CorruptStore:
            raise
        except (Closed, ValueError):  # this node is saying farewell, or no agent can have this id
            slot = None
        if slot is None:
            act(None)
            return True
        try:
            if is_unwritten(slot):
                return False
            watches = self._watchers.matching(agent_id) if self._watchers else ()
            before = slot.state.value if watches else {}
            act(slot.state)
            # Also when nothing was changed: the disk may tell another digest of it than it has.
            if slot.state.digest() != slot.digest:
                slot.repaired = True
                self._store.changes.mark(slot)
                if watches:
                    _tell(watches, slot, before, peer)
            return True
        finally:
            slot.release()

    def take_in(self, agent_id: str, parts: Iterable[bytes], origin: str, is_last: bool = False) -> Slot | None:
        """Merge an agent as it lies on a disk beside this one; the agent, if the own disk lacks anything of it now.

        From any other thread than the runtime's: waits for the agent. CRDTError if it is of no schema. `is_last`: that
        disk is about to be emptied, so what cannot be merged is rebased.
        """
        slot = self._store.acquire(agent_id)
        assert slot is not None
        try:
            watches = self._watchers.matching(agent_id) if self._watchers else ()
            before = slot.state.value if watches else {}
            parts = list(parts)
            for part in parts:
                # Without minding drift: what is on a disk here has been taken for true before.
                landing = slot.state._land(part, False)
                if landing in (RETIRED, BEHIND):
                    self.counts[OUTCOMES[landing]] += 1
                    if is_last and self.meeting is not None:
                        self.meeting.adopt(slot, origin, parts)
                    break  # the two cannot meet: one has purged what the other was written without
                if landing > NO_NEWS:
                    raise CorruptStore(f"agent {agent_id!r} lacks what one of its parts builds on", path=None)
                if landing == LANDED:
                    slot.merged = True
                    if not slot.dirty:
                        self._store.changes.mark(slot)
            slot.state._land_held_back()
            if watches:
                _tell(watches, slot, before, origin)
            return slot if is_unwritten(slot) else None
        finally:
            slot.release()

    def take_in_operation(self, operation: Operation) -> Slot | None:
        """Remember what a store beside this one remembers; the agent, if the own disk does not yet. As `take_in`."""
        slot = self._store.acquire(decode_result(operation.data)[0])
        assert slot is not None
        try:
            if self._store.operations.lacks(operation):
                self._store.changes.remember(slot, operation.op_id, operation.data, operation.number)
            return slot if is_unwritten(slot) else None
        finally:
            slot.release()


def _question(slot: Slot, version: bytes) -> str:
    try:
        return "known" if VersionVector.from_bytes(version) <= slot.state.version else "waiting"
    except DecodeError:
        return "refused"


def _differs(one: Any, other: Any) -> bool:
    """1, 1.0 and True are three values, and nan is one."""
    return type(one) is not type(other) or (one != other and not (one != one and other != other))


def _tell(
    watches: tuple[Watch, ...], slot: Slot, before: dict[str, Any], peer: str, consistency: str | None = None
) -> None:
    """Put what a merge changed into these streams; `peer` is who told, who made it stands in the version."""
    after = slot.state.value
    version = slot.state.version
    for field, value in after.items():
        if _differs(value, before.get(field)):
            change = Change(slot.agent_id, field, before.get(field), value, peer, consistency, version)
            for watch in watches:
                watch.put(change)
