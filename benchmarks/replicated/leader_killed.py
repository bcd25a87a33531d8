"""How long it takes, after the process that leads is killed, until writes succeed again.

After the kill a call is made every ten milliseconds, whatever becomes of those before, and the first that succeeds
counts: so the time does not depend on when a client tries again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

CALL_EVERY = 0.01
GIVE_UP_AFTER = 30.0


async def first_success(killed_at: float, call: Callable[[int], Awaitable[object]]) -> float:
    """Seconds from then, on the monotonic clock, until one of many calls succeeds. TimeoutError if none does."""
    succeeded_at: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def one(number: int) -> None:
        with suppress(Exception):  # it is refused, or its time is over: the next may succeed
            await call(number)
            if not succeeded_at.done():
                succeeded_at.set_result(time.monotonic())

    async def make_calls() -> None:
        async with asyncio.TaskGroup() as calls:
            for number in count():
                calls.create_task(one(number))
                await asyncio.sleep(CALL_EVERY)

    making = asyncio.create_task(make_calls())
    try:
        return await asyncio.wait_for(succeeded_at, GIVE_UP_AFTER) - killed_at
    finally:
        making.cancel()
        with suppress(asyncio.CancelledError):
            await making
