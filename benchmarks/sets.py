"""`GSet` and `ORSet` beside `set`."""

import random
from functools import partial

from benchmarks.maps import SHORT, loop
from benchmarks.measure import Contender, race
from benchmarks.report import Report
from benchmarks.settings import Settings
from crdt import GSet, ORSet


def add(target, elements):
    put = target.add
    for element in elements:
        put(element)


def find(target, elements):
    for element in elements:
        if element in target:
            continue


def main(report: Report, settings: Settings) -> None:
    for n in settings.sizes:
        elements = [SHORT(number) for number in range(n)]
        one_by_one(report, settings, elements, "in order")
        random.Random(1).shuffle(elements)
        one_by_one(report, settings, elements, "shuffled")


def one_by_one(report: Report, settings: Settings, elements: list[str], order: str) -> None:
    n, on = len(elements), {"on": f"str of 9, {order}", "n": len(elements)}
    limits = {"rounds": settings.rounds, "seconds": settings.seconds}
    full = {kind: kind() for kind in (GSet, ORSet, set)}
    for each in full.values():
        each.update(elements)
    cases = {
        "add": (add, lambda kind: kind),
        "in": (find, lambda kind: lambda: full[kind]),
        "update": (lambda target, elements: target.update(elements), lambda kind: kind),
    }
    for what, (run, prepare) in cases.items():
        run = partial(run, elements=elements)
        times = race([Contender(kind.__name__, run, prepare(kind)) for kind in full], n, **limits)
        for kind in ("GSet", "ORSet"):
            asked = 1.0 if kind == "GSet" and what != "update" and order == "in order" and n >= 1_000_000 else None
            report.race(f"{kind} {what}", times, ours=kind, peer="set", judged="share", asked=asked, **on)
    times = race([Contender("loop", partial(loop, keys=elements))], n, **limits)
    report.race("the loop alone", times, ours="loop", judged="", **on)
