"""Callers that ask what was committed before now: for all of one moment the group is asked once."""

from collections import deque
from collections.abc import Callable, Sequence

from replication.errors import ReplicationError
from replication.runtime import Runtime
from replication.strong.attempt import refuse
from replication.ticket import Ticket


class Asking:
    """Between callers' threads and the runtime's.

    read     asks, in the runtime's thread
    refusal  the error of whoever cannot be answered here any more; None while it can
    """

    def __init__(
        self,
        runtime: Runtime,
        read: Callable[[Sequence[Ticket]], None],
        refusal: Callable[[], ReplicationError | None],
    ) -> None:
        self._runtime = runtime
        self._read = read
        self._refusal = refusal
        self._waiting: deque[Ticket] = deque()  # whom the runtime's thread has not seen
        self._is_woken = False

    def add(self, ticket: Ticket) -> None:
        self._waiting.append(ticket)
        if not self._is_woken:
            self._is_woken = True
            try:
                self._runtime.call_soon(self._ask)
            except BaseException:  # of a signal's handler: others rely on it, so once more
                self._runtime.call_soon(self._ask)
                raise
        refusal = self._refusal()
        if refusal is not None:  # since just now, and `end` may have come before this one
            refuse((ticket,), refusal)

    def end(self) -> None:
        """Nobody will be asked any more. From any thread."""
        refusal = self._refusal()
        if refusal is not None:
            refuse(self._waiting.copy(), refusal)

    def _ask(self) -> None:
        """In the runtime's thread."""
        self._is_woken = False  # whoever comes from now on sees to it
        tickets = tuple([self._waiting.popleft() for _ in range(len(self._waiting))])
        if tickets:
            self._read(tickets)
