"""What finding differences costs, and that no limit is passed whatever the peer says."""

from random import Random

import pytest

from crdt import VersionVector
from replication.config import Config
from replication.core import Send
from replication.messages import Check, Head, Heads, Holding, Holdings, NodeSums, Range, Sums, encode
from replication.storage.buckets import BUCKETS, bucket_key, bucket_of, key_of
from replication.sync.comparison import Comparison
from replication.sync.core import Sync
from replication.sync.summary import Summary
from tests.sync.test_pairs import filled
from tests.sync.world import Agents, World

MILLION = 1_000_000


def test_ten_changed_agents_of_a_million_cost_kilobytes():
    """Of the million, only the agents that anybody looks at are made; the other buckets just have sums."""
    world = World("ab", sync_interval=1000.0)
    changed = [f"agent-{k * 1000}" for k in range(10)]
    buckets = {bucket_of(agent_id) for agent_id in changed}
    neighbours = [agent_id for agent_id in map("agent-{}".format, range(MILLION)) if bucket_of(agent_id) in buckets]
    assert len(neighbours) > 100
    sums = Random(1).randbytes(8 * BUCKETS)
    for node in world.nodes.values():
        agents = node.agents
        for bucket in range(BUCKETS):
            agents.summary._buckets[bucket] = int.from_bytes(sums[8 * bucket : 8 * bucket + 8], "little")
        for bucket in buckets:
            agents.summary._buckets[bucket] = 0
        agents.summary.__init__(agents.summary._buckets)
        agents.summary.on_change = node.sync._changed
        for agent_id in neighbours:
            agents.write(agent_id, VersionVector({"a": 1}))
    for k, agent_id in enumerate(changed):
        world["ab"[k % 2]].update(agent_id)
    assert world.run(2, world.are_equal)
    world.run(1)
    assert world.deltas == 10
    # Both sides found it at the same time, because both had just met.
    assert world.bytes() <= 2 * 12_000, world.bytes()
    assert len(world.log) <= 2 * 9


def test_no_message_is_longer_than_its_bound():
    world = World("ab", seed=2, sync_message_bytes=4096, sync_asks_max=100, sync_loads_max=20)
    filled(world, 3000)
    for k in range(3000):
        world["ab"[k % 2]].update(f"agent-{k}")
    for k in range(1000):
        world["ab"[k % 2]].update(f"new-{k}")
    world.converge(60)
    sizes = {}
    for *_, message, size in world.log:
        sizes[type(message)] = max(size, sizes.get(type(message), 0))
    assert max(sizes.values()) <= 2 * 4096 + 200, sizes  # agents to ask for, and agents to offer
    asked = max(len(message.holdings) for *_, message, _ in world.log if isinstance(message, Holdings))
    assert asked <= 100


def test_nodes_with_other_limits_understand_each_other():
    world = World("ab", others={"a": {"sync_message_bytes": 1 << 30, "sync_asks_max": 10_000, "sync_loads_max": 5000},
                                "b": {"sync_message_bytes": 600, "sync_asks_max": 7, "sync_loads_max": 3}})  # fmt: skip
    filled(world, 300)
    for k in range(100):
        world["ab"[k % 2]].update(f"agent-{k}")
        world["ab"[k % 2]].update(f"new-{k}")
    world.converge(120)


def test_a_version_too_long_for_any_message_is_not_sent(monkeypatch):
    monkeypatch.setattr("replication.sync.core._VERSION_BYTES_MAX", 1000)
    world = World("ab")
    filled(world, 10)
    writers = {f"writer-{k:04}" * 3: 1 for k in range(200)}
    for name in "ab":
        world[name].agents.write("agent-3", VersionVector({**writers, name: 7}))
    world.converge(10)
    assert max(size for *_, size in world.log) < 2000 and world.deltas >= 2


@pytest.mark.parametrize("busy", [False, True])
def test_agents_that_never_rest_cost_no_more_than_allowed(busy):
    """Every message between the two is late, so that whatever is found has changed when it comes."""
    world = World("ab", sync_bytes_per_second=20_000, sync_message_bytes=4096, delay=(0.05, 0.1))
    filled(world, 3000)
    world.run(2)
    if busy:
        for _ in range(100):
            for k in range(0, 3000, 3):
                world["ab"[k % 2]].update(f"agent-{k}")
            world.run(0.1)
    else:
        world.run(10)
    assert world.bytes(2.0) / 10 <= 20_000
    assert busy == (world.bytes(2.0) / 10 > 1000)
    world.converge(120)


def test_a_peer_that_takes_nothing_is_asked_ever_less():
    world = World("ab")
    filled(world, 100)
    world["a"].refuses = True
    for k in range(30):
        world["b"].update(f"agent-{k}")
    world.run(10)
    first = world.deltas
    world.run(60)
    assert first <= 30 * 4 and world.deltas - first <= 30 * 5
    assert world["a"].sync.status()["waits"] <= 30
    world["b"].update("after")
    world["a"].refuses = False
    world.converge(70)


def test_what_a_lone_peer_cannot_bring_another_does():
    world = World("abc")
    filled(world, 100, "abc")
    world["b"].update("agent-1")
    world["c"].agents.write("agent-1", world["b"].agents.versions["agent-1"])
    world.lose = lambda sender, receiver, thing: (sender, receiver) == ("b", "a") and type(thing).__name__ == "Delta"
    world.converge(20)


def test_an_agent_on_its_way_in_chunks_is_not_asked_for():
    world = World("ab")
    filled(world, 100)
    world["b"].update("agent-1")
    world["a"].agents.on_their_way.add("agent-1")
    world.run(20)
    assert not world.are_equal() and not world.deltas
    world["a"].agents.on_their_way.clear()
    world.converge(5)


def test_the_same_agent_is_asked_of_one_peer_at_a_time():
    world = World("abcdef")
    filled(world, 1000, "abcde")
    world.converge(10)
    assert world.deltas <= 1000


def test_what_one_peer_sent_in_vain_is_fetched_of_another_at_once():
    world = World("abc")
    world.run(1)
    sync = world["a"].sync
    for peer in "bc":
        sync.fetch(peer, "agent", world.now)
        assert sync.ready().send == (Send(peer, Holdings((Holding("agent", b"", b""),), False, False)),)
    assert sync.status()["asks"] == 1


def test_equal_versions_in_different_states_are_reported_not_sent():
    world = World("ab")
    filled(world, 100)
    for name in "ab":
        world[name].agents.flaws["agent-7"] = name.encode()
        world[name].agents.write("agent-7", world[name].agents.versions["agent-7"])
    world.run(10)
    for name, peer in ("ab", "ba"):
        assert set(world[name].diverged) == {("agent-7", peer)}
        assert world[name].sync.status()["diverged"]["agent-7"]["peer"] == peer
        assert not world[name].sync.agreed
    assert not world.deltas
    world["b"].agents.flaws["agent-7"] = b"a"
    world["b"].agents.write("agent-7", world["b"].agents.versions["agent-7"])
    world.run(5)
    assert not world["a"].sync.diverged and not world["b"].sync.diverged


def hostile():
    head = Head("agent-1", b"d" * 16)
    at = bucket_key(bucket_of("agent-1"))
    yield Sums((NodeSums(4, 0, bytes(128)),), False)
    yield Sums((NodeSums(2**40, 0, bytes(128)),), False)
    yield Sums((NodeSums(0, 1, bytes(128)),), False)
    yield Sums((NodeSums(3, 16**3, bytes(128)),), False)
    yield Sums((NodeSums(0, 0, bytes(127)),), False)
    yield Sums((NodeSums(0, 0, b""),), False)
    yield Heads((Range("g", "0000", ()),), False)
    yield Heads((Range("0000", "0000", ()),), False)
    yield Heads((Range("", "g", ()),), False)
    yield Heads((Range("zzzz", "g", ()),), False)
    yield Heads((Range("00", "gg", ()),), False)
    yield Heads((Range("0000", "g", (head._replace(digest=b""),)),), False)
    yield Heads((Range("0000", "g", (head._replace(digest=b"d" * 17),)),), False)
    yield Heads((Range("0000", "g", (head._replace(agent_id=""),)),), False)
    yield Heads((Range("0000", "g", (head._replace(agent_id="é" * 300),)),), False)
    yield Heads((Range(at, at + "agent-0", (head,)),), False)
    yield Heads(
        (Range("0000", "g", tuple(sorted([head, Head("b", head.digest)], key=lambda h: key_of(h[0]))[::-1])),), False
    )
    yield Heads((Range("0000", "g", (head, head)),), False)
    yield Heads((Range("0000", "g", ()),) * 3, False)
    yield Heads((Range("0000", "g", ()),) * 100_000, False)
    yield Heads((Range("0000", "g", (head,) * 100_000),), False)
    yield Holdings((Holding("", b"", b""),), True, False)
    yield Holdings((Holding("x" * 513, b"", b""),), True, False)
    yield Holdings((Holding("agent-1", b"garbage", b"d" * 16),), True, False)
    yield Holdings((Holding("agent-1", b"", b"d" * 15),), True, False)


@pytest.mark.parametrize("message", list(hostile()), ids=lambda message: f"{type(message).__name__} {message!r:.60}")
def test_a_senseless_message_does_nothing(message):
    agents = Agents()
    for k in range(50):
        agents.write(f"agent-{k}", VersionVector({"a": 1}))
    sync = Sync(agents.summary, agents, Config(), Random(1))
    sync.peers(("b",), 0.0)
    sync.ready()
    sync.step("b", message, 0.0)
    assert sync.status()["invalid"] == 1 and not sync.agreed
    assert not sync.ready().send


def test_absurd_lists_are_cut():
    agents = Agents()
    for k in range(3000):
        agents.write(f"agent-{k}", VersionVector({"a": 1}))
    config = Config(sync_asks_max=100)
    for message in (
        Sums((NodeSums(0, 0, b"\1" * 128),) * 30_000, True),
        Sums((NodeSums(3, 7, b"\1" * 128),) * 30_000, True),
        Sums((NodeSums(0, 0, bytes(128)),) * 30_000, True),
        Holdings(tuple(Holding(f"fake-{k}", b"", b"d" * 16) for k in range(50_000)), True, True),
        Holdings((Holding("agent-1", b"", b""),) * 50_000, True, True),
        Holdings((Holding("agent-1", VersionVector().to_bytes(), b"d" * 16),) * 50_000, True, True),
        Heads((Range("0000", "g", ()),), True),
    ):
        sync = Sync(agents.summary, agents, config, Random(1))
        sync.peers(("b",), 0.0)
        sync.ready()
        sync.step("b", message, 0.0)
        sent = sync.ready().send
        assert len(sent) <= 256 + 3
        for wish in sent:
            if isinstance(wish, Send):
                assert len(encode(wish.message)) <= 2 * 65536
        assert len(sync._asks) <= 50
        agents.loads = 0


def test_a_flood_from_one_peer_leaves_the_others_their_share():
    agents = Agents()
    for k in range(3000):
        agents.write(f"agent-{k}", VersionVector({"a": 1}))
    sync = Sync(agents.summary, agents, Config(), Random(1))
    sync.peers(("b", "c"), 0.0)
    sync.ready()
    for k in range(1000):
        sync.step("b", Heads((Range("0000", "g", ()),), False), k / 1000)
    assert sum(len(encode(wish.message)) for wish in sync.ready().send) <= 1.6 * (1 << 20)
    sync.step("c", Check(1), 1.0)
    assert [wish.peer for wish in sync.ready().send] == ["c"]


def test_a_bucket_too_full_for_one_message_is_gone_through_all_the_same(monkeypatch):
    monkeypatch.setattr("tests.sync.world.key_of", lambda agent_id: bucket_key(5) + agent_id)
    monkeypatch.setattr("replication.sync.summary.bucket_of", lambda agent_id: 5)
    monkeypatch.setattr("replication.sync.comparison.key_of", lambda agent_id: bucket_key(5) + agent_id)
    world = World("ab", sync_message_bytes=4096, sync_interval=0.2)
    filled(world, 1000)
    for k in range(0, 1000, 77):
        world["ab"[k % 2]].update(f"agent-{k}")
    world.converge(30)


def test_keys_sort_by_bucket_and_id():
    agent_ids = [f"agent-{k}" for k in range(1000)] + ["é", "\0", "a\0b", "\U0001f600"]
    keys = sorted(map(key_of, agent_ids))
    assert [int(key[:4], 16) for key in keys] == sorted(map(bucket_of, agent_ids))
    assert [key.encode() for key in keys] == sorted(key.encode() for key in keys)


def test_a_summary_does_not_depend_on_the_order_of_changes():
    rng = Random(5)
    heads = {f"agent-{k}": rng.randbytes(16) for k in range(300)}
    summaries = []
    for _ in range(3):
        agents = Agents().summary
        order = list(heads)
        rng.shuffle(order)
        agents.change([(agent_id, b"", b"x" * 16) for agent_id in order])
        rng.shuffle(order)
        for agent_id in order:
            agents.change([(agent_id, b"x" * 16, heads[agent_id])])
        summaries.append(agents)
    first = summaries[0]
    assert first._levels == Summary(first._levels[-1][:])._levels
    assert all(each._levels == first._levels for each in summaries) and first.root
    for agent_id, digest in heads.items():
        first.change([(agent_id, digest, b"")])
    assert first.root == 0 and not any(map(any, first._levels))


def test_what_was_not_looked_at_is_not_taken_for_missing():
    agents = Agents()
    for k in range(100):
        agents.write(f"agent-{k}", VersionVector({"a": 1}))
    comparison = Comparison(agents.summary, agents, 1 << 16, 5, 512)
    shared = sorted([f"agent-{k}" for k in range(0, 100, 3)], key=key_of)
    theirs = sorted([*shared, "theirs"], key=key_of)
    heads = tuple(Head(agent_id, agents.digest(agent_id) or b"d" * 16) for agent_id in theirs)
    found = comparison.differ(Heads((Range("0000", "g", heads),), False))
    assert len(found.offers) == 5 and found.more and not found.differing
    assert set(found.missing) <= {"theirs"}
