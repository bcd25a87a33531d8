"""The other replicas of a directory: linked while their processes live, taken in when those are gone.

Processes that open one directory hold a replica each (`storage.directory`) and share state like any
nodes of a cluster, over Unix sockets in it. What is special to them is here:

- **Found**: whoever opens the directory first takes links at its own socket and then dials all others, so of
  two that come at the same time at least one finds the other.
- **Read**: at the start, and when another process has died, a process reads what it lacks from the other
  replicas' files. So it begins with all that is in the directory, and what a killed process acknowledged
  is not gone until somebody opens that replica again.
- **Absorbed**: a replica of a higher number than the own that no process holds is read, and, once that is
  durable here, emptied in one transaction: what lies in two places for good would cost twice. The replica
  keeps its name and goes on counting its openings for whoever takes it next.

A crash at any point does no harm: merging twice is merging once, and a replica is emptied only when
another holds everything. Who absorbs holds the replica's lock, so there is one. Contents move to
lower numbers only, and replicas are read from the highest down: what moves meanwhile is found where it went.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Protocol

from crdt import CRDTError
from replication.config import Config
from replication.delivery import Deliveries
from replication.driver import Driver
from replication.errors import Closed, CorruptStore, ReplicationError, StoreError
from replication.runtime import Runtime
from replication.slot import Slot
from replication.storage import Loaded, Operation
from replication.storage.buckets import key_of
from replication.storage.directory import DATABASE, Directory, Home
from replication.storage.reader import StoreReader
from replication.storage.sqlite import SQLiteStorage

# Seconds between two looks into the directory while there are others, and before one when a link broke.
_LOOK_SECONDS = 1.0
_MOMENT = 0.1
# Agents that are merged before the disk is waited for.
_MERGED_MAX = 1000

Head = tuple[str, bytes]


class Source(Protocol):
    """A replica as it is read."""

    def heads(self) -> Iterator[Head]: ...

    def load(self, agent_id: str) -> Loaded: ...

    def operations(self) -> list[Operation]: ...


class SiblingEvents(Protocol):
    """Whom this tells. All in the runtime's thread."""

    def on_absorbed(self, name: str, opens: int) -> None:
        """The node of that name is gone, whatever it held is here; a later opening than this one is another matter."""

    def on_trouble(self, key: str, text: str) -> None:
        """Something an operator must know."""


class Siblings:
    """What one node does about the other replicas of its directory."""

    def __init__(
        self,
        home: Home,
        storage: SQLiteStorage,
        deliveries: Deliveries,
        driver: Driver,
        runtime: Runtime,
        events: SiblingEvents,
        config: Config,
    ) -> None:
        self._home = home
        self._storage = storage
        self._deliveries = deliveries
        self._driver = driver
        self._runtime = runtime
        self._events = events
        self._config = config
        self._passing = Lock()
        self._ending = Lock()  # whoever begins a thread, and whoever waits for its end
        self._has_ended = False
        # Replicas of higher numbers that are empty, or cannot be taken in; until somebody comes.
        self._settled: set[int] = set()
        self._absorbed = 0
        # Of the runtime's thread.
        self._worker: Thread | None = None
        self._addresses: tuple[str, ...] = ()
        self._look_at = 0.0
        self._held: set[int] = set()
        self._is_due = False
        self.is_alone = True

    # In the runtime's thread

    def own_address(self) -> str:
        """Where to take links. A socket there is a dead process's, for this one holds the replica."""
        path = self._home.socket(self._home.number)
        path.unlink(missing_ok=True)
        return f"unix:{path}"

    def look(self, now: float) -> tuple[str, ...]:
        """Time has passed: where the other processes take links. Takes in, in a thread, what those that died left."""
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self._addresses = tuple(f"unix:{self._home.socket(number)}" for number in self._home.listening())
            others = self._home.others()
            held = {number for number in others if not self._home.is_free(number)}
            unsettled = [each for each in others if each > self._home.number and each not in self._settled]
            # Whoever died may have acknowledged what it told nobody.
            self._is_due |= not held >= self._held or not held.issuperset(unsettled)
            self._held = held
            if self._worker is not None and not self._worker.is_alive():
                self._worker = None
            if self._is_due and self._worker is None:
                self._is_due = False
                self._begin()
            self.is_alone = not (self._addresses or held or unsettled or self._worker)
        return self._addresses

    def _begin(self) -> None:
        worker = Thread(target=self._take_in_quietly, name="replication-siblings", daemon=True)
        with self._ending:
            if not self._has_ended:
                worker.start()
                self._worker = worker

    def met(self) -> None:
        """A link came up: any of the replicas may be somebody's again."""
        self._settled.clear()
        self.is_alone = False

    def lost(self, now: float) -> None:
        """A link broke: whoever was there may be dead."""
        self._look_at = min(self._look_at, now + _MOMENT)

    def status(self) -> dict[str, Any]:
        return {"number": self._home.number, "others": self._home.others(), "absorbed": self._absorbed}

    # In other threads

    def end(self) -> None:
        """Take in nothing more."""
        with self._ending:
            self._has_ended = True
            worker = self._worker
        if worker is not None:
            worker.join()

    def take_in(self) -> None:
        """Take in what the other replicas hold; it is durable when this returns.

        A replica that cannot be read is reported and left as it is. Raises what ails the own store.
        """
        with self._passing:
            for number in self._home.others():
                try:
                    self._take_in(number)
                except (CRDTError, StoreError, OSError, ValueError) as error:
                    self._settled.add(number)
                    self._tell_trouble(number, error)

    def _take_in_quietly(self) -> None:
        with suppress(ReplicationError):  # the own store failed or was closed, and says so itself
            self.take_in()

    def _take_in(self, number: int) -> None:
        if self._home.is_inherited(number):
            return
        directory = self._home.take(number) if number > self._home.number else None
        if directory is not None:
            self._absorb(number, directory)
            return
        database = self._home.place(number) / DATABASE
        if database.exists():
            with closing(StoreReader(str(database))) as reader:
                self._merge(reader, reader.commit().identity.name)

    def _absorb(self, number: int, directory: Directory) -> None:
        """Move everything from a replica whose process is gone to this one."""
        try:
            self._home.socket(number).unlink(missing_ok=True)
            if not Path(directory.database).exists():
                return
            with closing(StoreReader(directory.database)) as reader:
                commit = reader.commit()
            identity = commit.identity
            if commit.rows:
                limits = self._config.checkpoint_bytes, self._config.journal_bytes
                replica = SQLiteStorage(directory, None, os.urandom(3).hex(), "fsync", *limits)
                try:
                    identity = replica.identity
                    self._merge(replica, identity.name, is_last=True)
                    replica.clear()
                    self._absorbed += 1
                finally:
                    replica.close(clean=False)
            if identity.incarnation:
                self._runtime.call_soon(self._events.on_absorbed, identity.name, identity.opens)
            self._settled.add(number)
        finally:
            directory.release()

    def _merge(self, source: Source, origin: str, is_last: bool = False) -> None:
        """Merge what this node lacks, and wait until its disk has it; `is_last` as in `Deliveries.take_in`."""
        touched: set[Slot] = set()
        for agent_id in differing(self._storage.heads(), source.heads()):
            slot = self._deliveries.take_in(agent_id, source.load(agent_id).parts, origin, is_last)
            if slot is not None:
                touched.add(slot)
            self._wait_for(touched, _MERGED_MAX)
        for operation in source.operations():
            slot = self._deliveries.take_in_operation(operation)
            if slot is not None:
                touched.add(slot)
            self._wait_for(touched, _MERGED_MAX)
        self._wait_for(touched, 1)
        self._storage.sync()

    def _wait_for(self, touched: set[Slot], enough: int) -> None:
        if self._has_ended:
            raise Closed("the node is being closed")
        if len(touched) >= enough:
            self._driver.wait(set(touched), None)
            touched.clear()

    def _tell_trouble(self, number: int, error: Exception) -> None:
        place = self._home.place(number)
        kind = "damaged" if isinstance(error, CorruptStore) else "not readable"
        text = (
            f"the replica in {place}, which another process wrote, is {kind} for this node and was left as it is; "
            f"what it alone holds is missing here: {error}"
        )
        self._runtime.call_soon(self._events.on_trouble, f"replica {number}", text)


def differing(own: Iterable[Head], theirs: Iterable[Head]) -> Iterator[str]:
    """The agents of `theirs` that are not in the same state in `own`; both in the order of keys."""
    own = iter(own)
    head = next(own, None)
    for agent_id, digest in theirs:
        key = key_of(agent_id)
        while head is not None and key_of(head[0]) < key:
            head = next(own, None)
        if head != (agent_id, digest):
            yield agent_id
