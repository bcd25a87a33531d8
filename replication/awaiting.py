"""How callers wait for what they were promised: threads on a waiter, coroutines on a future."""

from typing import NamedTuple

from replication.runtime import Waiter
from replication.ticket import FutureTicket, Ticket


class Promise(NamedTuple):
    """A ticket and what its caller waits on."""

    ticket: Ticket
    waiter: Waiter


def blocked(promise: Promise, left: float | None, timeout: float | None) -> None:
    """Block until the promise holds; Timeout or OutcomeUnknown when `left` seconds are over."""
    if not promise.waiter.wait(left):
        raise promise.ticket.give_up(timeout)
    if promise.ticket.error is not None:
        raise promise.ticket.error


async def settled(ticket: FutureTicket, left: float | None) -> None:
    """Return once the ticket is settled; TimeoutError in so many seconds."""
    if left is None:
        await ticket.future
        return
    ticket.limit(left)
    try:
        await ticket.future
    finally:
        ticket.unlimit()


async def kept(ticket: FutureTicket, timeout: float | None, spent: float) -> None:
    """Return once the promise holds; Timeout or OutcomeUnknown when what is left of `timeout` seconds is over."""
    try:
        await settled(ticket, None if timeout is None else timeout - spent)
    except TimeoutError:
        raise ticket.give_up(timeout) from None
    except BaseException:
        ticket.abandoned = True
        raise
    if ticket.error is not None:
        raise ticket.error
