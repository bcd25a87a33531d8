"""How coroutines wait for tickets, with one timer for all of a loop."""

import asyncio
import gc
import time
from weakref import ref

import pytest

from replication.awaiting import kept, settled
from replication.ticket import FutureTicket


async def _wait(ticket, left):
    await settled(ticket, left)


async def _seconds(left, ticket=None):
    """How long a wait took that nobody ends."""
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        await settled(ticket or FutureTicket(None), left)
    return time.monotonic() - begun


def test_every_wait_ends_at_its_own_time_whatever_the_order_they_began_in():
    async def main():
        lefts = (0.15, 0.05, 0.2, 0.1, 0.05, 0.0, -1.0)
        took = await asyncio.gather(*map(_seconds, lefts))
        for left, seconds in zip(lefts, took, strict=True):
            assert max(left, 0.0) - 0.001 <= seconds < max(left, 0.0) + 1.0, (left, seconds)

    asyncio.run(main())


def test_a_wait_begun_after_others_were_settled_ends_in_time():
    async def main():
        first = FutureTicket(None)
        waiting = asyncio.create_task(_wait(first, 0.05))
        await asyncio.sleep(0)
        first.finish()
        await waiting
        assert 0.099 <= await _seconds(0.1) < 1.0
        assert 0.099 <= await _seconds(0.1) < 1.0

    asyncio.run(main())


def test_who_is_settled_or_cancelled_before_the_time_is_over_hears_of_no_timeout():
    async def main():
        tickets = [FutureTicket(None) for _ in range(3)]
        waiting = [asyncio.create_task(_wait(ticket, 0.02)) for ticket in tickets]
        await asyncio.sleep(0)
        tickets[0].finish()
        waiting[1].cancel()
        time.sleep(0.03)  # what follows comes to the loop in the same moment
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert results[0] is None
        assert [type(each) for each in results[1:]] == [asyncio.CancelledError, TimeoutError]
        await asyncio.sleep(0.02)

    asyncio.run(main())


def test_waits_with_a_long_timeout_set_one_timer():
    async def main():
        loop, timers = asyncio.get_running_loop(), []
        call_at = loop.call_at
        loop.call_at = lambda *args, **options: timers.append(args[0]) or call_at(*args, **options)
        for _ in range(100):
            ticket = FutureTicket(None)
            ticket.finish()
            await settled(ticket, 60)
        assert len(timers) == 1

    asyncio.run(main())


def test_of_who_stops_waiting_nothing_is_kept():
    """Whoever was to settle the ticket may have let go of it as well."""

    async def main():
        ticket = FutureTicket(None)
        waiting = asyncio.create_task(kept(ticket, 3600.0, 0.0))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return ref(ticket.future)

    with asyncio.Runner() as runner:
        gone = runner.run(main())
        gc.collect()
        assert gone() is None


@pytest.mark.parametrize("left", [None, 60.0])
def test_a_loop_that_ended_goes_also_if_somebody_waited_in_it(left):
    async def main():
        waiting = asyncio.create_task(_wait(FutureTicket(None), left))
        await asyncio.sleep(0)
        return waiting

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    gone = ref(loop)
    del loop
    gc.collect()
    assert gone() is None
