"""Maps, sets and counters beside the plain Python containers that hold the same."""

import random
import sys

from benchmarks.measure import best, row
from crdt import GCounter, LWWMap, ORSet
from replication.replay_report import plain_bytes

N = 200_000
MEMORY_N = 1_000_000


def fill(target, keys):
    for key in keys:
        target[key] = 1


def read(target, keys):
    for key in keys:
        target[key]


def count(counter):
    increment = counter.increment
    for _ in range(N):
        increment()


def add_all(target, keys):
    add = target.add
    for key in keys:
        add(key)


def filled(make, keys):
    target = make()
    fill(target, keys)
    return target


def main() -> None:
    keys = [f"k{n:08d}" for n in range(N)]
    shuffled = random.Random(1).sample(keys, N)
    a, plain = filled(lambda: LWWMap("a"), keys), filled(dict, keys)

    for name, order in (("in order", keys), ("shuffled", shuffled)):
        row(
            f"LWWMap set, new keys, {name}",
            best(lambda m, order=order: fill(m, order), N, prepare=lambda: LWWMap("a")), "ns",
            best(lambda m, order=order: fill(m, order), N, prepare=dict), "dict",
        )  # fmt: skip
        row(
            f"LWWMap overwrite, {name}",
            best(lambda m, order=order: fill(m, order), N, prepare=lambda: a), "ns",
            best(lambda m, order=order: fill(m, order), N, prepare=lambda: plain), "dict",
        )  # fmt: skip
        row(
            f"LWWMap get, {name}",
            best(lambda m, order=order: read(m, order), N, prepare=lambda: a), "ns",
            best(lambda m, order=order: read(m, order), N, prepare=lambda: plain), "dict",
        )  # fmt: skip
    row("LWWMap get_many, shuffled", best(lambda m: m.get_many(shuffled), N, prepare=lambda: a), "ns")
    row(
        "ORSet add",
        best(lambda s: add_all(s, keys), N, prepare=lambda: ORSet("a")), "ns",
        best(lambda s: add_all(s, keys), N, prepare=set), "set",
    )  # fmt: skip
    row("GCounter increment", best(count, N, prepare=lambda: GCounter("a")), "ns")
    exchange(a)
    memory()


def exchange(a: LWWMap) -> None:
    data = a.to_bytes()
    row("LWWMap to_bytes", best(lambda m: m.to_bytes(), N, prepare=lambda: a), "ns/entry")
    row("LWWMap bytes", len(data) / N, "B/entry")
    row("LWWMap from_bytes", best(lambda _: LWWMap.from_bytes(data), N), "ns/entry")
    version = a.version
    for n in range(100):
        a[f"k{n:08d}"] = 2
    row("LWWMap delta of 100 changes in it", best(lambda m: m.delta(version), 1000, prepare=lambda: a), "µs")


def memory() -> None:
    """Keys and values are made anew, so that each container pays for its own."""
    a, plain = LWWMap("a"), {}
    for n in range(MEMORY_N):
        a[f"k{n:08d}"] = n
        plain[f"k{n:08d}"] = n
    row(
        "LWWMap of a million, memory",
        sys.getsizeof(a) / MEMORY_N, "B/entry",
        plain_bytes(plain) / MEMORY_N, "dict",
    )  # fmt: skip
