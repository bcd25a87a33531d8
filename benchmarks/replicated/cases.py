"""What is measured of each system, and how.

A *caller* makes one call after the other, each once the one before has returned, and at least one. First they do so for
a second that is not counted, since connections open and code is new. Then all calls count, until the last has
returned: of thousands at a time many return at once, and to stop in between would count them or not by chance.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

WARM_SECONDS = 1.0


class Case(NamedTuple):
    """callers   at a time
    keys      that they change, by turns: agents here, keys of etcd, entries of a dict in PySyncObj
    reads     whether they read, and see all that was written before
    """

    name: str
    callers: int
    keys: int
    reads: bool = False


ONE_CALLER = Case("one caller", 1, 1)
CASES = (
    ONE_CALLER,
    Case("64 callers, a key each", 64, 64),
    Case("64 callers, one key", 64, 1),
    Case("5,000 callers, a key each", 5000, 5000),
    Case("5,000 callers, 64 keys", 5000, 64),
    Case("64 readers, a key each", 64, 64, reads=True),
)


class Figures(NamedTuple):
    """What came of a run: calls that returned, by second, and how long they took."""

    per_second: float
    median_ms: float
    p99_ms: float


class Samples:
    """Times of calls. Callers begin no more of them after `end`."""

    def __init__(self, seconds: float) -> None:
        self._start = self._last = time.perf_counter()
        self.end = self._start + seconds
        self._took: list[float] = []

    def add(self, began: float, counts: bool = True) -> float:
        """A call that began then has just returned, and did what it was for if it counts; the time of now."""
        self._last = time.perf_counter()
        if counts:
            self._took.append(self._last - began)
        return self._last

    def figures(self) -> Figures:
        """RuntimeError if no call did what it was for."""
        if not self._took:
            raise RuntimeError("every call failed: look at what the system has to say")
        took = sorted(self._took)
        return Figures(
            len(took) / (self._last - self._start),
            1000 * statistics.median(took),
            1000 * took[int(0.99 * (len(took) - 1))],
        )


async def measure(case: Case, seconds: float, call: Callable[[int, int], Awaitable[object]]) -> Figures:
    """`call(key, number)` by all callers of a case."""

    async def caller(samples: Samples, place: int) -> None:
        number, now = 0, time.perf_counter()
        while not number or now < samples.end:
            await call(place % case.keys, number)
            now = samples.add(now)
            number += 1

    for counted in (WARM_SECONDS, seconds):
        samples = Samples(counted)
        await asyncio.gather(*(caller(samples, place) for place in range(case.callers)))
    return samples.figures()
