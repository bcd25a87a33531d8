"""Timing loops inside functions, the best of several runs, in nanoseconds of processor time an operation."""

import gc
import time
from collections.abc import Callable
from typing import Any


def best(
    run: Callable[[Any], object], count: int, *, prepare: Callable[[], Any] = lambda: None, rounds: int = 5
) -> float:
    """Nanoseconds for each of `count` operations that one `run(prepare())` does; the best round.

    The best, because other work on the machine only ever adds to it: processor time leaves out being
    interrupted, but not a cache that others have emptied.
    """
    times = []
    for _ in range(rounds):
        subject = prepare()
        gc.collect()
        gc.disable()
        start = time.process_time_ns()
        run(subject)
        times.append(time.process_time_ns() - start)
        gc.enable()
    return min(times) / count


def row(name: str, ours: float, unit: str, other: float | None = None, what: str = "") -> None:
    """One line of the report: a figure, and beside it what the same costs elsewhere."""
    beside = "" if other is None else f"{what} {other:,.1f}   x{other / ours:.2f}"
    print(f"{name:<46}{ours:>12,.1f} {unit:<10}{beside}")
