"""A process that can be paused, blocked and killed, and the runtime that a node has in it.

A process has two lanes of events: the node's own thread, and its clients. Pausing holds both, as
SIGSTOP does. A write holds the node's thread alone, as a thread that waits for a disk; clients go on
meanwhile. A killed process drops every event it had and every one that still comes.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from replication.simulation.disk import Disk
from replication.simulation.world import Event, Stuck, World
from replication.storage import Batch, Storage

Done = Callable[[BaseException | None], None]

# How a write relates to the rest of the node's thread: at once within the call; blocking the thread,
# as a runtime without a thread for the disk would; or beside it, as the real one does.
WRITE_MODES = ("inline", "blocking", "beside")


class Process:
    """What of a node one crash ends."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.paused = False
        self.thread = ThreadLane(self, name)
        self.clients = ThreadLane(self, f"{name}'s clients")

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        """Everything that was held back happens now, at once."""
        self.paused = False
        self.thread.go_on()
        self.clients.go_on()

    def kill(self) -> None:
        self.alive = False
        self.thread.drop()
        self.clients.drop()


class ThreadLane:
    """One thread of a process: a lane whose events run one after the other."""

    __slots__ = ("_held", "_name", "blocked", "process")

    def __init__(self, process: Process, name: str) -> None:
        self.process = process
        self._name = name
        self.blocked = False
        self._held: deque[Event] = deque()

    def admits(self, event: Event) -> bool:
        process = self.process
        if not process.alive:
            return False
        # What came while something was held comes after it.
        if process.paused or self.blocked:
            self._held.append(event)
            return False
        return True

    @property
    def is_free(self) -> bool:
        """Whether what is called now would run now."""
        return self.process.alive and not self.process.paused and not self.blocked

    def call(self, fn: Callable[..., Any], *args: Any) -> None:
        """Run it within this event if the lane is free, else once it is."""
        if self.admits(Event(self, fn, args)):
            fn(*args)

    def unblock(self, fn: Callable[..., Any], *args: Any) -> None:
        """What blocked the lane is over: first call `fn`, then what was held."""
        self.blocked = False
        if self.process.alive:
            self._held.appendleft(Event(self, fn, args))
            self.go_on()

    def go_on(self) -> None:
        if self.process.paused or self.blocked:
            return
        held, self._held = self._held, deque()
        for event in held:
            self.process.world.put(event)

    def drop(self) -> None:
        self._held.clear()

    def __str__(self) -> str:
        return self._name


class VirtualRuntime:
    """Fills the Runtime port with virtual time. The randomness is the node's own stream."""

    def __init__(
        self, process: Process, random: Random, clock: Callable[[], int] | None = None, write_mode: str = "blocking"
    ) -> None:
        self.random = random
        self.clock = clock
        self.turnstile: Any = None  # all nodes share one thread
        self.thread = 0
        self._process = process
        self._world = process.world
        self._write_mode = write_mode
        self._offset = random.uniform(0.0, 1e6)
        self._running = False
        self._waiting: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self._fail: Callable[[BaseException], None] | None = None

    def start(self, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail
        self._running = True
        for fn, args in self._waiting:
            self.call_soon(fn, *args)
        self._waiting.clear()

    def time(self) -> float:
        # An offset, because a monotonic clock starts anywhere.
        return self._offset + self._world.now

    def call_soon(self, fn: Callable[..., Any], *args: Any) -> None:
        if self._running:
            self._world.after(0.0, self._process.thread, self._call, fn, args)
        elif self._fail is None:
            self._waiting.append((fn, args))

    def call_later(self, seconds: float, fn: Callable[..., Any], *args: Any) -> Event:
        return self._world.after(max(0.0, seconds), self._process.thread, self._call, fn, args)

    def run(self, fn: Callable[..., Any], *args: Any) -> None:
        """Call it in the node's thread: now if that is free, else once it is."""
        self._process.thread.call(self._call, fn, args)

    def _call(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if not self._running:
            return
        try:
            fn(*args)
        except Exception as error:
            assert self._fail is not None
            self._world.note(self._process.name, "failed:", repr(error))
            self._world.failures.append((self._process.name, error))
            self._fail(error)

    def write(self, storage: Storage, batch: Batch, done: Done) -> None:
        disk = storage
        assert isinstance(disk, Disk), "a simulated node writes to a simulated disk"
        if self._write_mode == "inline" and disk.is_well:
            error = disk.try_write(batch)
            done(error)
            return
        thread = self._process.thread
        thread.blocked = self._write_mode != "beside"

        disk.begin_write(batch, lambda error: thread.unblock(self._call, done, (error,)))

    def waiter(self) -> "VirtualWaiter":
        return VirtualWaiter(self._world, self._process)

    def stop(self) -> None:
        self._running = False


class VirtualWaiter:
    """Waiting runs the world. Only for callers at the top: within an event time stands still."""

    __slots__ = ("_done", "_process", "_world")

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process
        self._done = False

    def done(self) -> None:
        self._done = True

    def wait(self, timeout: float | None) -> bool:
        self._world.run_until(lambda: self._done or not self._process.alive, timeout)
        if not self._done and not self._process.alive:
            raise Stuck(f"node {self._process.name!r} crashed while this call waited for it")
        return self._done
