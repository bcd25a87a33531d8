"""A disk under one node: it survives the process, and fails in the ways disks do.

A write takes time and is atomic: a crash before it ends leaves all of the batch or nothing, as chance
has it, and whoever waited is never told. The disk can be slow, hang, be full, or fail to sync; after
a failed sync, too, all of the batch or nothing is there, and nobody knows which.

What is durable is what a restart reads; nothing else is kept.
"""

from collections.abc import Callable
from errno import EIO, ENOSPC
from random import Random

from replication.errors import StoreError
from replication.identity import Identity, succeed
from replication.simulation.world import Event, World
from replication.storage import Batch
from replication.storage.memory import MemoryStorage

Finish = Callable[[BaseException | None], None]

# What a failing disk says, by the fault's name.
FAULTS = {
    "full": OSError(ENOSPC, "no space left on the simulated disk"),
    "failing": OSError(EIO, "the simulated disk could not sync"),
}


class Disk(MemoryStorage):
    """Fills the Storage port; one object for all incarnations of a node.

    committed   called with every batch that has become durable
    """

    def __init__(self, world: World, name: str, seconds: float = 0.001) -> None:
        super().__init__(Identity("", 0, "", "", False))
        self.path = self._place = f"the disk of {name}"
        self.committed: list[Callable[[Batch], None]] = []
        self.commits = 0
        self._name = name
        self._world = world
        self._random: Random = world.stream(f"disk {name}")
        self._store = f"{self._random.getrandbits(64):016x}"
        self._seconds = seconds
        self._slowness = 1.0
        self._hung = False
        self._fault: str | None = None
        self._failed = False
        self._writing: tuple[Batch, Finish, Event | None] | None = None

    # Of a node

    def boot(self) -> Identity:
        """Who writes from now on, as a node's start decides it; durable at once."""
        self._failed = False
        stored = self.identity if self.identity.incarnation else None
        token = f"{self._random.getrandbits(24):06x}"
        self.identity = succeed(stored, self._name, self._place, token, self._store)
        return self.identity

    def try_write(self, batch: Batch) -> BaseException | None:
        """A write that takes no time; the error it ended with."""
        try:
            self.write(batch)
        except StoreError as error:
            return error
        return None

    def write(self, batch: Batch) -> None:
        assert not self._failed, f"{self.path} failed before, and was written to again"
        if self._fault is None:
            self._commit(batch)
            return
        self._failed = True
        if self._fault == "failing" and self._random.random() < 0.5:
            self._commit(batch)
        raise StoreError(f"{self.path}: {FAULTS[self._fault]}", path=self.path)

    def begin_write(self, batch: Batch, finish: Finish) -> None:
        """A write that takes its time and then calls `finish`, unless a crash comes first."""
        assert self._writing is None, f"two writes to {self.path} at once"
        self._writing = (batch, finish, None)
        self._go_on_writing()

    def close(self, clean: bool) -> None:
        if clean:
            self.identity = self.identity._replace(clean=True)

    # Of a fate

    @property
    def is_well(self) -> bool:
        """Whether a write just now would be quick and succeed."""
        return self._fault is None and not self._hung and self._slowness == 1.0

    @property
    def has_failed(self) -> bool:
        """Whether a write failed since the node started: it will not be written to any more."""
        return self._failed

    @property
    def is_writing(self) -> bool:
        return self._writing is not None

    def slow(self, factor: float) -> None:
        """Let every write take so many times longer."""
        self._slowness = factor

    def hang(self) -> None:
        """Let no write end."""
        self._hung = True
        if self._writing is not None:
            batch, finish, event = self._writing
            if event is not None:
                event.cancel()
            self._writing = (batch, finish, None)

    def fail(self, fault: str = "failing") -> None:
        """Let every write fail from now on, "failing" or "full"."""
        assert fault in FAULTS, f"a disk is {' or '.join(FAULTS)}, not {fault!r}"
        self._fault = fault

    def repair(self) -> None:
        """Let everything be well again; a write that hung goes on."""
        self._slowness, self._hung, self._fault = 1.0, False, None
        self._go_on_writing()

    def crash(self) -> None:
        """The process is gone: the write it was at is there or not, all or nothing."""
        if self._writing is None:
            return
        batch, _, event = self._writing
        if event is not None:
            event.cancel()
        self._writing = None
        survives = self._random.random() < 0.5
        self._world.note(self.path, "keeps" if survives else "loses", "the write that the crash met")
        if survives:
            self._commit(batch)

    # Inside

    def _go_on_writing(self) -> None:
        if self._writing is None or self._hung:
            return
        batch, finish, event = self._writing
        if event is None:
            seconds = self._seconds * self._slowness * self._random.uniform(0.5, 1.5)
            self._writing = (batch, finish, self._world.after(seconds, None, self._end_write))

    def _end_write(self) -> None:
        assert self._writing is not None
        batch, finish, _ = self._writing
        self._writing = None
        finish(self.try_write(batch))

    def _commit(self, batch: Batch) -> None:
        super().write(batch)
        self.commits += 1
        if self._world.trace is not None:
            size = sum(len(part.data) for part in batch.parts)
            self._world.note(self.path, "commits", len(batch.parts), "parts,", size, "bytes")
        for tell in self.committed:
            tell(batch)
