"""What is measured of each system, and how.

A *caller* makes one call after the other, each once the one before has returned. What the first second brings is not
counted: connections open, and code is new.
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
    """Times of calls, of those that return in the time that counts."""

    def __init__(self, seconds: float) -> None:
        self._from = time.perf_counter() + WARM_SECONDS
        self.end = self._from + seconds
        self._seconds = seconds
        self._took: list[float] = []

    def add(self, began: float, counts: bool = True) -> float:
        """A call that began then has just returned, and did what it was for if it counts; the time of now."""
        now = time.perf_counter()
        if counts and self._from <= now < self.end:
            self._took.append(now - began)
        return now

    def figures(self) -> Figures:
        """RuntimeError if no call returned."""
        if not self._took:
            raise RuntimeError(f"no call returned in {self._seconds} s: the system stands still, or needs longer")
        took = sorted(self._took)
        return Figures(
            len(took) / self._seconds, 1000 * statistics.median(took), 1000 * took[int(0.99 * (len(took) - 1))]
        )


async def measure(case: Case, seconds: float, call: Callable[[int, int], Awaitable[object]]) -> Figures:
    """`call(key, number)` by all callers of a case."""
    samples = Samples(seconds)

    async def caller(place: int) -> None:
        number, now = 0, time.perf_counter()
        while now < samples.end:
            await call(place % case.keys, number)
            now = samples.add(now)
            number += 1

    await asyncio.gather(*(caller(place) for place in range(case.callers)))
    return samples.figures()
