"""What makes a node run: one thread, time, randomness, and waiting. The port; no implementation.

The driver, the links and the cores all run in this one thread; callers' threads only hand work in
and wait. `event_loop` fills the port for real; the simulator, with virtual time and one thread for
all nodes.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from replication.errors import Timeout
from replication.storage import Batch, Storage
from replication.turnstile import Turnstile


class Timer(Protocol):
    """A call to come."""

    def cancel(self) -> None: ...


class Waiter(Protocol):
    """One caller's wait: `done` may be called by any thread, before or after `wait` began, and again."""

    def done(self) -> None: ...

    def wait(self, timeout: float | None) -> bool:
        """Whether `done` was called within so many seconds."""


class Runtime(Protocol):
    """Where a node runs."""

    random: Random
    # Milliseconds for the states' clocks; None: the system's.
    clock: Callable[[], int] | None
    # Where callers give way to this thread; None if there is but one thread.
    turnstile: Turnstile | None

    def start(self, fail: Callable[[BaseException], None]) -> None:
        """Begin to run what is called; `fail` hears of an exception that a call let out."""

    def time(self) -> float:
        """Seconds that never go back."""

    @property
    def thread(self) -> int:
        """The identity of the node's own thread, once it is started; 0 if callers share it."""

    def call_soon(self, fn: Callable[..., Any], *args: Any) -> None:
        """Call it in the runtime's thread; from any thread. Nothing happens after the end."""

    def call_later(self, seconds: float, fn: Callable[..., Any], *args: Any) -> Timer:
        """Call it later. From the runtime's thread."""

    def write(self, storage: Storage, batch: Batch, done: Callable[[BaseException | None], None]) -> None:
        """Make a batch durable, then call `done` with what that raised. From the runtime's thread, one at a time.

        The thread may go on with other calls meanwhile; `done` is called in it all the same.
        """

    def waiter(self) -> Waiter:
        """For a caller in any other thread."""

    def stop(self) -> None:
        """End it, after what is running now. From any other thread."""


# Seconds that a call into the runtime's thread may take: longer means that the thread is stuck.
_CALL_SECONDS = 30.0


def call(runtime: Runtime, fn: Callable[..., None], *args: Any) -> None:
    """Call it in the runtime's thread and wait for the end; raises what it raised. From any other thread."""
    waiter = runtime.waiter()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            fn(*args)
        except BaseException as error:
            errors.append(error)
        waiter.done()

    runtime.call_soon(run)
    if not waiter.wait(_CALL_SECONDS):
        raise Timeout(f"the node's own thread did not answer within {_CALL_SECONDS} s: the disk or this machine hangs")
    if errors:
        raise errors[0]
