"""Streams of changes, bounded: a slow reader is told what it missed, and never slows the node.

A change is put into each matching stream under the agent's lock, so the changes of one agent come
in order. A stream that is full folds: it keeps only how many changes of which agent it dropped, and
the reader later gets one `Change` an agent with `field=None`, the agent's value then, and the
count. When even the agents are too many, the rest becomes one count without a name.

Knows nothing of how changes are made; reads an agent's present value through a function it is given.
"""

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from fnmatch import translate
from itertools import chain
from re import compile as compile_pattern
from time import monotonic
from typing import TYPE_CHECKING, Any

from crdt import VersionVector
from crdt.shown import shown
from replication.arguments import seconds
from replication.errors import Closed, ReplicationError, Timeout
from replication.result import Change

if TYPE_CHECKING:
    import asyncio

    Sleeper = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]

# Agents of which it is remembered who watches them.
_MATCHES_MAX = 10_000

Read = Callable[[str], tuple[Any, VersionVector]]


class Watch:
    """One stream of changes; an iterator, an async iterator and a context manager.

    Iterating blocks until the next change and ends when the stream or the node is closed.
    """

    def __init__(
        self,
        watchers: "Watchers",
        pattern: str,
        limit: int,
        read: Read,
        backlog: Iterator[tuple[str, VersionVector | None]],
    ) -> None:
        self.pattern = pattern
        self.matches = compile_pattern(translate(pattern)).match
        self._watchers = watchers
        self._limit = limit
        self._read = read
        self._backlog: Iterator[tuple[str, VersionVector | None]] | None = backlog
        # No Condition, which is Python: the handler of a signal would break it off with its lock taken. A handler that
        # comes while this thread has the lock may take it once more.
        self._lock = threading.RLock()
        self._waiters: list[threading.Lock] = []
        self._queue: deque[Change] = deque()
        self._folded: dict[str, int] = {}
        self._lost = 0
        self._sleepers: list[Sleeper] = []
        self._reading: asyncio.Future[Change | None] | None = None
        self._closed = False

    def put(self, change: Change) -> None:
        """Add a change; never waits for the reader."""
        with self._lock:
            if self._closed:
                return
            if not self._folded and not self._lost and len(self._queue) < self._limit:
                self._queue.append(change)
            elif change.agent_id in self._folded or len(self._folded) < self._limit:
                assert change.agent_id is not None
                self._folded[change.agent_id] = self._folded.get(change.agent_id, 0) + 1
            else:
                self._lost += 1
            self._wake()

    def get(self, timeout: float | None = None) -> Change:
        """The next change. Timeout after so many seconds without one; Closed at the end of the stream."""
        end = None if timeout is None else monotonic() + seconds(timeout)
        while True:
            change = self._next()
            if change is not None:
                return change
            waiter = threading.Lock()
            waiter.acquire()
            with self._lock:
                if self._has_any():
                    continue
                if self._closed:
                    raise Closed(f"the watch on {self.pattern!r} is closed: there will be no more changes")
                self._waiters.append(waiter)
            try:
                is_woken = waiter.acquire(timeout=-1 if end is None else _left(end))
            finally:
                with self._lock, suppress(ValueError):  # it was woken
                    self._waiters.remove(waiter)
            if not (is_woken or self._closed or self._has_any()):
                raise Timeout(f"no change of {self.pattern!r} within {timeout} s; call get() again to go on waiting")

    def close(self) -> None:
        """End the stream; a reader that waits gets what was queued and then the end."""
        self._watchers.remove(self)
        with self._lock:
            self._closed = True
            self._backlog = None
            self._wake()

    def __iter__(self) -> Iterator[Change]:
        return self

    def __next__(self) -> Change:
        try:
            return self.get()
        except Closed:
            raise StopIteration from None

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        from asyncio import get_running_loop

        loop = get_running_loop()
        while True:
            # Reading an agent's value may mean reading the disk.
            quick = not self._backlog and not self._folded and self._reading is None
            change = self._next() if quick else await self._read_elsewhere(loop)
            if change is not None:
                return change
            with self._lock:
                if self._has_any():
                    continue
                if self._closed:
                    raise StopAsyncIteration
                sleeper = loop.create_future()
                self._sleepers.append((loop, sleeper))
            await sleeper

    async def _read_elsewhere(self, loop: "asyncio.AbstractEventLoop") -> Change | None:
        """`_next` in another thread. If this coroutine is cancelled meanwhile, the next one gets what that finds."""
        from asyncio import CancelledError, shield

        if self._reading is None or not (self._reading.done() or self._reading.get_loop() is loop):
            self._reading = loop.run_in_executor(None, self._next)
        reading = self._reading
        try:
            change = reading.result() if reading.done() else await shield(reading)
        except CancelledError:
            raise
        except BaseException:
            self._reading = None
            raise
        self._reading = None
        return change

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> "Watch":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def _has_any(self) -> bool:
        return bool(self._queue or self._folded or self._lost or self._backlog)

    def _next(self) -> Change | None:
        """The next change without waiting for one to happen; backlog first, then queue, then what was folded."""
        while (backlog := self._backlog) is not None:
            agent_id, since = next(backlog, (None, None))
            if agent_id is None:
                self._backlog = None
                break
            try:
                value, version = self._read(agent_id)
            except Closed:  # the node is, and so will this be
                self._backlog = None
                break
            except ReplicationError:  # in an update_fn perhaps: it is told the next time
                self._backlog = chain([(agent_id, since)], backlog)
                raise
            if since is None or not version <= since:
                return self._summary(agent_id, value, version, 0)
        with self._lock:
            if self._queue:
                return self._queue.popleft()
            if not self._folded:
                lost, self._lost = self._lost, 0
                return Change(None, None, None, None, None, None, None, lost) if lost else None
            # Taken out before it is read: what comes in between is told by itself.
            agent_id = next(iter(self._folded))
            missed = self._folded.pop(agent_id)
        try:
            found = self._read(agent_id)
        except Closed:  # the node is: how much was missed can still be told
            return Change(agent_id, None, None, None, None, None, None, missed)
        except BaseException:
            with self._lock:
                self._folded[agent_id] = self._folded.get(agent_id, 0) + missed
            raise
        return self._summary(agent_id, *found, missed)

    def _summary(self, agent_id: str, value: Any, version: VersionVector, missed: int) -> Change:
        """One change that stands for several; what it covers is taken out of the queue."""
        with self._lock:
            queued = tuple(self._queue)  # the handler of a signal may add to it meanwhile
            if any(change.agent_id == agent_id for change in queued):
                self._queue = deque(
                    change
                    for change in queued
                    if change.agent_id != agent_id or change.version is None or not change.version <= version
                )
        return Change(agent_id, None, None, value, None, None, version, missed)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.release()
        sleepers, self._sleepers = self._sleepers, []
        for loop, sleeper in sleepers:
            with suppress(RuntimeError):  # that loop is closed
                loop.call_soon_threadsafe(_finish, sleeper)


class Watchers:
    """All streams of a node. Empty most of the time, so `bool()` of it is what the hot path asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: tuple[Watch, ...] = ()
        # By agent, those that match it: asked for with every update. Another dict whenever a stream comes or goes.
        self._matching: dict[str, tuple[Watch, ...]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._watches)

    def add(self, watch: Watch) -> None:
        with self._lock:
            self._watches = (*self._watches, watch)
            self._matching = {}
        if self._closed:  # since just now, and those that there were may have been closed before
            watch.close()

    def remove(self, watch: Watch) -> None:
        with self._lock:
            self._watches = tuple(each for each in self._watches if each is not watch)
            self._matching = {}

    def matching(self, agent_id: str) -> tuple[Watch, ...]:
        known = self._matching
        found = known.get(agent_id)
        if found is None:
            if len(known) >= _MATCHES_MAX:
                known.clear()
            found = known[agent_id] = tuple(watch for watch in self._watches if watch.matches(agent_id))
        return found

    def close(self) -> None:
        self._closed = True
        for watch in self._watches:
            watch.close()


def resume_points(
    agents: Iterator[str], pattern: str, since: VersionVector | Mapping[str, VersionVector]
) -> Iterator[tuple[str, VersionVector | None]]:
    """The agents a resumed stream must compare, each with the version its reader knows."""
    if isinstance(since, VersionVector):
        if any(letter in pattern for letter in "*?["):
            raise ValueError(
                f"since= is the version of one agent, and {pattern!r} matches many: "
                "give a mapping of agent ids to versions, or watch that agent alone"
            )
        return iter([(pattern, since)])
    is_plain = isinstance(since, Mapping) and all(isinstance(agent_id, str) for agent_id in since)
    if not is_plain or not all(isinstance(version, VersionVector) for version in since.values()):
        raise TypeError(f"since={shown(since)} must be a version, or a mapping of agent ids to versions")
    known: dict[str, Any] = dict(since)
    matches = compile_pattern(translate(pattern)).match
    return ((agent_id, known.get(agent_id)) for agent_id in agents if matches(agent_id))


def _finish(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def _left(end: float) -> float:
    """Seconds until then, as a lock takes them."""
    return min(max(0.0, end - monotonic()), threading.TIMEOUT_MAX)
