"""How callers wait for what they were promised: threads on a waiter, coroutines on a future."""

from typing import NamedTuple

from replication.runtime import Waiter
from replication.ticket import FutureTicket, Ticket


class Promise(NamedTuple):
    """A ticket and what its caller waits on."""

    ticket: Ticket
    waiter: Waiter


async def kept(ticket: FutureTicket, timeout: float | None, spent: float) -> None:
    """Return once the promise holds; Timeout or OutcomeUnknown when what is left of `timeout` seconds is over."""
    try:
        if timeout is None:
            await ticket.future
        else:  # makes a task of its own in older versions, which most callers need not pay for
            from asyncio import wait_for

            await wait_for(ticket.future, max(0.0, timeout - spent))
    except TimeoutError:
        raise ticket.give_up(timeout) from None
    except BaseException:
        ticket.abandoned = True
        raise
    if ticket.error is not None:
        raise ticket.error
