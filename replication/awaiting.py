"""How callers wait for what they were promised: threads on a waiter, coroutines on a future."""

from typing import TYPE_CHECKING, NamedTuple

from replication.runtime import Waiter
from replication.ticket import FutureTicket, Ticket

if TYPE_CHECKING:
    from asyncio import Future


class Promise(NamedTuple):
    """A ticket and what its caller waits on."""

    ticket: Ticket
    waiter: Waiter


def blocked(promise: Promise, left: float | None, timeout: float | None) -> None:
    """Block until the promise holds; Timeout or OutcomeUnknown when `left` seconds are over."""
    try:
        is_kept = promise.waiter.wait(left)
    except BaseException:  # of a signal's handler
        promise.ticket.abandoned = True
        raise
    if not is_kept:
        error = promise.ticket.give_up(timeout)
        if not _holds(promise.ticket):
            raise error
    if promise.ticket.error is not None:
        raise promise.ticket.error


def _holds(ticket: Ticket) -> bool:
    """Whether there is nothing to wait for any more: that may come about in the moment in which the time is over."""
    return ticket.is_settled or (ticket.is_stored and not ticket.acks)


def settled(ticket: FutureTicket, left: float | None) -> "Future[None]":
    """To be awaited: done once the ticket is settled; TimeoutError in so many seconds."""
    if left is not None:
        ticket.limit(left)
    return ticket.future


async def kept(ticket: FutureTicket, timeout: float | None, spent: float) -> None:
    """Return once the promise holds; Timeout or OutcomeUnknown when what is left of `timeout` seconds is over."""
    try:
        await settled(ticket, None if timeout is None else timeout - spent)
    except TimeoutError:
        error = ticket.give_up(timeout)
        if not _holds(ticket):
            raise error from None
    except BaseException:
        ticket.abandoned = True
        ticket.unlimit()  # who is to settle it may let go of it instead
        raise
    if ticket.error is not None:
        raise ticket.error
