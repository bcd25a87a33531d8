"""A caller's wait: for this node's disk, and perhaps for the disks of others.

Made in the caller's thread, settled in the runtime's. Knows nothing of who settles it when.
"""

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from replication.errors import OutcomeUnknown, ReplicationError, Timeout

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future


class Ticket:
    """What a caller waits for.

    slots      the agents whose changes must be on this disk; None: all that are dirty now
    acks       how many other replicas must hold the change durably, or "majority" or "all"
    acked      the names of those that do
    is_stored  whether it is on this node's disk
    is_settled whether the caller has been told how it ended
    abandoned  the caller has stopped waiting
    """

    __slots__ = (
        "abandoned",
        "acked",
        "acks",
        "count",
        "error",
        "is_settled",
        "is_stored",
        "mode",
        "op_id",
        "settle",
        "slots",
    )

    def __init__(
        self,
        slots: set[Any] | None,
        settle: Callable[["Ticket"], None],
        op_id: str | None = None,
        mode: int = 0,
        acks: int | str = 0,
    ) -> None:
        self.slots = slots
        self.settle = settle
        self.op_id = op_id
        self.mode = mode
        self.acks = acks
        self.count = 0
        self.acked: set[str] = set()
        self.is_stored = self.is_settled = False
        self.abandoned = False
        self.error: ReplicationError | None = None

    def finish(self) -> None:
        """The promise holds, or `error` says why it does not: wake the caller."""
        self.is_settled = True
        self.settle(self)

    def refuse(self, why: str, cause: BaseException | None) -> None:
        """Wake the caller with what holds, since nobody will keep its promise any more."""
        if self.is_settled:
            return
        if self.is_stored:
            self.error = Timeout(
                f"the change is applied and on this node's disk, and fewer replicas had it on theirs than "
                f"acks={self.acks!r} asks for ({named(self.acked)}) when {why}. Do not repeat it, which would apply it "
                "twice: it goes on to the others when this node is open again",
                acks=len(self.acked),
                is_applied=True,
            )
        else:
            self.error = OutcomeUnknown(
                f"the change is applied in memory and may or may not be on disk: {why}", op_id=self.op_id
            )
        self.error.__cause__ = cause
        self.finish()

    def give_up(self, timeout: float | None) -> ReplicationError:
        """The error of a caller that stops waiting: what holds, and what does not."""
        self.abandoned = True
        if not self.is_stored:
            return OutcomeUnknown(
                f"the change is applied in memory, but was not on disk within {timeout} s. It will be unless the disk "
                "fails: flush() waits for it, or repeat the call with the same op_id",
                op_id=self.op_id,
            )
        have = named(self.acked)
        return Timeout(
            f"the change is applied and on this node's disk, and it goes on to the others by itself; but within "
            f"{timeout} s not as many had it on disk as acks={self.acks!r} asks for: {have}. Do not repeat it, which "
            "would apply it twice: members() and status()['direct'] show who is behind",
            acks=len(self.acked),
            is_applied=True,
        )


def named(names: Iterable[str]) -> str:
    """Names for a message; the first few of many."""
    known = sorted(names)
    if not known:
        return "none did"
    return ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "") + " did"


class AsyncWait:
    """A ticket that a coroutine waits on. Made in the thread of its event loop."""

    __slots__ = ("_future", "_loop", "ticket")

    def __init__(self, slot: Any, op_id: str | None, plan: Any) -> None:
        from asyncio import Future, get_running_loop

        self._loop = get_running_loop()
        self._future: Future[None] = self._loop.create_future()
        mode, acks = (0, 0) if plan is None else (plan.rank, plan.acks)
        self.ticket = Ticket(None if slot is None else {slot}, self._settle, op_id, mode, acks)

    async def done(self, left: float | None, timeout: float | None) -> None:
        """Return once the promise holds; Timeout or OutcomeUnknown when `left` seconds are over."""
        from asyncio import wait_for

        try:
            # wait_for makes a task of its own in older versions, which most callers need not pay for.
            await (self._future if left is None else wait_for(self._future, max(0.0, left)))
        except TimeoutError:
            raise self.ticket.give_up(timeout) from None
        except BaseException:
            self.ticket.abandoned = True
            raise
        if self.ticket.error is not None:
            raise self.ticket.error

    def _settle(self, _: Ticket) -> None:
        # Waking an event loop is a system call: one for all that are settled together.
        settled = _settled.setdefault(self._loop, deque())
        settled.append(self._future)
        if len(settled) == 1:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_finish, settled)


# By event loop: futures of settled tickets that the loop has not been told of.
_settled: "WeakKeyDictionary[AbstractEventLoop, deque[Future[None]]]" = WeakKeyDictionary()


def _finish(settled: "deque[Future[None]]") -> None:
    # One that comes in between finds the queue empty or is taken by this very loop.
    while settled:
        future = settled.popleft()
        if not future.done():  # by a timeout or a cancellation
            future.set_result(None)
