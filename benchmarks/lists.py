"""`OpBasedList` beside Loro's list, pycrdt's array and `list`."""

import random
from functools import partial

from benchmarks.maps import loop
from benchmarks.measure import Contender, race
from benchmarks.peers import loro, pycrdt
from benchmarks.report import Report
from benchmarks.settings import Settings
from crdt import OpBasedList

# What an insert costs these grows with the length.
PYCRDT_INSERTS, LIST_INSERTS = 10_000, 100_000


def insert(target, places):
    put = target.insert
    for value, place in enumerate(places):
        put(place, value)


def insert_loro(target, places):
    insert(target, places)
    target.doc().commit()


def append(target, n):
    put = target.append
    for value in range(n):
        put(value)


def append_loro(target, n):
    put = target.push
    for value in range(n):
        put(value)
    target.doc().commit()


def read(target, places):
    for place in places:
        target[place]


def read_loro(target, places):
    get = target.get
    for place in places:
        get(place)


def new_loro():
    return loro.LoroDoc().get_list("l")


def new_pycrdt():
    return pycrdt.Doc().get("l", type=pycrdt.Array)


def main(report: Report, settings: Settings) -> None:
    for n in settings.sizes:
        edits(report, settings, n)
        reads(report, settings, n)
    if pycrdt:
        places = random_places(min(PYCRDT_INSERTS, settings.largest))
        pair = [
            Contender("ours", partial(insert, places=places), OpBasedList),
            Contender("pycrdt", partial(insert, places=places), new_pycrdt),
        ]
        times = race(pair, len(places), rounds=settings.rounds, seconds=settings.seconds)
        report.race("insert at random places", times, peer="pycrdt", n=len(places))


def random_places(n: int) -> list[int]:
    rng = random.Random(1)
    return [rng.randint(0, length) for length in range(n)]


def edits(report: Report, settings: Settings, n: int) -> None:
    limits = {"rounds": settings.rounds, "seconds": settings.seconds}
    places, numbers = random_places(n), list(range(n))
    inserts = [Contender("ours", partial(insert, places=places), OpBasedList)]
    appends = [Contender("ours", partial(append, n=n), OpBasedList), Contender("list", partial(append, n=n), list)]
    extends = [Contender(kind.__name__, lambda target: target.extend(numbers), kind) for kind in (OpBasedList, list)]
    if loro:
        inserts.append(Contender("loro", partial(insert_loro, places=places), new_loro))
        appends.append(Contender("loro", partial(append_loro, n=n), new_loro))
    if n <= LIST_INSERTS:
        inserts.append(Contender("list", partial(insert, places=places), list))
    times = race(inserts, n, **limits)
    report.race("insert at random places", times, peer="loro", asked=5 if n == 100_000 else None, n=n)
    if n <= LIST_INSERTS:
        report.race("insert at random places", times, peer="list", judged="share", n=n)
    times = race(appends, n, **limits)
    report.race("append", times, peer="loro", n=n)
    report.race("append", times, peer="list", judged="share", n=n)
    times = race(extends, n, **limits)
    report.race("extend", times, ours="OpBasedList", peer="list", judged="share", n=n)


def reads(report: Report, settings: Settings, n: int) -> None:
    """Of a list that was filled in order."""
    limits = {"rounds": settings.rounds, "seconds": settings.seconds}
    places = random.Random(2).sample(range(n), n)
    ours, plain = OpBasedList(), list(range(n))
    ours.extend(plain)
    full = {"ours": ours, "list": plain}
    if loro:
        full["loro"] = new_loro()
        append_loro(full["loro"], n)
    runs = {"ours": read, "list": read, "loro": read_loro}
    times = race(
        [Contender(name, partial(runs[name], places=places), lambda each=each: each) for name, each in full.items()],
        n, **limits,
    )  # fmt: skip
    report.race("read at random places", times, peer="loro", n=n)
    report.race("read at random places", times, peer="list", judged="share", n=n)
    walks = [Contender(name, walk, lambda each=each: each) for name, each in full.items() if name != "loro"]
    times = race([*walks, Contender("loop", partial(loop, keys=plain))], n, **limits)
    report.race("walk over all", times, peer="list", judged="share", n=n)


def walk(target):
    for _ in target:
        pass
