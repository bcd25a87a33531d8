"""Nodes that are stopped or slow: they must not take it out on others (Lifeguard)."""

import random

import pytest

from replication.config import Config
from replication.gossip.membership import Membership
from replication.gossip.probes import Prober
from tests.gossip.members_world import World

WITHOUT_LIFEGUARD = Config(suspicion_max_factor=1, local_health_max=1)


def world_with_a_sleeper(seconds: float, pauses: int, awake: float, config: Config | None = None) -> World:
    world = World(1, config=config)
    world.start(20)
    world.run(30)
    for _ in range(pauses):
        world.sleep("n03", seconds)
        world.run(seconds + awake)
    world.run_until(world.all_alive, within=30)
    return world


def accused_by_the_sleeper(world: World) -> int:
    return world.hosts["n03"].membership.status()["suspicions_raised"]


def suspected(world: World, besides: str) -> int:
    """How often anybody suspected anybody besides one."""
    return sum(event.name != besides for _, _, event in world.events("suspected"))


# It wakes for a moment at a time: enough to send a probe, and to sleep while the answer comes.
@pytest.mark.parametrize("seconds", [5, 15])
def test_whoever_wakes_accuses_nobody(seconds: float) -> None:
    world = world_with_a_sleeper(seconds, pauses=10, awake=0.02)
    assert accused_by_the_sleeper(world) == 0
    assert suspected(world, besides="n03") == 0
    assert world.hosts["n03"].membership.status()["pauses"] == 10


@pytest.mark.parametrize("seconds", [5, 15])
def test_without_lifeguard_it_would(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prober, "wake", lambda self, now, slept: None)
    world = world_with_a_sleeper(seconds, pauses=10, awake=0.02, config=WITHOUT_LIFEGUARD)
    assert accused_by_the_sleeper(world) >= 3
    assert suspected(world, besides="n03") >= 19


def test_five_seconds_are_no_death() -> None:
    world = world_with_a_sleeper(5, pauses=10, awake=10)
    assert not world.events("dead")
    assert len(world.events("suspected", about="n03")) <= 10 * 19


def test_fifteen_seconds_are_and_end_on_waking() -> None:
    world = world_with_a_sleeper(15, pauses=1, awake=10)
    assert len(world.events("dead", about="n03")) == 19
    woke = 30 + 15
    assert max(when for _, when, _ in world.events("alive", about="n03")) < woke + 3


def slow_node(config: Config) -> tuple[int, int]:
    """Accusations by a node that reads everything late, and how often healthy nodes were suspected."""
    world = World(2, config=config)
    world.start(20)
    world.run(20)
    world.slow["n04"] = 1.2
    world.run(40)
    assert not world.events("dead")
    return world.hosts["n04"].membership.status()["suspicions_raised"], suspected(world, besides="n04")


def test_a_slow_node_doubts_itself_first() -> None:
    raised, suspicions = slow_node(Config())
    raised_without, suspicions_without = slow_node(WITHOUT_LIFEGUARD)
    assert raised * 20 < raised_without
    assert suspicions * 20 < suspicions_without


def test_local_health_follows_lag_and_recovers_with_answers() -> None:
    world = World(3)
    world.start(3)
    world.run(10)
    membership = world.hosts["n01"].membership
    membership.lag(0.1)
    assert membership.status()["local_health"] == 1
    for _ in range(20):
        membership.lag(0.4)
    assert membership.status()["local_health"] == Config().local_health_max
    world.run(60)
    assert membership.status()["local_health"] == 1


def test_time_asleep_does_not_count_against_suspects() -> None:
    world = World(4)
    world.start(5)
    world.run(10)
    world.crash("n01")
    world.run_until(lambda: world.all_hold("n01", "suspect"), within=5)
    world.partition(["n00"], ["n01", "n02", "n03", "n04"])  # so that nobody tells it of the verdict
    world.sleep("n00", 100)
    world.run(102)
    assert world.views()["n00"]["n01"] == "suspect"


def test_a_pause_voids_the_probe_that_was_running() -> None:
    membership = Membership("a", "a:1", 1, Config(), random.Random(1), {})
    membership.met("b", "b:1", 1, 0.0)
    now = 0.0
    while membership.status()["probes"] == 0:
        now += 0.1
        membership.tick(now)
    membership.tick(now + 60.0)
    for tick in range(1, 4):
        membership.tick(now + 60.0 + tick * 0.1)
    assert membership.alive() == ("b",)
    assert membership.status()["probes_failed"] == 0
