"""Whatever two or three nodes differ in and whatever the network does, they end with the same agents.

And below it: sums do not depend on the order of changes, and chunks give the whole or nothing.
"""

from hypothesis import given
from hypothesis import strategies as st

from replication.config import Config
from replication.messages import Chunk
from replication.storage.buckets import no_sums, sums_of
from replication.sync.summary import Summary
from replication.transfer import Incoming, name_of
from tests.sync.world import World

AGENTS = [f"agent-{k}" for k in range(12)]
NAMES = "abc"

steps = st.one_of(
    st.tuples(st.just("update"), st.sampled_from(NAMES), st.sampled_from(AGENTS)),
    st.tuples(st.just("many"), st.sampled_from(NAMES), st.integers(1, 300)),
    st.tuples(st.just("run"), st.floats(0.0, 3.0)),
    st.tuples(st.just("cut"), st.sampled_from(["ab", "ac", "bc"])),
    st.tuples(st.just("mend"), st.sampled_from(["ab", "ac", "bc"])),
    st.tuples(st.just("repair"), st.sampled_from(NAMES), st.sampled_from(NAMES), st.lists(st.sampled_from(AGENTS))),
    st.tuples(st.just("meet"), st.sampled_from(NAMES)),
)


def do(world, step):
    match step:
        case "update", name, agent_id:
            world[name].update(agent_id)
        case "many", name, count:
            for k in range(count):
                world[name].update(f"{name}-{k}")
        case "run", seconds:
            world.run(seconds)
        case "cut", pair:
            world.cut_off.add(frozenset(pair))
        case "mend", pair:
            world.cut_off.discard(frozenset(pair))
        case "repair", name, peer, agent_ids:
            world[name].sync.repair(peer, agent_ids, world.now)
            world[name].act()
        case "meet", name:
            world[name].sync.peers((), world.now)
            world.introduce(world[name])


@given(
    history=st.lists(steps, max_size=25),
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.2, 0.5]),
    doubled=st.sampled_from([0.0, 0.3]),
    slowest=st.sampled_from([0.01, 0.5, 5.0]),
    tight=st.booleans(),
)
def test_nodes_converge_once_the_network_heals(history, seed, loss, doubled, slowest, tight):
    limits = {"sync_message_bytes": 600, "sync_asks_max": 30, "sync_loads_max": 5} if tight else {}
    world = World(NAMES, seed=seed, loss=loss, doubled=doubled, delay=(0.001, slowest), **limits)
    for step in history:
        do(world, step)
        world.check_agreements()
    every = {agent_id for node in world.nodes.values() for agent_id in node.agents.versions}
    world.heal()
    world.delay = (0.001, 0.01)
    world.converge(200)
    assert all(set(node.agents.versions) == every for node in world.nodes.values())
    world.run(12)
    root = world["a"].agents.summary.root
    for node in world.nodes.values():
        assert {agreement.root for agreement in node.sync.agreed.values()} == {root}
        assert not node.sync.diverged


@given(
    heads=st.dictionaries(st.text(min_size=1, max_size=5), st.binary(min_size=16, max_size=16), max_size=20),
    order=st.randoms(use_true_random=False),
)
def test_sums_do_not_depend_on_the_order_of_changes(heads, order):
    summary = Summary(no_sums())
    changes = [(agent_id, b"", b"first" * 3 + b"!") for agent_id in heads]
    changes += [(agent_id, b"first" * 3 + b"!", digest) for agent_id, digest in heads.items()]
    order.shuffle(changes)
    for change in changes:
        summary.change([change])
    expected = Summary(sums_of(heads.items()))
    assert (summary.root == 0) == (not heads)
    assert summary._levels == expected._levels


@given(data=st.data(), delta=st.binary(min_size=1, max_size=200))
def test_chunks_in_any_order_give_the_whole_once_or_nothing(data, delta):
    incoming = Incoming(Config())
    name = name_of("agent", delta)
    cuts = st.tuples(st.integers(0, len(delta)), st.integers(0, 60), st.booleans())
    handed_out = []
    covered = set()
    for offset, size, spoil in data.draw(st.lists(cuts, max_size=30)):
        piece = delta[offset : offset + size]
        if spoil and data.draw(st.booleans()):
            incoming.chunk("other", Chunk(name, "agent", offset, len(delta), bytes(len(piece))), 0.0)
        report, whole = incoming.chunk("a", Chunk(name, "agent", offset, len(delta), piece), 0.0)
        covered |= set(range(offset, offset + len(piece)))
        if whole is not None:
            handed_out.append(whole)
            assert covered == set(range(len(delta)))
        assert report is None or report.offset <= len(covered)
    for offset in range(0, len(delta), 50):  # an honest sender goes on from the start
        _, whole = incoming.chunk("a", Chunk(name, "agent", offset, len(delta), delta[offset : offset + 50]), 1.0)
        if whole is not None:
            handed_out.append(whole)
    assert handed_out == [delta]
