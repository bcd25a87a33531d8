"""Contenders by turns: each round runs all of them, one after the other, so that what slows the machine slows all.

Times are processor time, with the garbage collector off while a run lasts. The loop that a run needs is part of its
time, for every contender the same; nothing is subtracted.
"""

import gc
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

# A round of one contender lasts about this long at least, else it is run on several subjects in a row.
ROUND_NS = 2_000_000
SUBJECTS_MAX = 1000


class Spread(NamedTuple):
    """The middle of several measurements, the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        return cls(median(samples), min(samples), max(samples))

    @classmethod
    def exact(cls, value: float) -> "Spread":
        return cls(value, value, value)


class Contender(NamedTuple):
    """What is measured: `run(prepare())`. Only the run counts."""

    name: str
    run: Callable[[Any], object]
    prepare: Callable[[], Any] = lambda: None
    alone: bool = False  # the subjects are too big to have several at once


class Times(dict[str, list[float]]):
    """By contender, a time for each round."""

    def ratio(self, above: str, below: str) -> Spread:
        """How many times as long one took as the other, round by round."""
        return Spread.of([a / b for a, b in zip(self[above], self[below], strict=True)])

    def spread(self, name: str) -> Spread:
        return Spread.of(self[name])


def race(contenders: Sequence[Contender], operations: int, *, rounds: int = 5, seconds: float = 20.0) -> Times:
    """Nanoseconds of processor time for each of `operations`, by contender and round.

    A run that is too short to be timed runs on several subjects in a row. After `seconds` no round begins, but
    two are done in any case if so many are asked for.
    """
    subjects = {each.name: _subjects(each) for each in contenders}
    times = Times({each.name: [] for each in contenders})
    began = time.monotonic()
    for number in range(rounds):
        if number >= 2 and time.monotonic() - began > seconds:
            break
        for each in contenders:
            count = subjects[each.name]
            times[each.name].append(_timed(each, count) / count / operations)
    return times


def _subjects(contender: Contender) -> int:
    """On how many subjects in a row a contender is run; finding that out warms it up."""
    once = max(1, _timed(contender, 1))
    return 1 if contender.alone else min(SUBJECTS_MAX, max(1, ROUND_NS // once))


def _timed(contender: Contender, count: int) -> int:
    subjects = [contender.prepare() for _ in range(count)]
    run = contender.run
    gc.collect()
    gc.disable()
    try:
        began = time.process_time_ns()
        for subject in subjects:
            run(subject)
        return time.process_time_ns() - began
    finally:
        gc.enable()
