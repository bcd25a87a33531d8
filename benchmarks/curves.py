"""What must not grow with a state, measured while it grows, beside what does."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.lists import read
from benchmarks.measure import Contender, race
from benchmarks.report import Report
from benchmarks.settings import Settings
from crdt import LWWMap, OpBasedList, Text

# A delta of so many changes, and so many of them one after the other.
CHANGES, DELTAS = 10, 20
READS = 1_000
# Changes before the digest is asked for: several times what it may put off.
UNSUMMED = 10_000
# From a thousand entries to the most, a cost may become so many times what it was: O(1) and O(log n) in small steps,
# and what memory costs that is in no cache.
MAY_GROW = {"digest()": 3, "delta(since)": 20, "merge of a delta": 20, "Text[i]": 8, "OpBasedList[i]": 8}
CHARACTERS = "the quick brown fox jumps over the lazy dog "


def sizes(settings: Settings) -> list[int]:
    n, found = settings.sizes[0], []
    while n <= settings.largest:
        found.append(n)
        n *= 10
    return found


def main(report: Report, settings: Settings) -> None:
    first: dict[str, float] = {}
    for n in sizes(settings):
        for what, (on, contender, operations, unit) in (maps(n) | sequences(n)).items():
            times = race([contender], operations, rounds=settings.rounds, seconds=settings.seconds)
            report.race(what, times, ours=contender.name, judged="", on=on, n=n, unit=unit)
            first.setdefault(what, times.spread(contender.name).median)
    for what, most in MAY_GROW.items():
        last = next(row for row in reversed(report.rows) if row.part == report.part and row.what == what)
        report.amount(
            f"{what}: how many times as long at most as at {sizes(settings)[0]:,}", "times",
            last.ours.median / first[what], judged="bound", asked=most, n=settings.largest,
        )  # fmt: skip


Costs = dict[str, tuple[str, Contender, int, str]]


def contender(run: Callable[[Any], object], prepare: Callable[[], Any] = lambda: None, alone: bool = False):
    return Contender("ours", run, prepare, alone)


def maps(n: int) -> Costs:
    """Of one that is changed a little at a time."""
    state = LWWMap()
    state.update({f"key {number}": number for number in range(n)})
    before, deltas = state.fork(), []
    for turn in range(DELTAS):
        known = state.version
        for number in range(turn * CHANGES, (turn + 1) * CHANGES):
            state[f"key {number * 7919 % n}"] = -number
        deltas.append(state.delta(known))
    data = state.to_bytes()

    def merge(copy: LWWMap) -> None:
        for delta in deltas:
            copy.merge(delta)

    other, places = before.fork(), [f"key {number * 6007 % n}" for number in range(UNSUMMED)]

    def changed() -> LWWMap:
        for key in places:
            other[key] = 0
        return other

    on = f"LWWMap, {CHANGES} changes"
    return {
        "digest()": (f"LWWMap, after {UNSUMMED:,} changes", contender(LWWMap.digest, changed, alone=True), 1, "ns"),
        "delta(since)": (on, contender(lambda _: state.delta(known)), 1_000, "µs"),
        "merge of a delta": (on, contender(merge, before.fork, alone=True), 1_000 * DELTAS, "µs"),
        "to_bytes()": ("LWWMap", contender(lambda _: state.to_bytes()), 1_000, "µs"),
        "from_bytes()": ("LWWMap", contender(lambda _: LWWMap.from_bytes(data)), 1_000, "µs"),
    }


def sequences(n: int) -> Costs:
    """Written in pieces at random places, so that there are many runs."""
    rng, text, numbers = random.Random(1), Text(), OpBasedList()
    for made in range(0, n, 10):
        text.insert(rng.randint(0, made), CHARACTERS[:10])
        numbers.insert_many(rng.randint(0, made), range(10))
    places = [rng.randrange(n) for _ in range(READS)]
    return {
        "Text[i]": ("pieces of 10", contender(partial(read, places=places), lambda: text), READS, "ns"),
        "OpBasedList[i]": ("pieces of 10", contender(partial(read, places=places), lambda: numbers), READS, "ns"),
    }
