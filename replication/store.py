"""The agents in memory: loaded when asked for, marked when changed, let go when not touched lately.

Every agent in memory has a slot with its state and its lock; whoever holds the lock may use the
state. Invariants of a slot, true whenever its lock is free:

1. `stored` and `digest` are the version and the digest of the state that the storage holds, or is
   being given (`in_flight`).
2. If the state holds more than `stored`, or is another at that version (`repaired`), the slot is `dirty` and
   queued for the next flush, or it is `merged`, what it holds beyond that came from others, and it is
   queued for one that comes later.
3. `state` is None exactly if the slot has left memory; then it is in no table, and whoever still
   has it asks again. Only a slot that is none of dirty, merged and in flight
   leaves.

4. What the slot's own writer did up to `told` of its count was told to other nodes.

What has changed, and what a flush takes of it, is in `changes`. Knows nothing of callers' promises,
threads of its own, or time.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from heapq import merge
from typing import Any

from crdt import Composite, DecodeError
from replication import arguments
from replication.changes import NO_NEWS, Changes, account
from replication.config import Config
from replication.errors import Closed, CorruptStore, Timeout
from replication.identity import Writers
from replication.operations import OperationTable
from replication.slot import Held, Slot
from replication.storage import Loaded, Storage
from replication.storage.buckets import key_of
from replication.sync.summary import Summary


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
        self.operations = OperationTable(storage.operations(), config.operations_max, clock)
        self.summary = Summary(storage.sums())
        self._updates_of_the_gone = 0
        self._storage = storage
        self._config = config
        self.writers = Writers(storage.identity)
        self._options: dict[str, Any] = {} if clock is None else {"clock": clock}
        self.changes = Changes(config, self.operations, self.summary, self.slots, self.acquire, wake)
        self._ring: deque[Slot] = deque()
        self._loading = threading.Lock()
        self._closed = False
        # Set by the node: waits until agents may leave, and raises when that takes too long; see `room`.
        self.wait_for_room: Callable[[float | None], float]

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
            slot = self.find(agent_id, create, flushing=flushing)
            if slot is None:
                return None
            if not slot.acquire(patience):
                raise busy(agent_id, timeout)
            if slot.state is not None:
                slot.used = True
                return slot
            slot.release()

    def find(self, agent_id: str, create: bool = True, *, flushing: bool = False) -> Slot | None:
        """The agent's slot, from the disk if need be; None if it is unknown and not to be created."""
        try:
            return self.slots.get(agent_id) or self._load(agent_id, create, flushing)
        except TypeError:  # unhashable, or not a str
            arguments.agent_id(agent_id, self._config.agent_id_bytes_max)
            raise

    def is_in_memory(self, agent_id: str) -> bool:
        """Whether it is there just now; TypeError or ValueError for what names no agent."""
        if isinstance(agent_id, str) and agent_id in self.slots:
            return True
        arguments.agent_id(agent_id, self._config.agent_id_bytes_max)
        return False

    def fetch(self, agent_id: str, create: bool = True) -> bool:
        """Load an agent into memory, where it may stay or not; False if it is unknown and not to be created."""
        return self.find(agent_id, create) is not None

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

    # Coming and going

    def _load(self, agent_id: str, create: bool, flushing: bool) -> Slot | None:
        arguments.agent_id(agent_id, self._config.agent_id_bytes_max)
        agent_id = arguments.plain_id(agent_id)
        until: float | None = None
        while True:
            # Held while reading: a state read here and put into the table after another thread had
            # loaded, changed and let go of the same agent would be an old one.
            with self._loading:
                slot = self.slots.get(agent_id)
                if slot is not None:
                    return slot
                if self._closed:
                    raise Closed("the node is closed: open it again to use it")
                loaded = self._storage.load(agent_id)
                if not loaded.parts and not create:
                    return None
                if self._make_room() or flushing:  # one too many for a moment is better than waiting for oneself
                    return self._place(agent_id, loaded)
            # Not held while waiting: who flushes may need an agent that is not in memory, too.
            until = self.wait_for_room(until)

    def _place(self, agent_id: str, loaded: Loaded) -> Slot:
        parts, next_number, digest = loaded
        slot = Slot(agent_id, self._decode(agent_id, parts), next_number)
        slot.digest = digest
        for position, part in enumerate(parts):
            account(slot, len(part), position == 0)
        if parts:
            slot.stored = slot.state.version
            slot.told = slot.stored.get(slot.state.replica, 0)
        self.slots[agent_id] = slot
        self._ring.append(slot)
        return slot

    def _decode(self, agent_id: str, parts: list[bytes]) -> Any:
        where = self._storage.path or "memory"
        try:
            if not parts:
                return self.schema(self.writers.of(agent_id), **self._options)
            state: Any = self.schema.from_bytes(parts[0], replica=self.writers.of(agent_id), **self._options)
            for number, part in enumerate(parts[1:], 1):
                # Without minding drift: the clock may have been set back since this was written here.
                if state._merge_bytes(part, False) > NO_NEWS:
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

    def _make_room(self) -> bool:
        """Whether one more agent may come; False as long as all that are here are changed and not flushed."""
        while len(self.slots) >= self._config.max_agents_in_memory:
            # Rather than wait for ever, forget what waits for its base: whoever told it will tell it again.
            if not self._let_go() and not self._let_go(with_waiting=True):
                return False
        return True

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
        if is_unwritten(slot):
            return False
        with Held(slot, 0.0) as is_held:
            if not is_held or slot.state is None or is_unwritten(slot):
                return False
            # What is held back was told by others and is not on disk: it waits here while there is room.
            if slot.state._is_waiting and not with_waiting and not self._closed:
                return False
            slot.state = None
            self._updates_of_the_gone += slot.updates
            del self.slots[slot.agent_id]
            return True

    def close(self) -> bool:
        """Let all agents leave for good; False as long as one is busy or not flushed."""
        with self._loading:
            self._closed = True
            self._ring = deque([slot for slot in list(self.slots.values()) if not self._leave(slot)])
            return not self._ring


def busy(agent_id: str, timeout: float | None) -> Timeout:
    """The error of a caller that waited so long for an agent's lock."""
    return Timeout(
        f"agent {agent_id!r} was busy for {timeout} s with another update: nothing was applied; "
        "give more time, or make the other update_fn shorter"
    )


def is_unwritten(slot: Slot) -> bool:
    """Whether the disk does not have all of it yet."""
    return slot.dirty or slot.merged or slot.in_flight


def _is_fresh(slot: Slot) -> bool:
    """Whether it holds changes of which the storage may not have any yet."""
    state = slot.state
    return state is not None and slot.next_number <= 1 and is_unwritten(slot) and bool(state.version)
