"""The agents in memory: loaded when asked for, marked when changed, let go when not touched lately.

Every agent in memory has a slot with its state and its lock; whoever holds the lock may use the
state. Invariants of a slot, true whenever its lock is free:

1. `stored` and `digest` are the version and the digest of the state that the storage holds, or is
   being given (`in_flight`).
2. If the state holds more than `stored`, the slot is `dirty` and queued for the next flush.
3. `state` is None exactly if the slot has left memory; then it is in no table, and whoever still
   has it asks again. Only a slot that is neither dirty nor in flight leaves.

4. What the slot's own writer did up to `told` of its count was told to other nodes.

Knows nothing of callers' promises, threads of its own, or time: the driver calls `collect`, writes
what it got, and calls `settled`.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from heapq import merge
from time import monotonic
from typing import Any

from crdt import Composite, DecodeError, VersionVector
from replication import arguments
from replication.access import Slot
from replication.config import Config
from replication.core import Change, Tell, Told
from replication.errors import Closed, CorruptStore, Timeout
from replication.identity import Writers
from replication.operations import OperationTable
from replication.storage import Batch, Part, Storage
from replication.storage.buckets import key_of
from replication.summary import Summary
from replication.ticket import Ticket

# What a row costs on disk beside its data: key, checksum, cell header.
_ROW_BYTES = 40
# What merging bytes comes to: it landed (0), it held nothing new (1), or it has to wait (2 and 3).
_NO_NEWS = 1


class Round:
    """What one flush took out of the store.

    taken    the slots that are being written, with the digests the disk had of them before
    left     slots that could not be taken: whoever waits for them waits for the next flush
    changes  what own updates in a carried mode did, to be told to others once it is durable
    told     the deltas that cores had wished for
    unmet    wishes for agents that could not be taken
    """

    def __init__(self) -> None:
        self.taken: list[tuple[Slot, bytes]] = []
        self.left: set[Slot] = set()
        self.changes: list[Change] = []
        self.told: list[Told] = []
        self.unmet: list[Tell] = []


class Store:
    """All agents of a node. Thread-safe."""

    def __init__(
        self,
        schema: type[Composite],
        storage: Storage,
        config: Config,
        wake: Callable[[], None],
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.schema = schema
        self.slots: dict[str, Slot] = {}
        self.operations = OperationTable(storage.operations(), config.operations_max)
        self.summary = Summary(storage.sums())
        self._updates_of_the_gone = 0
        self._storage = storage
        self._config = config
        self.writers = Writers(storage.identity)
        self._options: dict[str, Any] = {} if clock is None else {"clock": clock}
        self._wake = wake
        self._dirty: deque[Slot] = deque()
        self._ring: deque[Slot] = deque()
        self._loading = threading.Lock()
        self._closed = False
        # Set by the node: waits until something is flushed, and raises when that takes too long.
        self.wait_for_flush: Callable[[], None]

    # Finding an agent

    def acquire(
        self, agent_id: str, timeout: float | None = None, create: bool = True, *, flushing: bool = False
    ) -> Slot | None:
        """The agent's slot with its lock held; None if it is unknown and not to be created.

        O(1) in memory, else one read of the storage. Timeout if the lock stays taken. `flushing`: the
        caller is who flushes, and must not wait for a flush to make room.
        """
        patience = arguments.seconds(timeout)
        while True:
            try:
                slot = self.slots.get(agent_id) or self._load(agent_id, create, flushing)
            except TypeError:  # unhashable, or not a str
                arguments.agent_id(agent_id, self._config.agent_id_bytes_max)
                raise
            if slot is None:
                return None
            if not slot.acquire(patience):
                raise Timeout(
                    f"agent {agent_id!r} was busy for {timeout} s with another update: nothing was applied; "
                    "give more time, or make the other update_fn shorter"
                )
            if slot.state is not None:
                slot.used = True
                return slot
            slot.release()

    def fetch(self, agent_id: str, create: bool = True) -> bool:
        """Load an agent into memory, where it may stay or not; False if it is unknown and not to be created."""
        return self._load(agent_id, create, False) is not None

    def acquire_now(self, agent_id: str) -> Slot | None:
        """The agent's slot with its lock held, if it is in memory and free; never waits."""
        slot = self.slots.get(agent_id) if isinstance(agent_id, str) else None
        if slot is None or not slot.acquire(0.0):
            return None
        if slot.state is not None:
            slot.used = True
            return slot
        slot.release()
        return None

    def empty(self) -> Any:
        """A new state, as an unknown agent has it."""
        return self.schema(self.writers.default, **self._options)

    def __len__(self) -> int:
        return len(self.slots)

    def update_count(self) -> int:
        """Updates served since the store was opened. O(agents in memory)."""
        return self._updates_of_the_gone + sum(slot.updates for slot in list(self.slots.values()))

    def agents(self) -> Iterator[str]:
        """The ids of all agents that were ever changed, each once, in the order of the storage; read as asked for."""
        fresh = sorted((slot.agent_id for slot in list(self.slots.values()) if _is_fresh(slot)), key=key_of)
        last = None
        for agent_id in merge(self._storage.agents(), fresh, key=key_of):
            if agent_id != last:
                yield agent_id
            last = agent_id

    # Changing it

    def mark(self, slot: Slot) -> None:
        """Note that the slot's state holds more than the storage. The caller holds its lock."""
        slot.dirty = True
        self._dirty.append(slot)
        self._wake()

    def remember(self, slot: Slot, op_id: str, data: bytes) -> None:
        """Record an operation; it goes to disk together with what it changed. The caller holds the lock."""
        slot.records = [*(slot.records or ()), self.operations.add(op_id, data)]
        if not slot.dirty:
            self.mark(slot)

    def carry(self, slot: Slot, ticket: Ticket) -> None:
        """Have what the slot holds told to others by the next flush, in the ticket's mode. The caller has its lock."""
        slot.mode = max(slot.mode, ticket.mode)
        slot.tickets = [*(slot.tickets or ()), ticket]
        if not slot.dirty:
            self.mark(slot)

    # Flushing, by the driver alone

    @property
    def dirty_count(self) -> int:
        return len(self._dirty)

    def dirty_agents(self) -> list[str]:
        """The agents that hold more than the storage."""
        return [slot.agent_id for slot in list(self._dirty)]

    def take_tickets(self) -> list[Ticket]:
        """The callers whose promise no flush has begun to keep, and none will."""
        found: list[Ticket] = []
        for slot in list(self.slots.values()):
            tickets, slot.tickets = slot.tickets, None
            found += tickets or ()
        return found

    def collect(self, round: Round, batch: Batch, patience: float, wishes: dict[str, list[Tell]]) -> None:
        """Put what changed into the batch, and make the deltas wished for, by agent; `round` says what was taken.

        A slot whose lock is taken is passed over and asked again at the end, for `patience` seconds
        in all: one slow update_fn must not hold up the promises made to others.
        """
        busy: list[Slot] = []
        size = 0
        for _ in range(len(self._dirty)):
            if size >= self._config.flush_bytes_max:
                break
            slot = self._dirty.popleft()
            if slot.acquire(0.0):
                size += self._take(slot, batch, round, wishes)
            else:
                busy.append(slot)
        if size >= self._config.flush_bytes_max:
            round.left.update(self._dirty)
        deadline = monotonic() + patience
        for slot in busy:
            if slot.acquire(max(0.0, deadline - monotonic())):
                self._take(slot, batch, round, wishes)
            else:
                self._dirty.append(slot)
                round.left.add(slot)
        for agent_id, tells in wishes.items():
            self._tell_clean(agent_id, tells, round)
        batch.forgotten += self.operations.take_forgotten()

    def _take(self, slot: Slot, batch: Batch, round: Round, wishes: dict[str, list[Tell]]) -> int:
        """Add one slot to the batch and release its lock; the bytes added."""
        try:
            state, config = slot.state, self._config
            version = state.version
            stored = slot.stored
            before = slot.digest
            snapshot = (
                slot.delta_bytes > config.compaction_bytes_min + config.compaction_ratio * slot.snapshot_bytes
                or slot.delta_rows >= config.compaction_rows_max
                or stored is None  # nothing is there, or what is there is of no use any more
            )
            data: bytes = state.to_bytes() if snapshot else state.delta(stored)
            if data and version and version != stored:
                slot.digest = state.digest()
                batch.parts.append(Part(slot.agent_id, slot.next_number, data, snapshot, slot.digest))
                slot.next_number += 1
                slot.stored = version
                self._account(slot, len(data), snapshot)
            if slot.records:
                batch.operations += self.operations.take(slot.records)
                slot.records = None
            if slot.tickets is not None:
                round.changes.append(self._change(slot, version, stored, b"" if snapshot else data))
            for tell in wishes.pop(slot.agent_id, ()):
                round.told.append(Told(tell, state.delta(tell.since), version))
            slot.dirty, slot.in_flight, slot.merged = False, True, False
            round.taken.append((slot, before))
            return len(data)
        finally:
            slot.release()

    def _change(self, slot: Slot, version: VersionVector, stored: VersionVector | None, written: bytes) -> Change:
        """What the own writer did since others were told; reuses the bytes written to disk if they are just that."""
        writer = slot.state.replica
        count = version.get(writer, 0)
        base, delta = version, b""
        if count > slot.told:
            if written and stored is not None and not slot.merged and stored.get(writer, 0) == slot.told:
                base, delta = stored, written
            else:
                base = VersionVector({**version, writer: slot.told})
                delta = slot.state.delta(base)
        change = Change(slot.agent_id, slot.mode, delta, base, version, count, tuple(slot.tickets or ()))
        slot.told, slot.mode, slot.tickets = count, 0, None
        return change

    def _tell_clean(self, agent_id: str, tells: list[Tell], round: Round) -> None:
        """Make deltas of an agent of which the disk holds everything; later if that is not so at this moment."""
        try:
            slot = self.acquire(agent_id, 0.0, create=False, flushing=True)
        except Timeout:
            round.unmet += tells
            return
        except Closed:  # this node is saying farewell: the peer finds what it lacks when it compares
            return
        if slot is None:
            return
        try:
            if slot.dirty:
                round.unmet += tells
            else:
                version = slot.state.version
                round.told += [Told(tell, slot.state.delta(tell.since), version) for tell in tells]
        finally:
            slot.release()

    def settled(self, round: Round, now: float) -> None:
        """The batch is durable."""
        for slot, before in round.taken:
            slot.in_flight = False
            slot.changed_at = now
            if slot.digest != before:
                self.summary.change(slot.agent_id, before, slot.digest)

    def _account(self, slot: Slot, size: int, snapshot: bool) -> None:
        if snapshot:
            slot.snapshot_bytes, slot.delta_bytes, slot.delta_rows = size + _ROW_BYTES, 0, 0
        else:
            slot.delta_bytes += size + _ROW_BYTES
            slot.delta_rows += 1

    # Coming and going

    def _load(self, agent_id: str, create: bool, flushing: bool) -> Slot | None:
        arguments.agent_id(agent_id, self._config.agent_id_bytes_max)
        # Held while reading: a state read here and put into the table after another thread had
        # loaded, changed and let go of the same agent would be an old one.
        with self._loading:
            slot = self.slots.get(agent_id)
            if slot is not None:
                return slot
            if self._closed:
                raise Closed("the node is closed: open it again to use it")
            parts, next_number, digest = self._storage.load(agent_id)
            if not parts and not create:
                return None
            self._make_room(flushing)
            state = self._decode(agent_id, parts)
            slot = Slot(agent_id, state, next_number)
            slot.digest = digest
            for position, part in enumerate(parts):
                self._account(slot, len(part), position == 0)
            if parts:
                slot.stored = slot.state.version
                slot.told = slot.stored.get(state.replica, 0)
            self._ring.append(slot)
            self.slots[agent_id] = slot
            return slot

    def _decode(self, agent_id: str, parts: list[bytes]) -> Any:
        where = self._storage.path or "memory"
        try:
            if not parts:
                return self.schema(self.writers.of(agent_id), **self._options)
            state: Any = self.schema.from_bytes(parts[0], replica=self.writers.of(agent_id), **self._options)
            for number, part in enumerate(parts[1:], 1):
                # Without minding drift: the clock may have been set back since this was written here.
                if state._merge_bytes(part, False) > _NO_NEWS:
                    raise CorruptStore(
                        f"agent {agent_id!r} in {where} lacks what its part {number} builds on: its parts are whole, "
                        "but not all of them are there. Restore a backup, or re-sync this node from its peers",
                        path=self._storage.path,
                    )
        except DecodeError as error:
            raise CorruptStore(
                f"agent {agent_id!r} in {where} cannot be decoded as {self.schema.__name__}: {error}. "
                "The bytes are as they were written: open the store with the schema that wrote them",
                path=self._storage.path,
                offset=error.offset,
            ) from error
        return state

    def _make_room(self, flushing: bool) -> None:
        while len(self.slots) >= self._config.max_agents_in_memory:
            # Rather than wait for ever, forget what waits for its base: whoever told it will tell it again.
            if not self._let_go() and not self._let_go(with_waiting=True):
                if flushing:
                    return  # one too many for a moment is better than waiting for oneself
                self.wait_for_flush()

    def _let_go(self, with_waiting: bool = False) -> bool:
        """Let one agent leave that was not used since the last time round (second chance, "CLOCK")."""
        for _ in range(2 * len(self._ring)):
            slot = self._ring.popleft()
            if slot.used:
                slot.used = False
            elif self._leave(slot, with_waiting):
                return True
            self._ring.append(slot)
        return False

    def _leave(self, slot: Slot, with_waiting: bool = False) -> bool:
        if slot.dirty or slot.in_flight or not slot.acquire(0.0):
            return False
        try:
            # What is held back was told by others and is not on disk: it waits here while there is room.
            if slot.dirty or slot.in_flight or (slot.state._is_waiting and not with_waiting and not self._closed):
                return False
            slot.state = None
            self._updates_of_the_gone += slot.updates
            del self.slots[slot.agent_id]
            return True
        finally:
            slot.release()

    def close(self) -> bool:
        """Let all agents leave for good; False as long as one is busy or not flushed."""
        with self._loading:
            self._closed = True
            waiting = [slot for slot in self._ring if not self._leave(slot)]
            self._ring = deque(waiting)
            return not waiting


def _is_fresh(slot: Slot) -> bool:
    """Whether it holds changes of which the storage may not have any yet."""
    state = slot.state
    return state is not None and slot.next_number <= 1 and (slot.dirty or slot.in_flight) and bool(state.version)
