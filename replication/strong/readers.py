"""Callers who wait until this node's states have everything that was committed before they asked.

Pure.
"""

from itertools import chain

from replication.errors import Overloaded, Unavailable
from replication.raft.core import Raft
from replication.raft.ready import Refused
from replication.strong.attempt import refuse
from replication.ticket import Ticket


class Readers:
    def __init__(self, raft: Raft) -> None:
        self._raft = raft
        self._tickets: dict[int, tuple[Ticket, ...]] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def add(self, tickets: tuple[Ticket, ...], now: float) -> None:
        """Those who ask in one moment share a question."""
        number = self._raft.read(now)
        if isinstance(number, Refused):
            refuse(
                tickets,
                Overloaded("too many reads wait for the group; nothing was read: let some return before the next"),
            )
        else:
            self._tickets[number] = tickets

    def take(self, numbers: tuple[int, ...]) -> list[Ticket]:
        """Those who may read now."""
        return [ticket for number in numbers for ticket in self._tickets.pop(number, ())]

    def tick(self) -> None:
        """Forget those who wait no more."""
        for number in [each for each, tickets in self._tickets.items() if all(each.abandoned for each in tickets)]:
            self._raft.forget_read(number)
            del self._tickets[number]

    def end(self, why: str) -> None:
        refuse(chain.from_iterable(self._tickets.values()), Unavailable(f"nothing was read, since {why}"))
        self._tickets = {}
