"""`watch`: every change in order, a bounded buffer, a slow reader told what it missed, resuming."""

import asyncio
import threading
from contextlib import suppress

import pytest

import replication
from tests.replication.agents import AgentState, bump, count


def drain(watch):
    """Everything that is there now."""
    changes = []
    while True:
        try:
            changes.append(watch.get(timeout=0))
        except replication.Timeout:
            return changes


def test_each_changed_field_is_one_change(node):
    with node.watch() as watch:
        result = node.update_state("a", lambda s: (bump(s), s.config.update({"k": 1})))
        counters, config = sorted(drain(watch), key=lambda change: change.field != "counters")
        assert (counters.agent_id, counters.field, counters.before, counters.after) == ("a", "counters", 0, 1)
        assert (config.field, config.before, config.after) == ("config", {}, {"k": 1})
        assert counters.origin == node.name and counters.consistency == "reactive"
        assert counters.version == result.version and counters.missed == 0


def test_what_changes_nothing_or_raises_is_not_told(node):
    with node.watch() as watch:
        node.update_state("a", lambda s: None)
        with pytest.raises(ZeroDivisionError):
            node.update_state("a", lambda s: (bump(s), 1 // 0))
        assert drain(watch) == []


def test_the_pattern_chooses_agents(node):
    with node.watch("agent-?") as some, node.watch("b*") as others:
        for agent_id in ("agent-1", "agent-12", "b", "agent-2"):
            node.update_state(agent_id, bump)
        assert [change.agent_id for change in drain(some)] == ["agent-1", "agent-2"]
        assert [change.agent_id for change in drain(others)] == ["b"]


def test_the_changes_of_one_agent_come_in_order_from_all_threads(open_node):
    node = open_node(watch_buffer=100_000)
    with node.watch("a") as watch:
        threads = [
            threading.Thread(target=lambda: [node.update_state("a", bump) for _ in range(500)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [(change.before, change.after) for change in drain(watch)] == [(k, k + 1) for k in range(2000)]


def test_a_slow_reader_is_told_what_it_missed(open_node):
    node = open_node(watch_buffer=5)
    with node.watch() as watch:
        for k in range(30):
            node.update_state(f"agent-{k % 3}", bump)
        changes = drain(watch)
        assert [change.field for change in changes] == ["counters"] * 5 + [None] * 3
        assert {change.agent_id: change.missed for change in changes[5:]} == {"agent-0": 8, "agent-1": 8, "agent-2": 9}
        for change in changes[5:]:
            assert change.after["counters"] == 10 and change.version == node.read_state(change.agent_id).version
        node.update_state("agent-0", bump)  # and from here on it sees single changes again
        assert [(change.before, change.after) for change in drain(watch)] == [(10, 11)]


def test_too_many_agents_to_name_become_one_count(open_node):
    node = open_node(watch_buffer=5)
    with node.watch() as watch:
        for k in range(100):
            node.update_state(f"agent-{k}", bump)
        changes = drain(watch)
        assert [change.field for change in changes] == ["counters"] * 5 + [None] * 6
        assert changes[-1].agent_id is None and changes[-1].missed == 90


def test_a_stream_resumes_from_versions(open_node):
    node = open_node()
    seen = {agent_id: node.update_state(agent_id, bump).version for agent_id in ("a", "b")}
    node.update_state("b", bump)
    node.update_state("c", bump)
    node.close()
    node = open_node()
    with node.watch(since=seen) as watch:
        changes = drain(watch)
        assert sorted((c.agent_id, c.field, c.after["counters"]) for c in changes) == [("b", None, 2), ("c", None, 1)]
        node.update_state("a", bump)
        assert [(c.agent_id, c.before, c.after) for c in drain(watch)] == [("a", 1, 2)]
    with node.watch("b", since=seen["b"]) as watch:
        assert [c.after["counters"] for c in drain(watch)] == [2]
    with node.watch("b", since=node.read_state("b").version) as watch:
        assert drain(watch) == []


def test_what_a_summary_covers_does_not_come_again(node):
    version = node.update_state("a", bump).version
    with node.watch("a", since=version) as watch:
        node.update_state("a", bump)
        assert [(change.field, change.after["counters"]) for change in [watch.get(5)]] == [(None, 2)]
        assert drain(watch) == []


def test_iterating_waits_and_ends_with_the_node(open_node):
    node = open_node()
    watch = node.watch("a")
    got = []
    reader = threading.Thread(target=lambda: got.extend(watch))
    reader.start()
    for _ in range(10):
        node.update_state("a", bump)
    node.close()
    reader.join(10)
    assert not reader.is_alive() and [change.after for change in got] == list(range(1, 11))
    with pytest.raises(replication.Closed):
        watch.get()


def test_a_closed_stream_costs_nothing_more(node):
    watch = node.watch()
    watch.close()
    node.update_state("a", bump)
    assert list(watch) == [] and node.status()["watches"] == 0


def test_an_event_loop_reads_what_threads_change(open_node):
    node = open_node()

    async def main():
        async with node.awatch("a") as watch:
            changing = asyncio.to_thread(lambda: [node.update_state("a", bump) for _ in range(50)])
            task = asyncio.ensure_future(changing)
            seen = [(await anext(watch)).after for _ in range(50)]
            await task
            return seen

    assert asyncio.run(main()) == list(range(1, 51))


def test_an_event_loop_is_told_what_it_missed_and_of_the_end(open_node):
    node = open_node(watch_buffer=2)

    async def main():
        watch = node.awatch()
        for _ in range(10):
            node.update_state("a", bump)
        seen = [await anext(watch) for _ in range(3)]
        asyncio.get_running_loop().call_soon(watch.close)
        return [(change.after, change.missed) for change in seen], [change async for change in watch]

    seen, rest = asyncio.run(main())
    assert seen[:2] == [(1, 0), (2, 0)] and seen[2][0]["counters"] == 10 and seen[2][1] == 8
    assert rest == [] and count(node, "a") == 10


def test_what_the_group_committed_says_so(node):
    watch = node.watch("a")
    node.update_state("a", bump, "replicated")
    change = next(watch)
    assert (change.origin, change.consistency) == ("replicated", "replicated")


def test_a_reader_that_is_cancelled_loses_nothing():
    async def read(watch, count):
        """So many changes; between any two of them a reader is cancelled."""
        changes = []
        while len(changes) < count:
            task = asyncio.ensure_future(anext(watch))
            await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                changes.append(await task)
            if len(changes) < count:
                changes.append(await asyncio.wait_for(anext(watch), 10))
        return changes

    with replication.open(schema=AgentState, watch_buffer=1) as node:
        with node.watch("b*") as watch:
            for number in range(10):
                node.update_state(f"b{number % 3}", bump)
            assert sum(max(1, change.missed) for change in asyncio.run(read(watch, 3))) == 10
        with node.watch("b*", since={}) as watch:
            assert {change.agent_id for change in asyncio.run(read(watch, 3))} == {"b0", "b1", "b2"}


def test_who_was_slow_hears_how_much_was_missed_also_after_the_node_is_closed(open_node):
    node = open_node(watch_buffer=1)
    watch = node.watch()
    for number in range(10):
        node.update_state(f"b{number % 3}", bump)
    node.close()
    assert sum(max(1, change.missed) for change in watch) == 10


def test_a_number_that_another_node_made_a_truth_value_is_told():
    from crdt import Composite, LWWRegister
    from replication.simulation import Cluster

    class One(Composite):
        one: LWWRegister
        other: LWWRegister

    cluster = Cluster(One, "ab", seed=1)
    watch = cluster["b"].watch("x")
    for value in (1, True, 1.0, float("nan")):
        cluster["a"].update_state("x", lambda s, value=value: s.one.set(value), "crdt_enhanced", acks=1)
    cluster["a"].update_state("x", lambda s: s.other.set(1), "crdt_enhanced", acks=1)
    watch.close()
    told = [(change.field, type(change.after)) for change in watch]
    assert told == [("one", int), ("one", bool), ("one", float), ("one", float), ("other", int)]


def test_what_changes_while_a_folded_agent_is_read_is_told(monkeypatch):
    with replication.open(schema=AgentState, watch_buffer=1) as node, node.watch() as watch:
        for agent_id in ("a", "b", "b"):
            node.update_state(agent_id, bump)
        assert watch.get(timeout=0).agent_id == "a"
        read = watch._read

        def read_and_change(agent_id):
            found = read(agent_id)
            monkeypatch.setattr(watch, "_read", read)
            node.update_state(agent_id, bump)
            return found

        monkeypatch.setattr(watch, "_read", read_and_change)
        first, second = watch.get(timeout=0), watch.get(timeout=0)
        assert (first.after["counters"], first.missed) == (2, 2)
        assert (second.field, second.after, second.missed) == ("counters", 3, 0)


def test_a_read_that_is_refused_within_an_update_fn_loses_nothing():
    with replication.open(schema=AgentState, watch_buffer=1) as node:
        for since in (None, {}):
            with node.watch("[ab]", since=since) as watch:
                for agent_id in ("a", "b", "b"):
                    node.update_state(agent_id, bump)
                told = [watch.get(timeout=0)]
                with pytest.raises(replication.ReplicationError, match="called the same node"):
                    node.update_state("c", lambda s, watch=watch: watch.get(timeout=0) and None)
                told += drain(watch)
            assert {change.agent_id for change in told} == {"a", "b"}
