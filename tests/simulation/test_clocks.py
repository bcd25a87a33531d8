"""Clocks that disagree."""

from replication.simulation.clocks import EPOCH_MS, VirtualClock
from replication.simulation.world import World


def test_a_clock_goes_with_virtual_time() -> None:
    world = World()
    clock = VirtualClock(world)
    world.run_for(1.5)
    assert clock() == EPOCH_MS + 1500


def test_a_jump_goes_either_way_and_stays() -> None:
    world = World()
    clock = VirtualClock(world, offset_ms=100)
    clock.jump(-5000)
    world.run_for(10.0)
    assert clock() == EPOCH_MS + 10_000 - 4900


def test_a_drifting_clock_gains_with_time_and_keeps_what_it_gained() -> None:
    world = World()
    clock = VirtualClock(world, drift=0.01)
    world.run_for(100.0)
    assert clock.error_ms == 1000.0
    clock.set_drift(0.0)
    world.run_for(100.0)
    assert clock.error_ms == 1000.0
    clock.correct()
    assert clock() == EPOCH_MS + 200_000
