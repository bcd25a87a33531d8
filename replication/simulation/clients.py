"""The event loop of a simulated process's clients: coroutines that call the node and wait, in virtual time.

Real `asyncio` tasks, futures and timeouts run on it, so what a client awaits is the node's real
awaitable calls. It has no sockets and no threads; `run_in_executor` runs the function as an event
of its own, again and again while it would block.
"""

import asyncio
from asyncio import events
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from replication.simulation.process import Process
from replication.simulation.world import Event, WouldBlock

# Virtual seconds between two tries of a function that would block.
_RETRY_AFTER = 0.001


class ClientLoop(asyncio.AbstractEventLoop):
    """What asyncio needs of a loop, on the lane of a process's clients."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world
        self._lane = process.clients
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a client. It dies with its process: what it awaits then never comes."""
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=self)
        # A process that crashes does not finish its tasks; asyncio need not complain of that.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.add(task)  # asyncio itself keeps no strong reference
        task.add_done_callback(self._ended)
        return task

    @property
    def running_tasks(self) -> int:
        return len(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._world.failures.append((str(self._lane), error))

    # What asyncio calls

    def time(self) -> float:
        return self._world.now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Event:
        return self._world.after(0.0, self._lane, self._run, callback, args, context)

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Event:
        return self._world.after(max(0.0, delay), self._lane, self._run, callback, args, context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Event:
        return self._world.at(when, self._lane, self._run, callback, args, context)

    def _run(self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None) -> None:
        # Under pytest or in a program, another loop may be running around the simulation.
        outer = events._get_running_loop()
        events._set_running_loop(self)
        try:
            if context is None:
                callback(*args)
            else:
                context.run(callback, *args)
        finally:
            events._set_running_loop(outer)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = self.create_future()

        def attempt() -> None:
            if future.done():
                return
            try:
                result = func(*args)
            except WouldBlock:
                self.call_later(_RETRY_AFTER, attempt)
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_soon(attempt)
        return future

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        return self.spawn(coro)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # A future whose exception nobody fetched says so here when it is collected, at no certain time.
        if error is not None and "never retrieved" not in context.get("message", ""):
            self._world.failures.append((str(self._lane), error))
