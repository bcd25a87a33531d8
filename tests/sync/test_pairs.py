"""Two nodes: whatever they differ in, and whatever is lost on the way, they end with the same agents."""

import pytest

from replication.messages import Check, Heads, Holdings, InSync, Sums
from tests.sync.world import Delta, World


def filled(world, count, names="ab", prefix="agent"):
    """The same agents on each of the nodes."""
    for k in range(count):
        world["a"].update(f"{prefix}-{k}")
        for name in names:
            if name != "a":
                world[name].agents.write(f"{prefix}-{k}", world["a"].agents.versions[f"{prefix}-{k}"])
    assert len({world[name].agents.summary.root for name in names}) == 1


def test_two_nodes_in_sync_say_so_in_few_bytes():
    world = World("ab")
    filled(world, 100)
    world.run(10)
    assert len(world.log) > 10 and set(world.kinds()) == {"Check", "InSync"}
    assert max(size for *_, size in world.log) <= 64
    assert world["a"].sync.agreed["b"].root == world["a"].agents.summary.root
    assert not world.deltas and not world["a"].agents.loads


def test_each_gets_what_it_lacks():
    world = World("ab")
    filled(world, 2000)
    for k in range(20):
        world["a"].update(f"agent-{k}")
        world["b"].update(f"agent-{k + 10}")
        world["a"].update(f"only-a-{k}")
        world["b"].update(f"only-b-{k}")
    world.converge(3)
    assert world.deltas <= 80 + 10  # each difference once, and the ten on both sides both ways


def test_an_agent_known_to_be_behind_is_brought_in_one_round_trip():
    world = World("ab", sync_interval=1000.0)
    world.lose = lambda sender, receiver, thing: isinstance(thing, Check)
    filled(world, 10)
    world["b"].update("agent-3", 100)
    world.run(0.1)
    before = len(world.log)
    world["a"].sync.repair("b", ["agent-3"], world.now)
    world["a"].act()
    world.run(0.1)
    assert world.are_equal() and world.deltas == 1
    assert world.kinds()[before:] == ["Holdings"]
    assert sum(size for *_, size in world.log[before:]) <= 150


def test_the_one_that_is_ahead_may_ask_as_well():
    world = World("ab", sync_interval=1000.0)
    world.lose = lambda sender, receiver, thing: isinstance(thing, Check)
    filled(world, 10)
    world["b"].update("agent-3", 100)
    world.run(0.1)
    world["b"].sync.repair("a", ["agent-3", "nowhere"], world.now)
    world["b"].act()
    world.run(0.1)
    assert world.are_equal() and world.deltas == 1


def test_a_late_joiner_gets_everything_soon():
    world = World("ab")
    for k in range(5000):
        world["a"].update(f"agent-{k}")
    world.converge(5)
    assert world.deltas <= 5000 * 1.05
    assert world.bytes() < 5000 * 80


@pytest.mark.parametrize("kind", [Check, InSync, Sums, Heads, Holdings, Delta])
@pytest.mark.parametrize("place", range(3))
def test_a_message_lost_at_any_step_costs_time_only(kind, place):
    world = World("ab", seed=place)
    filled(world, 500)
    for k in range(10):
        world["a"].update(f"agent-{k}")
        world["b"].update(f"new-{k}")
    seen = 0

    def lose(sender, receiver, thing):
        nonlocal seen
        seen += isinstance(thing, kind)
        return isinstance(thing, kind) and seen == place + 1

    world.lose = lose
    world.converge(10)


def test_nothing_is_believed_in_sync_before_it_is():
    world = World("ab", seed=3, loss=0.3)
    filled(world, 300)
    for k in range(50):
        world["a"].update(f"agent-{k}")
    world.lose = lambda sender, receiver, thing: isinstance(thing, Delta)
    world.run(20)
    assert not world["a"].sync.agreed and not world["b"].sync.agreed
    world.heal()
    world.converge()
    world.run(5)
    assert world["a"].sync.agreed["b"].root == world["b"].sync.agreed["a"].root == world["a"].agents.summary.root


def test_an_old_agreement_is_not_taken_for_a_new_one():
    world = World("ab")
    root = world["a"].agents.summary.root
    world["a"].update("x")
    world["a"].sync.step("b", InSync(root), 0.0)
    assert not world["a"].sync.agreed


def test_a_bad_network_only_delays():
    for seed in range(3):
        world = World("abc", seed=seed, loss=0.3, doubled=0.3, delay=(0.001, 2.0))
        for k in range(300):
            world["abc"[k % 3]].update(f"agent-{k % 200}")
        world.run(20)
        world.heal()
        world.converge(30)


def test_a_partition_heals_within_ten_rounds():
    world = World("abcde", seed=1)
    world.cut_off = {frozenset(pair) for pair in ("ac", "ad", "ae", "bc", "bd", "be")}
    for k in range(600):
        world["abcde"[k % 5]].update(f"agent-{k % 400}")
        world.run(0.1)
    world.run(30)
    assert world["a"].agents.summary.root == world["b"].agents.summary.root != world["c"].agents.summary.root
    world.heal()
    world.converge(10)
