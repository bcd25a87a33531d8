"""A state that several threads use without asking each other: no crash, nothing lost, nothing torn."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crdt import GCounter, GSet, LWWMap, OpBasedList, ORMap, ORSet, Text

THREADS = 4
ROUNDS = 2000


@pytest.fixture(autouse=True)
def switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(*jobs: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def test_increments_from_threads_all_count() -> None:
    c = GCounter("a")
    in_threads(*[lambda: [c.increment() for _ in range(ROUNDS)] and None for _ in range(THREADS)])
    assert c.value == THREADS * ROUNDS


def test_adds_and_writes_from_threads_are_all_there() -> None:
    s, m, items = GSet("a"), LWWMap("a"), OpBasedList("a")

    def job(number: int) -> Callable[[], None]:
        def run() -> None:
            for k in range(ROUNDS):
                s.add((number, k))
                m[f"{number}/{k}"] = k
                items.append(k)

        return run

    in_threads(*[job(number) for number in range(THREADS)])
    assert len(s) == len(m) == len(items) == THREADS * ROUNDS
    for state in (s, m, items):
        state.check_invariants()


def edits(state: Any, number: int) -> Iterator[Callable[[], Any]]:
    for k in range(300):
        if isinstance(state, LWWMap):
            yield lambda k=k: state.update({f"{number}/{k % 20}": k})
        elif isinstance(state, ORMap):
            yield lambda k=k: state[k % 5].increment()
        elif isinstance(state, Text):
            yield lambda: state.insert(0, "ab")
            yield lambda: state.delete(0, 1)
        elif isinstance(state, OpBasedList):
            yield lambda k=k: state.append(k)
        else:
            yield lambda k=k: state.add(k % 50)
            yield lambda k=k: state.discard((k + 25) % 50)


@pytest.mark.parametrize("type_", [ORSet, LWWMap, ORMap, Text, OpBasedList])
def test_editing_merging_and_reading_at_once(type_: Any) -> None:
    a, b = type_("a"), type_("b")

    def edit(state: Any, number: int) -> Callable[[], None]:
        def run() -> None:
            for act in edits(state, number):
                act()

        return run

    def exchange(x: Any, y: Any) -> Callable[[], None]:
        def run() -> None:
            for k in range(60):
                if k % 3 == 0:
                    x.merge(y)
                elif k % 3 == 1:
                    x.merge(y.to_bytes())
                else:
                    x.merge(y.delta(x.version))

        return run

    def read() -> None:
        for _ in range(60):
            a.value
            repr(b)
            b.digest()
            list(a) if not isinstance(a, Text) else str(a)
            sys.getsizeof(a)
            a == b
            a.fork("reader").check_invariants()

    in_threads(edit(a, 1), edit(b, 2), exchange(a, b), exchange(b, a), read)
    for state in (a, b):
        state.check_invariants()
    a.merge(b)
    b.merge(a)
    assert a.to_bytes() == b.to_bytes()


def test_two_states_merge_into_each_other_without_deadlock() -> None:
    a, b = GSet("a"), GSet("b")
    a.update(range(2000))
    b.update(range(1000, 3000))
    in_threads(*[lambda: [a.merge(b) for _ in range(50)] and None, lambda: [b.merge(a) for _ in range(50)] and None])
    assert a == b
    assert len(a) == 3000
