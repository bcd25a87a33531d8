"""A simulated disk: what a crash leaves, and the faults that disks have."""

import pytest

from replication.errors import StoreError
from replication.simulation.disk import Disk
from replication.simulation.process import WRITE_MODES, Process, VirtualRuntime
from replication.simulation.world import World
from replication.storage import Batch, Part


def batch(word: bytes, number: int = 0) -> Batch:
    return Batch([Part("agent", number, word, False, b"")])


class Bench:
    """One process that writes."""

    def __init__(self, mode: str = "blocking", seed: int = 0) -> None:
        self.world = World(seed)
        self.disk = Disk(self.world, "a")
        self.disk.boot()
        self.process = Process(self.world, "a")
        self.runtime = VirtualRuntime(self.process, self.world.stream("a"), write_mode=mode)
        self.runtime.start(lambda error: None)
        self.ended: list[BaseException | None] = []

    def write(self, word: bytes, number: int = 0) -> None:
        self.runtime.call_soon(self.runtime.write, self.disk, batch(word, number), self.ended.append)

    def parts(self) -> list[bytes]:
        return self.disk.load("agent").parts


@pytest.mark.parametrize("mode", WRITE_MODES)
def test_a_write_is_durable_when_its_end_is_told(mode: str) -> None:
    bench = Bench(mode)
    bench.write(b"one")
    bench.world.run_until(lambda: bool(bench.ended), 1.0)
    assert bench.ended == [None]
    assert bench.parts() == [b"one"]


def test_a_write_takes_time_and_blocks_the_thread_but_not_the_clients() -> None:
    bench, ran = Bench(), []
    bench.write(b"one")
    bench.runtime.call_soon(ran.append, "thread")
    bench.world.after(0.0, bench.process.clients, ran.append, "clients")
    bench.world.run_for(0.0)
    assert ran == ["clients"]
    bench.runtime.call_soon(lambda: ran.append(len(bench.ended)))
    bench.world.run_for(1.0)
    assert ran == ["clients", "thread", 1]  # the write's end came before what it held up


def test_beside_a_write_the_thread_goes_on() -> None:
    bench, ran = Bench("beside"), []
    bench.write(b"one")
    bench.runtime.call_soon(ran.append, "thread")
    bench.world.run_for(0.0)
    assert ran == ["thread"]
    assert bench.ended == []


def test_a_crash_during_a_write_leaves_all_or_nothing_and_nobody_is_told() -> None:
    left = set()
    for seed in range(20):
        bench = Bench(seed=seed)
        bench.write(b"one")
        bench.world.run_for(0.0)
        assert bench.disk.is_writing
        bench.process.kill()
        bench.disk.crash()
        bench.world.run_for(9.0)
        assert bench.ended == []
        left.add(tuple(bench.parts()))
    assert left == {(), (b"one",)}


def test_a_hung_write_ends_when_the_disk_is_repaired() -> None:
    bench = Bench()
    bench.disk.hang()
    bench.write(b"one")
    bench.world.run_for(3600.0)
    assert bench.ended == []
    bench.disk.repair()
    bench.world.run_for(1.0)
    assert bench.ended == [None]


def test_a_disk_that_hangs_during_a_write_does_not_end_it() -> None:
    bench = Bench()
    bench.write(b"one")
    bench.world.run_for(0.0)
    bench.disk.hang()
    bench.world.run_for(60.0)
    assert bench.ended == []


def test_a_slow_disk_takes_its_factor_longer() -> None:
    bench = Bench()
    bench.disk.slow(10_000.0)
    bench.write(b"one")
    bench.world.run_until(lambda: bool(bench.ended))
    assert bench.world.now > 1.0


@pytest.mark.parametrize("mode", WRITE_MODES)
@pytest.mark.parametrize(("fault", "words"), [("full", "no space"), ("failing", "could not sync")])
def test_a_failed_write_says_why_and_is_not_followed_by_another(mode: str, fault: str, words: str) -> None:
    bench = Bench(mode)
    bench.disk.fail(fault)
    bench.write(b"one")
    bench.world.run_for(1.0)
    (error,) = bench.ended
    assert isinstance(error, StoreError)
    assert words in str(error)
    bench.disk.repair()
    with pytest.raises(AssertionError, match="failed before"):
        bench.disk.write(batch(b"two"))


def test_after_a_failed_sync_all_or_nothing_is_there() -> None:
    left = set()
    for seed in range(20):
        bench = Bench(seed=seed)
        bench.disk.fail()
        bench.write(b"one")
        bench.world.run_for(1.0)
        left.add(tuple(bench.parts()))
    assert left == {(), (b"one",)}


def test_who_writes_changes_with_every_start_unless_the_close_was_clean() -> None:
    disk = Disk(World(), "a")
    first = disk.boot()
    crashed = disk.boot()
    assert crashed.incarnation == first.incarnation + 1
    assert crashed.writer != first.writer
    disk.close(clean=True)
    assert disk.boot().writer == crashed.writer
    assert disk.boot().incarnation == first.incarnation + 2
