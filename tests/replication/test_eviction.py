"""Agents leave memory when it is full and come back as they were; the file stays near the live state."""

import random
import threading
import time

import pytest

import replication
from replication.config import Config
from replication.event_loop import EventLoopRuntime
from replication.identity import succeed
from replication.node import Node
from replication.storage.memory import MemoryStorage
from tests.replication.agents import AgentState, bump, count


@pytest.mark.parametrize("on_disk", [True, False])
def test_agents_come_and_go_unnoticed(open_node, path, on_disk):
    node = open_node(path if on_disk else None, max_agents_in_memory=10)
    rng = random.Random(5)
    expected = dict.fromkeys(range(40), 0)
    for _ in range(2000):
        agent = rng.randrange(40)
        node.update_state(f"agent-{agent}", bump)
        expected[agent] += 1
        assert node.status()["agents_in_memory"] <= 10
    assert {agent: count(node, f"agent-{agent}") for agent in expected} == expected
    assert len(list(node.agents())) == 40
    assert node.status()["updates"] == 2000


def test_one_writer_goes_on_where_it_was(open_node):
    node = open_node(max_agents_in_memory=1)
    for k in range(20):
        node.update_state(f"agent-{k % 2}", bump, durable=True)
    for agent in ("agent-0", "agent-1"):
        assert dict(node.read_state(agent).version) == {node.status()["writer"]: 10}


def test_threads_that_share_a_small_memory_lose_nothing(open_node):
    node = open_node(max_agents_in_memory=3, flush_interval=0.0)

    def work(seed):
        rng = random.Random(seed)
        for _ in range(300):
            node.update_state(f"agent-{rng.randrange(9)}", bump)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(count(node, f"agent-{k}") for k in range(9)) == 1200


def test_reading_brings_agents_back_too(open_node):
    node = open_node(max_agents_in_memory=2)
    for k in range(6):
        node.update_state(f"agent-{k}", lambda s, k=k: s.config.update({"k": k}))
    node.flush()
    assert [node.read_state(f"agent-{k}").config["k"] for k in range(6)] == list(range(6))


def test_a_disk_that_takes_nothing_is_told_as_overload():
    gate = threading.Event()

    class Stuck(MemoryStorage):
        path = "a stuck disk"

        def write(self, batch):
            gate.wait(30)
            super().write(batch)

    storage = Stuck(succeed(None, "n", "", "aaaaaa"))
    node = Node(storage, AgentState, Config(max_agents_in_memory=2, memory_wait=0.05), "default", EventLoopRuntime())
    try:
        with pytest.raises(replication.Overloaded, match="max_agents_in_memory") as caught:
            for k in range(3):
                node.update_state(f"agent-{k}", bump)
        assert caught.value.limit == "max_agents_in_memory"
        gate.set()
        node.update_state("agent-3", bump)
    finally:
        gate.set()
        node.close()


def live_bytes(node):
    return sum(len(node.read_state(agent_id).to_bytes()) for agent_id in node.agents())


def test_the_file_stays_near_the_live_state(open_node):
    """Ten agents overwritten two thousand times each: far more written than is alive."""
    node = open_node(checkpoint_bytes=64 << 10, flush_interval=0.0)
    written = 0
    for k in range(2000):
        for agent in range(10):
            value = f"{k}" * 50
            node.update_state(f"agent-{agent}", lambda s, k=k, v=value: s.config.update({f"key-{k % 20}": v}))
        written += 10 * len(value)
        if k % 10 == 0:
            node.flush()
    node.flush()
    node.flush()  # by now the round before has also folded its log, which it does after waking its callers
    alive = live_bytes(node)
    assert written > 50 * alive / 10
    status = node.status()
    # Twice for snapshot and deltas, pages two thirds full, and the log up to its limit.
    assert status["bytes_on_disk"] < 4 * alive + (64 << 10) + (64 << 10), (status["bytes_on_disk"], alive)
    node.close()
    assert open_node().status()["bytes_on_disk"] < 4 * alive + (40 << 10)


def test_a_file_that_was_large_gives_space_back(open_node, path):
    node = open_node(checkpoint_bytes=64 << 10)
    for k in range(200):
        node.update_state(f"agent-{k}", lambda s: s.config.update({"big": "x" * 20_000}))
    node.flush()
    node.close()
    large = (path / "store.db").stat().st_size
    node = open_node(checkpoint_bytes=64 << 10)
    for _ in range(3):  # each agent's snapshot is rewritten once its deltas outgrow it
        for k in range(200):
            node.update_state(f"agent-{k}", lambda s: s.config.update({"big": "y" * 15_000}))
        node.flush()
    for _ in range(40):
        for k in range(200):
            node.update_state(f"agent-{k}", lambda s: s.config.update({"big": "small" * 100}))
        node.flush()
    node.close()
    assert large > 4_000_000 and (path / "store.db").stat().st_size < large / 5
    node = open_node()
    assert node.read_state("agent-7").config["big"] == "small" * 100


def test_a_clock_that_was_set_back_does_not_hide_what_is_stored(open_node):
    node = open_node()
    an_hour_ahead = int(time.time() * 1000) + 3_600_000
    node._store.schema = lambda writer: AgentState(writer, clock=lambda: an_hour_ahead)
    for k in range(3):
        node.update_state("a", lambda s, k=k: s.config.update({k: k}), durable=True)
    node.close()
    assert open_node().read_state("a").value["config"] == {0: 0, 1: 1, 2: 2}


def test_many_deltas_of_one_agent_are_folded(open_node):
    node = open_node(compaction_rows_max=10, compaction_bytes_min=10_000_000)
    for _ in range(95):
        node.update_state("a", bump, durable=True)
    node.close()
    loaded = open_node()._storage.load("a")
    assert len(loaded.parts) <= 11 and loaded.next_number == 95


def test_what_waits_for_its_base_stays_in_memory_and_lands_only_with_a_mark(open_node):
    """Looking whether an agent may leave once landed what waited, and nothing took it to the disk."""
    node = open_node(max_agents_in_memory=2)
    other = AgentState("other")
    other.config["first"] = 1
    first, version = other.to_bytes(), other.version
    other.config["second"] = 2
    second = other.delta(version)
    slot = node._store.acquire("a")
    slot.state._deliver(second, 1 << 20)
    slot.state._merge_bytes(first)
    stored = slot.state.version
    slot.release()
    assert not node._store._leave(slot)
    slot.acquire()
    assert slot.state.version == stored
    slot.release()


def test_memory_full_of_what_waits_is_no_reason_to_wait_for_ever(open_node):
    node = open_node(max_agents_in_memory=2, memory_wait=0.5)
    for k in range(2):
        other = AgentState("other")
        other.config["first"] = 1
        version = other.version
        other.config["second"] = 2
        slot = node._store.acquire(f"waiting-{k}")
        slot.state._deliver(other.delta(version), 1 << 20)
        slot.release()
    node.update_state("a", bump)
    assert count(node, "a") == 1
