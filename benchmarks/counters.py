"""`GCounter` and `PNCounter` beside Loro's counter."""

from functools import partial

from benchmarks.measure import Contender, race
from benchmarks.peers import loro
from benchmarks.report import Report
from benchmarks.settings import Settings
from crdt import GCounter, PNCounter


def count(counter, n):
    increment = counter.increment
    for _ in range(n):
        increment()


def count_loro(counter, n):
    increment = counter.increment
    for _ in range(n):
        increment(1)
    counter.doc().commit()


def loop(_, n):
    for _ in range(n):
        pass


def main(report: Report, settings: Settings) -> None:
    for n in settings.sizes:
        contenders = [
            Contender("loop", partial(loop, n=n)),
            Contender("GCounter", partial(count, n=n), GCounter),
            Contender("PNCounter", partial(count, n=n), PNCounter),
        ]
        if loro:
            contenders.append(Contender("loro", partial(count_loro, n=n), lambda: loro.LoroDoc().get_counter("c")))
        times = race(contenders, n, rounds=settings.rounds, seconds=settings.seconds)
        report.race("the loop alone", times, ours="loop", judged="", n=n)
        report.race("GCounter increment", times, ours="GCounter", peer="loro", asked=6, n=n)
        report.race("PNCounter increment", times, ours="PNCounter", peer="loro", n=n)
