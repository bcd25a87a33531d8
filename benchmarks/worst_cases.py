"""What is meant to be hard, each with the time that it may take.

The bounds are a few times what was measured when they were set: what they are to find is a cost that grows with what
is there, which is many times as much.
"""

import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from benchmarks.report import Report
from benchmarks.settings import Settings
from crdt import DecodeError, LWWMap, Text

# A Python int hashes to itself modulo this number, so its multiples are one chain in a dict.
MODULUS = 2**61 - 1
CHAIN_MAX = 3_000
WRITERS = 100
DEPTH = 64


def timed(run: Callable[[], Any]) -> float:
    """Nanoseconds of processor time."""
    began = time.process_time_ns()
    run()
    return time.process_time_ns() - began


def main(report: Report, settings: Settings) -> None:
    n = settings.largest
    for case in (
        one_python_hash, equal_low_bits, one_place_by_two, one_place_by_a_thousand, typing_by_turns,
        typing_and_deleting, deleting_everything, nesting, byte_by_byte, backwards,
    ):  # fmt: skip
        for what, unit, figure, asked, entries, *more in case(n):
            report.amount(
                what, unit, figure, *more, judged="bound", asked=asked, n=entries, peer="dict" if more else ""
            )  # fmt: skip


# Each case yields (what, unit, figure, most, entries), and last what a dict takes if that tells something.
Figures = Iterator[tuple[Any, ...]]


def put(target: Any, keys: Any) -> None:
    for key in keys:
        target[key] = 1


def one_python_hash(n: int) -> Figures:
    """The engine hashes the bytes of a key under a seed of the process, so nobody can choose keys that collide."""
    keys = [number * MODULUS for number in range(min(n, CHAIN_MAX))]
    ours, plain = LWWMap(), {}
    took, beside = timed(lambda: put(ours, keys)), timed(lambda: put(plain, keys))
    yield "set of keys that Python hashes alike", "ns", took / len(keys), 3_000, len(keys), beside / len(keys)


def equal_low_bits(n: int) -> Figures:
    target = LWWMap()
    took = timed(lambda: put(target, (number << 32 for number in range(n))))
    yield "set of keys with 32 low bits alike", "ns", took / n, 3_000, n


def merged(texts: list[Text]) -> tuple[Text, float]:
    """All of them in one more text, and how long that took."""
    deltas, target = [text.delta() for text in texts], Text("reader")

    def run() -> None:
        for delta in deltas:
            target.merge(delta)

    return target, timed(run)


def typed_at_the_start(writer: str, n: int) -> Text:
    """Each character before all others: `n` runs, all children of one place."""
    text = Text(writer)
    for _ in range(n):
        text.insert(0, "x")
    return text


def one_place_by_two(n: int) -> Figures:
    began = time.process_time_ns()
    texts = [typed_at_the_start(writer, n // 2) for writer in "ab"]
    yield "insert before all others", "ns", (time.process_time_ns() - began) / n, 2_000, n
    target, took = merged(texts)
    assert len(target) == n // 2 * 2
    yield "merge of such inserts by 2 writers", "ns", took / n, 5_000, n


def one_place_by_a_thousand(n: int) -> Figures:
    writers = min(1_000, n // 2)
    target, took = merged([typed_at_the_start(f"writer {number}", n // writers) for number in range(writers)])
    assert len(target) == n // writers * writers
    yield f"merge of inserts at one place by {writers:,} writers", "ns", took / n, 20_000, n


def typing_by_turns(n: int) -> Figures:
    """Each writer types a character after what it last saw, gives it to all through one text, and the next comes."""
    strokes = min(n, 20_000)
    hub = Text("hub")
    texts = [Text(f"writer {number}") for number in range(WRITERS)]

    def run() -> None:
        for stroke in range(strokes):
            text = texts[stroke % WRITERS]
            text.merge(hub.delta(text.version))
            text.append("x")
            hub.merge(text.delta(hub.version))

    took = timed(run)
    assert len(hub) == strokes
    yield f"a keystroke, {WRITERS} writers by turns", "µs", took / strokes / 1e3, 500, strokes


def typing_and_deleting(n: int) -> Figures:
    """A character typed and taken back at one place."""
    text, pairs = Text("a"), n // 2
    text.append("before after")

    def run() -> None:
        for _ in range(pairs):
            text.insert(6, "x")
            text.delete(6, 1)

    took = timed(run)
    yield "typed and deleted again at one place", "ns", took / pairs, 3_000, pairs
    yield "the same: what is left of it", "bytes", text.__sizeof__() / pairs, 200, pairs


def deleting_everything(n: int) -> Figures:
    """Twenty times a text is written and deleted: the last time is to cost what the first did."""
    text, times, characters = Text("a"), [], max(1, n // 20)

    def run() -> None:
        for number in range(characters):
            text.insert(number, "x")
        text.delete(0, characters)

    for _ in range(20):
        times.append(timed(run))
    ratio = min(times[-3:]) / min(times[:3])
    yield "everything deleted and written again: the 20th time by the first", "times", ratio, 3, characters


def nesting(n: int) -> Figures:
    value: Any = 1
    for _ in range(DEPTH - 1):
        value = [value]
    target, times = LWWMap(), min(n, 1_000)

    def run() -> None:
        for number in range(times):
            target[number] = value

    def read() -> None:
        for number in range(times):
            target[number]

    yield f"set of a value {DEPTH} deep", "µs", timed(run) / times / 1e3, 50, times
    yield "read of it", "µs", timed(read) / times / 1e3, 50, times
    data = target.to_bytes()
    yield "from_bytes of such values, each", "µs", timed(lambda: LWWMap.from_bytes(data)) / times / 1e3, 50, times


def byte_by_byte(n: int) -> Figures:
    """A delta that is tried again with each byte that comes."""
    source, target, entries = Text(), Text(), min(n, 10_000)
    for number in range(entries):
        source.insert(number // 2, "x")
    data = source.delta()

    def run() -> None:
        for end in range(1, len(data)):
            try:
                target.merge(data[:end])
            except DecodeError:
                continue
            raise AssertionError("a part of a delta was taken")

    yield "a delta cut short, refused", "µs", timed(run) / len(data) / 1e3, 100, len(data)
    assert target.merge(data)


def backwards(n: int) -> Figures:
    """Deltas that come last first wait for the first, and then all land."""
    source, target, deltas = Text(), Text(), []
    numbers = count()
    for _ in range(min(n, 10_000)):
        known = source.version
        source.insert(next(numbers) // 2, "x")
        deltas.append(source.delta(known))

    def run() -> None:
        for delta in reversed(deltas):
            target.merge(delta)

    took = timed(run)
    assert len(target) == len(deltas) and not target.pending
    yield "a delta, when all come last first", "µs", took / len(deltas) / 1e3, 100, len(deltas)
