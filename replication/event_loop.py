"""The runtime of a real node: a thread of its own, with an asyncio event loop, and one that waits for the disk.

What is written goes to the system in the node's own thread. While it is synced, in the other, what comes from
others is merged and answered.

uvloop's event loop is used if that is installed.
"""

import asyncio
import selectors
import threading
from collections.abc import Callable
from contextlib import suppress
from random import Random, SystemRandom
from threading import get_ident
from time import monotonic
from typing import Any

from replication.runtime import Waiter
from replication.storage import Batch, Storage
from replication.syncer import Syncer
from replication.turnstile import Turnstile


class EventLoopRuntime:
    """Fills the Runtime port."""

    def __init__(self) -> None:
        self.random: Random = SystemRandom()
        self.clock: Callable[[], int] | None = None
        turnstile = Turnstile()
        self.turnstile: Turnstile | None = turnstile
        self.loop = _new_event_loop(turnstile)
        self._arrive = turnstile.arrive
        # Other loops than asyncio's own do not say when they have nothing more to do.
        self._written = _nothing if isinstance(self.loop, asyncio.SelectorEventLoop) else turnstile.leave
        self.time = monotonic
        self.call_later = self.loop.call_later
        self._thread = threading.Thread(target=self._run, name="replication-driver", daemon=True)
        self._own_thread: int | None = None
        self._syncer: Syncer | None = None
        self._syncing: tuple[Storage, Callable[[BaseException | None], None]] | None = None

    def start(self, fail: Callable[[BaseException], None]) -> None:
        def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            # Of a future that nobody waits for any more: a name was not found in the moment when that was given up.
            if "future" not in context:
                fail(context.get("exception") or RuntimeError(context["message"]))

        self.loop.set_exception_handler(handle)
        self._thread.start()

    @property
    def thread(self) -> int:
        return self._thread.ident or 0

    def call_soon(self, fn: Callable[..., Any], *args: Any) -> None:
        if self._own_thread == get_ident():
            self.loop.call_soon(fn, *args)
            return
        # To wake the loop from another thread costs system calls, and a turn of the interpreter's lock for each.
        with suppress(RuntimeError):  # the loop is closed: the node has ended
            self.loop.call_soon_threadsafe(fn, *args)

    def write(self, storage: Storage, batch: Batch, done: Callable[[BaseException | None], None]) -> None:
        self._arrive()
        try:
            file = storage.begin(batch)
            if file is not None:
                self._sync(storage, file, done)
                return
        except BaseException as error:
            self._end_write(done, error)
            return
        self._end_write(done, None)

    def _sync(self, storage: Storage, file: int, done: Callable[[BaseException | None], None]) -> None:
        if self._syncer is None:
            self._syncer = Syncer()
            self.loop.add_reader(self._syncer.done, self._synced)
        self._syncing = storage, done
        self._syncer.ask(file)

    def _synced(self) -> None:
        assert self._syncer is not None and self._syncing is not None
        (storage, done), self._syncing = self._syncing, None
        try:
            storage.end(self._syncer.take())
        except BaseException as error:
            self._end_write(done, error)
            return
        self._end_write(done, None)

    def _end_write(self, done: Callable[[BaseException | None], None], error: BaseException | None) -> None:
        self._arrive()
        done(error)
        self._written()

    def waiter(self) -> Waiter:
        return _LockWaiter()

    def stop(self) -> None:
        if self._thread.ident is None:  # nothing ever ran
            self.loop.close()
            return
        self.call_soon(self.loop.stop)
        if self._thread.is_alive():
            self._thread.join()
        if self._syncer is not None:
            self._syncer.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self._own_thread = get_ident()
        try:
            self.loop.run_forever()
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        finally:
            self._own_thread = None  # another thread may come to have its number
            self.loop.close()


def _nothing() -> None:
    pass


class _LockWaiter:
    """A lock is the cheapest thing one thread can wait on."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def done(self) -> None:
        with suppress(RuntimeError):  # it was done before
            self._lock.release()

    def wait(self, timeout: float | None) -> bool:
        return self._lock.acquire(timeout=-1 if timeout is None else max(0.0, min(timeout, threading.TIMEOUT_MAX)))


class _Selector(selectors.DefaultSelector):
    """Tells the turnstile when the loop wakes up and when it has nothing more to do."""

    def __init__(self, turnstile: Turnstile) -> None:
        super().__init__()
        self._turnstile = turnstile

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._turnstile.leave()
        ready = super().select(timeout)
        self._turnstile.arrive()
        return ready


def _new_event_loop(turnstile: Turnstile) -> asyncio.AbstractEventLoop:
    try:
        from uvloop import new_event_loop  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return asyncio.SelectorEventLoop(_Selector(turnstile))
    loop: asyncio.AbstractEventLoop = new_event_loop()
    return loop
