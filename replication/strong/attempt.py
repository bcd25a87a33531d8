"""One try to have changes of an agent committed, and the callers that wait for what becomes of it."""

from collections.abc import Iterable
from typing import Any

from replication.errors import OutcomeUnknown, ReplicationError
from replication.strong.entries import Result
from replication.ticket import Ticket


def refuse(tickets: Iterable[Ticket], error: ReplicationError) -> None:
    """Wake these callers with an error."""
    for ticket in tickets:
        ticket.error = error
        ticket.finish()


def ask_again(op_id: str | None) -> str:
    """What to do about a change that may be committed."""
    if op_id is None:
        return "It has no op_id, so to ask again may apply it twice: read the agent first, and give the next one"
    return "Ask again with the same op_id, which applies it at most once"


class Attempt:
    """Changes that go into the log together.

    base, delta, top, results  as in `entries.Proposal`
    tickets  the callers, woken when there is a verdict
    verdict  see `machine`; "" while there is none
    owner    of `rounds`, which hears of the verdict
    number   what tells it from this node's other attempts; 0 before it is given to the core
    entries  what is put into the log; several if it is too long for one
    """

    __slots__ = (
        "agent_id",
        "base",
        "delta",
        "entries",
        "number",
        "owner",
        "put_at",
        "results",
        "tickets",
        "top",
        "verdict",
    )

    def __init__(self, agent_id: str, base: int, owner: Any = None) -> None:
        self.agent_id = agent_id
        self.owner = owner
        self.base = base
        self.delta = self.top = b""
        self.entries: tuple[bytes, ...] = ()
        self.results: list[Result] = []
        self.tickets: list[Ticket] = []
        self.verdict = ""
        self.number = 0
        self.put_at = 0.0

    @property
    def op_ids(self) -> list[str]:
        """The names of those of the changes that have one."""
        return [result.op_id for result in self.results]

    def refuse(self, error: ReplicationError) -> None:
        """It is not put into the log."""
        refuse(self.tickets, error)

    def fail(self, why: str) -> None:
        """There will be no verdict here: the node ends."""
        for ticket in self.tickets:
            if not ticket.is_settled:
                then = ask_again(ticket.op_id)
                ticket.error = OutcomeUnknown(
                    f"the change was put to the group and may or may not be committed: {why}. {then}",
                    op_id=ticket.op_id,
                )
                ticket.finish()
