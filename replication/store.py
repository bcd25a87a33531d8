"""The agents in memory: loaded when asked for, marked when changed, let go when not touched lately.

Every agent in memory has a slot with its state and its lock; whoever holds the lock may use the
state. Invariants of a slot, true whenever its lock is free:

1. `stored` is the version that the storage holds, or is being given (`in_flight`).
2. If the state holds more than `stored`, the slot is `dirty` and queued for the next flush.
3. `state` is None exactly if the slot has left memory; then it is in no table, and whoever still
   has it asks again. Only a slot that is neither dirty nor in flight leaves.

Knows nothing of callers' promises, threads of its own, or time: the driver calls `collect`, writes
what it got, and calls `settled`.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from heapq import merge
from time import monotonic
from typing import Any

from crdt import Composite, DecodeError
from replication import arguments
from replication.access import Slot
from replication.config import Config
from replication.errors import Closed, CorruptStore, Timeout
from replication.operations import OperationTable
from replication.storage import Batch, Part, Storage

# What a row costs on disk beside its data: key, checksum, cell header.
_ROW_BYTES = 40
# What merging bytes comes to: it landed (0), it held nothing new (1), or it has to wait (2 and 3).
_NO_NEWS = 1


class Store:
    """All agents of a node. Thread-safe."""

    def __init__(self, schema: type[Composite], storage: Storage, config: Config, wake: Callable[[], None]) -> None:
        self.schema = schema
        self.slots: dict[str, Slot] = {}
        self.operations = OperationTable(storage.operations(), config.operations_max)
        self._updates_of_the_gone = 0
        self._storage = storage
        self._config = config
        self._writer = storage.identity.writer
        self._wake = wake
        self._dirty: deque[Slot] = deque()
        self._ring: deque[Slot] = deque()
        self._loading = threading.Lock()
        self._closed = False
        # Set by the node: waits until something is flushed, and raises when that takes too long.
        self.wait_for_flush: Callable[[], None]

    # Finding an agent

    def acquire(self, agent_id: str, timeout: float | None = None, create: bool = True) -> Slot | None:
        """The agent's slot with its lock held; None if it is unknown and not to be created.

        O(1) in memory, else one read of the storage. Timeout if the lock stays taken.
        """
        patience = arguments.seconds(timeout)
        while True:
            try:
                slot = self.slots.get(agent_id) or self._load(agent_id, create)
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
        return self.schema(self._writer)

    def __len__(self) -> int:
        return len(self.slots)

    def update_count(self) -> int:
        """Updates served since the store was opened. O(agents in memory)."""
        return self._updates_of_the_gone + sum(slot.updates for slot in list(self.slots.values()))

    def agents(self) -> Iterator[str]:
        """The ids of all agents that were ever changed, ascending, read as they are asked for."""
        fresh = sorted(slot.agent_id for slot in list(self.slots.values()) if _is_fresh(slot))
        last = None
        for agent_id in merge(self._storage.agents(), fresh):
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

    def deliver(self, agent_id: str, delta: bytes) -> bool:
        """Merge what came from elsewhere; whether it changed anything. DecodeError if it is not ours."""
        slot = self.acquire(agent_id)
        assert slot is not None
        try:
            changed = bool(slot.state.merge(delta))
            if changed and not slot.dirty:
                self.mark(slot)
            return changed
        finally:
            slot.release()

    # Flushing, by the driver alone

    @property
    def dirty_count(self) -> int:
        return len(self._dirty)

    def collect(self, batch: Batch, patience: float) -> tuple[list[Slot], set[Slot]]:
        """Put what changed into the batch: the slots taken, and those left for the next one.

        A slot whose lock is taken is passed over and asked again at the end, for `patience` seconds
        in all: one slow update_fn must not hold up the promises made to others.
        """
        taken: list[Slot] = []
        busy: list[Slot] = []
        size = 0
        for _ in range(len(self._dirty)):
            if size >= self._config.flush_bytes_max:
                break
            slot = self._dirty.popleft()
            if slot.acquire(0.0):
                size += self._take(slot, batch)
                taken.append(slot)
            else:
                busy.append(slot)
        left = set(self._dirty) if size >= self._config.flush_bytes_max else set()
        deadline = monotonic() + patience
        for slot in busy:
            if slot.acquire(max(0.0, deadline - monotonic())):
                self._take(slot, batch)
                taken.append(slot)
            else:
                self._dirty.append(slot)
                left.add(slot)
        batch.forgotten += self.operations.take_forgotten()
        return taken, left

    def _take(self, slot: Slot, batch: Batch) -> int:
        """Add one slot to the batch and release its lock; the bytes added."""
        try:
            state, config = slot.state, self._config
            version = state.version
            snapshot = (
                slot.delta_bytes > config.compaction_bytes_min + config.compaction_ratio * slot.snapshot_bytes
                or slot.delta_rows >= config.compaction_rows_max
                or slot.next_number == 0
            )
            data: bytes = state.to_bytes() if snapshot else state.delta(slot.stored)
            if data and version and version != slot.stored:
                batch.parts.append(Part(slot.agent_id, slot.next_number, data, snapshot))
                slot.next_number += 1
                slot.stored = version
                self._account(slot, len(data), snapshot)
            if slot.records:
                batch.operations += self.operations.take(slot.records)
                slot.records = None
            slot.dirty, slot.in_flight = False, True
            return len(data)
        finally:
            slot.release()

    def settled(self, taken: list[Slot]) -> None:
        """The batch is durable."""
        for slot in taken:
            slot.in_flight = False

    def _account(self, slot: Slot, size: int, snapshot: bool) -> None:
        if snapshot:
            slot.snapshot_bytes, slot.delta_bytes, slot.delta_rows = size + _ROW_BYTES, 0, 0
        else:
            slot.delta_bytes += size + _ROW_BYTES
            slot.delta_rows += 1

    # Coming and going

    def _load(self, agent_id: str, create: bool) -> Slot | None:
        arguments.agent_id(agent_id, self._config.agent_id_bytes_max)
        # Held while reading: a state read here and put into the table after another thread had
        # loaded, changed and let go of the same agent would be an old one.
        with self._loading:
            slot = self.slots.get(agent_id)
            if slot is not None:
                return slot
            if self._closed:
                raise Closed("the node is closed: open it again to use it")
            parts, next_number = self._storage.load(agent_id)
            if not parts and not create:
                return None
            self._make_room()
            slot = Slot(agent_id, self._decode(agent_id, parts), next_number)
            for position, part in enumerate(parts):
                self._account(slot, len(part), position == 0)
            if parts:
                slot.stored = slot.state.version
            self._ring.append(slot)
            self.slots[agent_id] = slot
            return slot

    def _decode(self, agent_id: str, parts: list[bytes]) -> Any:
        where = self._storage.path or "memory"
        try:
            if not parts:
                return self.schema(self._writer)
            state: Any = self.schema.from_bytes(parts[0], replica=self._writer)
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

    def _make_room(self) -> None:
        while len(self.slots) >= self._config.max_agents_in_memory:
            if not self._let_go():
                self.wait_for_flush()

    def _let_go(self) -> bool:
        """Let one agent leave that was not used since the last time round (second chance, "CLOCK")."""
        for _ in range(2 * len(self._ring)):
            slot = self._ring.popleft()
            if slot.used:
                slot.used = False
            elif self._leave(slot):
                return True
            self._ring.append(slot)
        return False

    def _leave(self, slot: Slot) -> bool:
        if slot.dirty or slot.in_flight or not slot.acquire(0.0):
            return False
        try:
            # What is held back was told by others and is not on disk: it waits here while the node is open.
            if slot.dirty or slot.in_flight or (slot.state.pending and not self._closed):
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
