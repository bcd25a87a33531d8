"""`LWWMap` beside `dict`, Loro's map, and msgpack of the plain dict.

A dict keeps no stamps, writers or versions: it does less. Keys in order are the easy case, so shuffled ones are there
too. A dict that is filled from a dict at once is copied as a whole if it is empty, so both hold one entry before.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.fresh import return_freed
from benchmarks.measure import Contender, race
from benchmarks.peers import loaded, loro, msgpack, snapshot
from benchmarks.report import Report
from benchmarks.settings import Settings
from crdt import LWWMap

SHORT, LONG = "{:09d}".format, "user:profile:{:08d}".format
KINDS = {"keys of 9": SHORT, "keys of 21": LONG}
CHANGES = 100


# --- what runs


def put(target, keys):
    for key in keys:
        target[key] = 1


def put_loro(target, keys):
    insert = target.insert
    for key in keys:
        insert(key, 1)


def get(target, keys):
    for key in keys:
        target[key]


def get_loro(target, keys):
    read = target.get
    for key in keys:
        read(key)


def loop(_, keys):
    for _key in keys:
        pass


def update(target, entries):
    target.update(entries)


def filled(target, values):
    target.update(values)
    return target


def seeded(make: Callable[[], Any]) -> Callable[[], Any]:
    """Makes one with an entry."""

    def made():
        target = make()
        target["seed"] = 1
        return target

    return made


def changed(target, key):
    target[key] = 2
    return target


def changed_loro(target, key):
    target.insert(key, 2)
    target.doc().commit()
    return target


def loro_map(entries=None):
    target = loro.LoroDoc().get_map("m")
    for key, value in (entries or {}).items():
        target.insert(key, value)
    target.doc().commit()
    return target


# --- rows


def asked(small: float, in_order: float, shuffled: float | None = None) -> Callable[[int, str], float | None]:
    """What is asked of a thousand entries, and of 100,000 and more."""

    def of(n: int, order: str) -> float | None:
        if order == "in order":
            return small if n <= 1_000 else in_order
        return shuffled if n > 1_000 else None

    return of


ASKED = {
    "set new": asked(1.4, 0.8), "overwrite": asked(1.3, 0.8),
    "get int": asked(1.7, 0.85, 1.4), "get str": asked(2.4, 0.85, 1.4),
}  # fmt: skip


def main(report: Report, settings: Settings) -> None:
    for n in settings.sizes:
        for kind, key in KINDS.items():
            keys = [key(number) for number in range(n)]
            one_by_one(report, settings, kind, keys, "in order")
            random.Random(1).shuffle(keys)
            one_by_one(report, settings, kind, keys, "shuffled")
            at_once(report, settings, kind, keys)
    beside_peers(report, settings)
    exchange(report, settings)


def one_by_one(report: Report, settings: Settings, kind: str, keys: list[str], order: str) -> None:
    n, limits = len(keys), {"rounds": settings.rounds, "seconds": settings.seconds}
    on = {"on": f"{kind}, {order}", "n": n, "peer": "dict", "judged": "share"}
    ints = {key: number for number, key in enumerate(keys)}
    strings = {key: f"value {number}" for number, key in enumerate(keys)}
    cases = {
        "set new": (put, None),
        "overwrite": (put, ints),
        "get int": (get, ints),
        "get str": (get, strings),
    }
    for what, (run, values) in cases.items():
        run = partial(run, keys=keys)
        if values is None:
            pair = [Contender("ours", run, LWWMap), Contender("dict", run, dict)]
        else:
            ours, plain = filled(LWWMap(), values), dict(values)
            pair = [Contender("ours", run, lambda m=ours: m), Contender("dict", run, lambda m=plain: m)]
        times = race([*pair, Contender("loop", partial(loop, keys=keys))], n, **limits)
        report.race(what, times, asked=ASKED[what](n, order), **on)
    report.race("the loop alone", times, ours="loop", judged="", on=on["on"], n=n)


def at_once(report: Report, settings: Settings, kind: str, keys: list[str]) -> None:
    """Many entries in one call, shuffled."""
    n, limits = len(keys), {"rounds": settings.rounds, "seconds": settings.seconds}
    on = {"on": f"{kind}, shuffled", "n": n, "peer": "dict", "judged": "share"}
    entries = {key: number for number, key in enumerate(keys)}
    run = partial(update, entries=entries)
    times = race([Contender("ours", run, seeded(LWWMap)), Contender("dict", run, seeded(dict))], n, **limits)
    report.race("update, new keys", times, asked=1.7 if n <= 1_000 else 0.6, **on)
    in_order = {key: entries[key] for key in sorted(keys)}
    ours, plain = filled(LWWMap(), in_order), dict(in_order)
    times = race([Contender("ours", run, lambda: ours), Contender("dict", run, lambda: plain)], n, **limits)
    report.race("update, keys that are there", times, asked=1.7 if n <= 1_000 else 0.6, **on)
    times = race(
        [
            Contender("ours", lambda m: m.get_many(keys), lambda: ours),
            Contender("dict", lambda m: [m[key] for key in keys], lambda: plain),
        ],
        n, **limits,
    )  # fmt: skip
    report.race("get_many", times, asked=1.7 if n <= 1_000 else 0.5, **on)


def on_new_pages(subject: Any) -> Any:
    """What was freed before is given back, so that what is encoded first pays for its memory as in a new process."""
    return_freed()
    return subject


def beside_peers(report: Report, settings: Settings) -> None:
    n, limits = settings.largest, {"rounds": settings.rounds, "seconds": settings.seconds}
    on = {"on": "keys of 9", "n": n}
    keys = [SHORT(number) for number in range(n)]
    entries = {key: number for number, key in enumerate(keys)}
    ours, plain = filled(LWWMap(), entries), dict(entries)
    theirs = loro_map(entries) if loro else None
    data, packed = ours.to_bytes(), msgpack.packb(plain) if msgpack else b""
    saved = snapshot(theirs.doc()) if loro else b""
    middle = keys[n // 2]

    def against(what: str, asked: dict[str, float | None], unit: str, operations: int, **runs: Any) -> None:
        there = {"loro": loro, "msgpack": msgpack}
        present = [Contender(name, *run) for name, run in runs.items() if there.get(name, True)]
        times = race(present, operations, **limits)
        for peer, least in asked.items():
            report.race(what, times, peer=peer, asked=least, unit=unit, **on)

    against(
        "set", {"loro": 5}, "ns", n,
        ours=(partial(put, keys=keys), LWWMap), loro=(partial(put_loro, keys=keys), lambda: loro_map()),
    )  # fmt: skip
    against(
        "get", {"loro": 3}, "ns", n,
        ours=(partial(get, keys=keys), lambda: ours), loro=(partial(get_loro, keys=keys), lambda: theirs),
    )  # fmt: skip
    against(
        "encode, just filled", {"loro": 50, "msgpack": 4}, "ms", 1_000_000,
        ours=(lambda m: m.to_bytes(), lambda: on_new_pages(filled(LWWMap(), entries)), True),
        loro=(lambda m: snapshot(m.doc()), lambda: on_new_pages(loro_map(entries)), True),
        msgpack=(msgpack and msgpack.packb, lambda: on_new_pages(plain), True),
    )  # fmt: skip
    against(
        "encode again, one key changed", {"loro": None}, "ms", 1_000_000,
        ours=(lambda m: m.to_bytes(), lambda: changed(ours, middle)),
        loro=(lambda m: snapshot(m.doc()), lambda: changed_loro(theirs, middle)),
    )  # fmt: skip
    against(
        "decode, and read one", {"loro": 15, "msgpack": 10}, "ms", 1_000_000,
        ours=(lambda _: LWWMap.from_bytes(data)[middle],), loro=(lambda _: loaded(saved).get_map("m").get(middle),),
        msgpack=(lambda _: msgpack.unpackb(packed)[middle],),
    )  # fmt: skip
    report.amount("size saved", "bytes an entry", len(data) / n, len(saved) / n or None, peer="loro", **on)
    report.amount("size saved", "bytes an entry", len(data) / n, len(packed) / n or None, peer="msgpack", **on)


def exchange(report: Report, settings: Settings) -> None:
    """A delta of few changes in a large map, beside all of the map."""
    n, limits = settings.largest, {"rounds": settings.rounds, "seconds": settings.seconds}
    ours = filled(LWWMap(), {SHORT(number): number for number in range(n)})
    receiver, known = ours.fork(), ours.version
    put(ours, [SHORT(number * 7919 % n) for number in range(CHANGES)])
    delta, data = ours.delta(known), ours.to_bytes()
    on = {
        "on": f"{CHANGES} changes",
        "n": n,
        "judged": "share",
        "unit": "µs",
        "asked": 0.01 if n >= 1_000_000 else None,
    }
    times = race(
        [Contender("ours", lambda _: ours.delta(known)), Contender("full encode", lambda _: ours.to_bytes())],
        1_000, **limits,
    )  # fmt: skip
    report.race("delta of few changes: make it", times, peer="full encode", **on)
    times = race(
        [
            Contender("ours", lambda m: m.merge(delta), receiver.fork, alone=True),
            Contender("full decode", lambda _: LWWMap.from_bytes(data)),
        ],
        1_000, **limits,
    )  # fmt: skip
    report.race("delta of few changes: merge it", times, peer="full decode", **on)
