"""Big merges and encodings let other threads run, and a use of the same state waits for their end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crdt import LWWMap, ORSet, Text


@pytest.fixture(scope="module")
def big() -> LWWMap:
    m = LWWMap("a")
    m.update({f"key number {i}": f"a value of some length {i}" for i in range(150_000)})
    return m


@pytest.fixture(scope="module")
def big_bytes(big: LWWMap) -> bytes:
    return big.to_bytes()


@pytest.fixture
def switch_seldom() -> Iterator[None]:
    """So seldom that a thread runs beside another only where that one lets it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(60.0)
    yield
    sys.setswitchinterval(before)


def rounds_beside(work: Callable[[], Any]) -> int:
    """How often another thread came round while `work` ran in this one."""
    rounds, going = 0, True

    def count() -> None:
        nonlocal rounds
        while going:
            rounds += 1
            time.sleep(0.0005)  # hands the interpreter back

    thread = threading.Thread(target=count)
    thread.start()
    time.sleep(0.01)
    before = rounds
    work()
    after = rounds
    going = False
    thread.join()
    return after - before


@pytest.mark.usefixtures("switch_seldom")
def test_others_run_during_a_merge(big_bytes: bytes) -> None:
    receiver = LWWMap("b")
    assert rounds_beside(lambda: receiver.merge(big_bytes)) > 3


@pytest.mark.usefixtures("switch_seldom")
def test_others_run_while_bytes_are_read(big_bytes: bytes) -> None:
    assert rounds_beside(lambda: LWWMap.from_bytes(big_bytes)) > 3


@pytest.mark.usefixtures("switch_seldom")
def test_others_run_while_bytes_are_made(big: LWWMap) -> None:
    assert rounds_beside(big.to_bytes) > 3
    assert rounds_beside(lambda: [big.delta({}) for _ in range(3)]) > 3


USES: dict[str, Callable[[LWWMap, bytes], Any]] = {
    "read": lambda m, data: m["mine"],
    "write": lambda m, data: m.__setitem__("mine", 1),
    "len": lambda m, data: len(m),
    "items": lambda m, data: next(iter(m.items())),
    "version": lambda m, data: m.version,
    "digest": lambda m, data: m.digest(),
    "merge": lambda m, data: m.merge(data),
    "small merge": lambda m, data: m.merge(LWWMap("c")),
    "encode": lambda m, data: m.to_bytes(),
    "fork": lambda m, data: m.fork(),
    "size": lambda m, data: sys.getsizeof(m),
    "update": lambda m, data: m._transact(lambda m: m.pop("mine", None)),
    "check": lambda m, data: m.check_invariants(),
}


@pytest.mark.parametrize("name", USES)
def test_a_use_during_a_merge_waits_for_its_end(big_bytes: bytes, name: str) -> None:
    receiver = LWWMap("b")
    receiver["mine"] = 1
    thread = threading.Thread(target=receiver.merge, args=(big_bytes,))
    thread.start()
    USES[name](receiver, big_bytes)
    size = len(receiver)
    thread.join()
    assert size >= 150_000, "the merge was seen half done, or had not begun"
    receiver.check_invariants()
    receiver.pop("mine", None)
    assert len(receiver) == 150_000


@pytest.mark.parametrize("name", ["write", "merge", "update", "read"])
def test_a_change_during_an_encoding_waits_for_its_end(big_bytes: bytes, name: str) -> None:
    state = LWWMap.from_bytes(big_bytes, replica="b")
    state["mine"] = 1
    before, other = state.to_bytes(), LWWMap("c")
    other["theirs"] = 2
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(state.to_bytes()))
    thread.start()
    USES[name](state, other.to_bytes())
    state["more"] = 2
    thread.join()
    assert got == [before]
    state.check_invariants()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_forked_during_a_merge_does_not_wait_for_ever(big_bytes: bytes) -> None:
    receiver = LWWMap("b")
    thread = threading.Thread(target=receiver.merge, args=(big_bytes,))
    thread.start()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            len(receiver)
        except RuntimeError:
            os._exit(3)
        os._exit(0)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert len(receiver) == 150_000


def test_several_threads_may_encode_one_state(big: LWWMap, big_bytes: bytes) -> None:
    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(big.to_bytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [big_bytes] * 4


def test_refused_bytes_leave_the_state_usable(big_bytes: bytes) -> None:
    receiver = LWWMap("b")
    with pytest.raises(ValueError, match="checksum"):
        receiver.merge(big_bytes[:-1] + b"\0")
    receiver["x"] = 1
    assert receiver.value == {"x": 1}


@pytest.mark.parametrize("make", [ORSet, Text])
def test_other_types_survive_a_race_of_merges(make: type[Any]) -> None:
    source, receiver = make("a"), make("b")
    if make is ORSet:
        source.update(range(30_000))
    else:
        source.append("some words " * 3000)
    data = source.to_bytes()

    def job() -> None:
        for _ in range(20):
            receiver.merge(data)

    threads = [threading.Thread(target=job) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    receiver.check_invariants()
    assert receiver.value == source.value
