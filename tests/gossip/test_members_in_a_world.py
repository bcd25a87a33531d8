"""Many memberships together: what everybody holds in the end, how soon, and whom nobody may bury.

The bounds are wider than what was measured, by half or more. With HYPOTHESIS_PROFILE=nightly the
long histories last the hour, else some minutes of it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.config import Config
from replication.messages import Members, Message, encode
from tests.gossip.members_world import World

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
HOUR = 3600.0


def settled(seed: int, count: int, **conditions: object) -> World:
    world = World(seed, **conditions)  # type: ignore[arg-type]
    world.start(count)
    world.run_until(world.all_alive, within=30)
    return world


@pytest.mark.parametrize("count", [3, 10, 50])
def test_all_find_each_other_through_one_seed(count: int) -> None:
    world = World(1)
    names = world.start(count)
    assert world.run_until(world.all_alive, within=5)
    world.run(10)
    assert len(world.events("joined")) == count * (count - 1)
    assert not world.events("suspected", "dead", "left", "conflict")
    assert names == sorted(world.hosts)


@pytest.mark.parametrize(("count", "within"), [(2, 10), (3, 12), (10, 13), (50, 16)])
def test_a_crash_is_known_to_all(count: int, within: float) -> None:
    world = settled(2, count)
    world.crash("n01")
    world.run_until(lambda: world.all_hold("n01", "dead"), within)
    world.run(60)
    assert {event.name for _, _, event in world.events("suspected", "dead")} == {"n01"}
    assert len(world.events("dead")) == count - 1


def test_half_of_the_nodes_crash_at_once() -> None:
    world = settled(3, 20)
    for name in sorted(world.hosts)[10:]:
        world.crash(name)
    world.run_until(lambda: all(world.all_hold(name, "dead") for name in sorted(world.hosts)[10:]), within=60)
    assert {event.name for _, _, event in world.events("dead")} == set(sorted(world.hosts)[10:])


def test_nobody_is_buried_alive_when_a_fifth_of_all_messages_is_lost() -> None:
    world = settled(4, 20, loss=0.2, doubling=0.1)
    world.run(HOUR if NIGHTLY else 120)
    assert world.total("suspicions_raised") > 10  # so there was something to refute
    assert not world.events("dead", "left", "conflict")
    world.loss = 0.0
    world.run_until(world.all_alive, within=20)


@pytest.mark.parametrize("count", [2, 3])
def test_a_small_cluster_does_not_flap(count: int) -> None:
    world = settled(5, count)
    world.run(HOUR)
    assert not world.events("suspected", "dead")
    world.loss = 0.2
    world.run(HOUR if NIGHTLY else 300)
    assert not world.events("dead")


def test_a_link_that_carries_one_way_only_kills_nobody() -> None:
    world = settled(6, 10)
    world.cut = lambda source, target: (source, target) == ("n03", "n07")
    world.run(300)
    assert not world.events("dead")
    world.heal()
    world.run_until(world.all_alive, within=10)


def test_a_node_that_hears_nothing_is_dead_until_it_hears_again() -> None:
    world = settled(7, 10)
    world.cut = lambda source, target: target == "n03"
    world.run_until(lambda: world.all_hold("n03", "dead"), within=30)
    world.run(120)
    assert {event.name for name, _, event in world.events("dead") if name != "n03"} == {"n03"}
    world.heal()
    world.run_until(world.all_alive, within=20)


@pytest.mark.parametrize(("count", "seconds"), [(2, HOUR), (4, HOUR), (50, HOUR if NIGHTLY else 60)])
def test_two_halves_find_each_other_again(count: int, seconds: float) -> None:
    world = settled(8, count)
    names = sorted(world.hosts)
    world.partition(names[: count // 2], names[count // 2 :])
    world.run(seconds)
    assert len(world.events("dead")) == 2 * (count // 2) ** 2
    world.heal()
    world.run_until(world.all_alive, within=10)
    world.run(20)
    assert len(world.events("dead")) == 2 * (count // 2) ** 2
    assert world.all_alive()


@pytest.mark.parametrize("seconds", [10, 12, 15, 20])
def test_what_the_other_half_declared_dead_is_not_believed_of_neighbours(seconds: float) -> None:
    world = settled(9, 20)
    names = sorted(world.hosts)
    left, right = names[:10], names[10:]
    world.partition(left, right)
    world.run(seconds)
    world.heal()
    world.run_until(world.all_alive, within=10)
    world.run(20)
    assert not [name for name, _, event in world.events("dead") if (name in left) == (event.name in left)]


def test_a_node_that_left_is_not_mourned() -> None:
    world = settled(10, 20)
    world.hosts["n05"].membership.leave(world.now)
    world._act("n05")
    world.crash("n05")
    world.run_until(lambda: world.all_hold("n05", "left"), within=5)
    world.run(120)
    assert not world.events("suspected", "dead")
    assert len(world.events("left")) == 19


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("higher", [0, 1])
def test_a_restarted_node_is_alive_at_once_and_needs_no_seed(left: bool, higher: int) -> None:
    world = settled(11, 10)
    if left:
        world.hosts["n04"].membership.leave(world.now)
        world._act("n04")
    world.crash("n04")
    world.run_until(lambda: world.all_hold("n04", "left" if left else "dead"), within=30)
    world.restart("n04", higher=higher)
    world.run_until(world.all_alive, within=10)
    world.run(60)
    assert world.all_alive()
    assert not world.events("conflict")


def test_a_cluster_that_was_down_finds_itself_without_seeds() -> None:
    world = settled(12, 10)
    world.run(2)  # what was learnt last is noted
    for name in world.hosts:
        world.crash(name)
    for name in list(world.hosts):
        world.restart(name)
    world.run_until(world.all_alive, within=20)


def test_what_is_noted_changes_only_with_the_members() -> None:
    world = settled(13, 10, loss=0.1)
    world.run(10)
    noted = {name: host.notes_written for name, host in world.hosts.items()}
    world.run(120)
    world.sleep("n02", 15)
    world.run(60)
    assert world.events("suspected")
    assert world.events("dead", about="n02")
    assert {name: host.notes_written for name, host in world.hosts.items()} == noted
    assert all(count <= 5 for count in noted.values())


def test_messages_and_queues_stay_small() -> None:
    longest = {True: 0, False: 0}

    def measure(source: str, target: str, message: Message) -> None:
        kind = isinstance(message, Members)
        longest[kind] = max(longest[kind], len(encode(message)))

    world = World(14, loss=0.1)
    world.watch = measure
    for number in range(30):
        world.add(f"n{number:02}", "n00" if number else None, zone="z" * 400, rack=str(number))
    world.run_until(world.all_alive, within=30)
    for name in sorted(world.hosts)[20:]:
        world.crash(name)
    world.run(60)
    assert longest[False] <= 1300
    assert longest[True] <= 30 * 600
    assert all(host.membership.status()["claims_queued"] <= 30 for host in world.hosts.values())
    world.run(120)
    assert all(host.membership.status()["claims_queued"] <= 5 for host in world.hosts.values() if host.up)


def test_an_idle_cluster_says_little() -> None:
    world = settled(15, 20)
    world.run(30)
    world.sent.clear()
    world.run(100)
    assert world.sent["Ping"] <= 20 * 101
    assert world.sent["Pong"] <= 20 * 101
    assert world.sent["Members"] <= 20 * 2 * 4


def test_two_nodes_of_one_name_are_told_of_loudly() -> None:
    world = settled(16, 3)
    world.hosts["n09"] = world.hosts["n01"]
    impostor = world.add("n09", "n00")
    impostor._roster.own = impostor._roster.own._replace(name="n01")  # the links of a real node would refuse it
    world.run(60)
    assert world.events("conflict", about="n01")
    assert len(world.events("conflict")) <= 4


HISTORY = """
import hashlib
from tests.gossip.members_world import World
world = World(99, loss=0.1, doubling=0.1)
world.trace = []
world.start(12)
world.run(20)
world.crash("n03"); world.sleep("n05", 6)
world.partition([f"n{i:02}" for i in range(6)], [f"n{i:02}" for i in range(6, 12)])
world.run(30)
world.heal(); world.restart("n03")
world.run(30)
print(len(world.trace), hashlib.sha256("".join(world.trace).encode()).hexdigest())
"""


@pytest.mark.no_sanitizer
def test_one_seed_is_one_history_under_any_hash_seed() -> None:
    def histories() -> Iterator[str]:
        for hash_seed in ("0", "4711"):
            environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
            yield subprocess.run(
                [sys.executable, "-c", HISTORY],
                cwd=Path.cwd(),
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout

    first, second = histories()
    assert first == second
    assert int(first.split()[0]) > 2000


def test_a_probe_must_end_before_the_next_begins() -> None:
    with pytest.raises(ValueError, match=r"probe_timeout=2\.0 must be less than probe_interval=1\.0"):
        World(1, config=Config(probe_timeout=2.0)).add("a")
