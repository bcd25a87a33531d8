"""Many threads and several event loops at once: nothing lost, nobody waits for a stranger's function."""

import asyncio
import threading
import time

import pytest

import replication
from tests.replication.agents import bump, count


def together(*functions):
    """Run them in threads of their own; the first error comes out."""
    errors = []

    def guarded(fn):
        try:
            fn()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(fn,)) for fn in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if errors:
        raise errors[0]


def test_threads_on_one_agent_lose_nothing(node):
    together(*[lambda: [node.update_state("a", bump) for _ in range(3000)]] * 4)
    assert count(node, "a") == 12_000


def test_waiting_threads_share_their_syncs(open_node):
    node = open_node()

    def work():
        for _ in range(25):
            assert node.update_state("a", bump, durable=True).outcome == "durable"

    together(*[work] * 8)
    rounds = node.status()["flush"]["rounds"]
    assert count(node, "a") == 200 and rounds < 200
    node.close()
    assert count(open_node(), "a") == 200


def test_a_slow_function_holds_up_its_own_agent_only(node):
    inside, leave = threading.Event(), threading.Event()

    def slow(state):
        bump(state)
        inside.set()
        assert leave.wait(30)

    holder = threading.Thread(target=lambda: node.update_state("slow", slow))
    holder.start()
    assert inside.wait(30)
    try:
        node.update_state("other", bump, durable=True, timeout=10)
        with pytest.raises(replication.Timeout, match="agent 'slow' was busy"):
            node.update_state("slow", bump, timeout=0.01)
        with pytest.raises(replication.Timeout):
            node.read_state("slow", timeout=0)
        asyncio.run(node.aupdate_state("other", bump, durable=True))
        with pytest.raises(replication.Timeout):
            asyncio.run(node.aupdate_state("slow", bump, timeout=0.01))
    finally:
        leave.set()
        holder.join()
    assert count(node, "slow") == 1 and count(node, "other") == 2


def test_flush_waits_for_a_function_that_is_running(open_node):
    node = open_node(flush_interval=0.0)
    inside, leave = threading.Event(), threading.Event()
    node.update_state("a", bump)

    def slow(state):
        bump(state)
        inside.set()
        leave.wait(30)

    holder = threading.Thread(target=lambda: node.update_state("a", slow, durable=True))
    holder.start()
    inside.wait(30)
    threading.Timer(0.05, leave.set).start()
    node.flush(timeout=30)
    holder.join()
    node.close()
    assert count(open_node(), "a") == 2


def test_closing_while_others_work(open_node):
    node = open_node()
    served = [0] * 4

    def work(lane):
        try:
            while True:
                node.update_state(f"agent-{lane}", bump)
                served[lane] += 1
        except replication.Closed:
            pass

    def close():
        while min(served) < 200:
            time.sleep(0)
        node.close()

    together(*[lambda lane=lane: work(lane) for lane in range(4)], close)
    again = open_node()
    assert [count(again, f"agent-{lane}") for lane in range(4)] == served
    assert "~1." in again.status()["writer"]  # the close was clean: every dot that was given out is on disk


def test_several_event_loops_and_threads_at_once(open_node):
    node = open_node()

    async def lane():
        await asyncio.gather(*[node.aupdate_state("a", bump, durable=k % 5 == 0) for k in range(50)])

    together(*[lambda: asyncio.run(lane())] * 3, lambda: [node.update_state("a", bump) for _ in range(50)])
    assert count(node, "a") == 200


def test_the_twins_of_every_call(open_node):
    async def main():
        async with open_node() as node:
            result = await node.aupdate_state("a", lambda s: (bump(s), "v")[1], durable=True)
            assert (result.value, result.outcome) == ("v", "durable") and result.elapsed > 0
            assert (await node.aread_state("a")).value["counters"] == 1
            assert await node.aread_state("a", lambda s: s.counters.value) == 1
            assert (await node.aread_state("never")).value["counters"] == 0
            with pytest.raises(replication.ConsistencyError):
                await node.aupdate_state("a", lambda s: s.budget.increment())
            with pytest.raises(TypeError, match="agent_id"):
                await node.aupdate_state(5, bump)
            result = await node.aupdate_state("b", bump, "strong")
            assert (result.outcome, await node.aread_state("b", lambda s: s.counters.value, consistency="strong")) == (
                "committed",
                1,
            )
            with pytest.raises(replication.ReplicationError, match="wait for itself"):
                await node.aupdate_state("a", lambda s: node.update_state("b", bump))
            await node.aupdate_state("a", bump)
            await node.aflush()
            assert node.status()["agents_dirty"] == 0
        for call in (lambda: node.aupdate_state("a", bump), lambda: node.aread_state("a"), node.aflush):
            with pytest.raises(replication.Closed):
                await call()
        await node.aclose()

    asyncio.run(main())
    assert count(open_node(), "a") == 2


def test_the_event_loop_goes_on_while_the_disk_is_slow(open_node):
    node = open_node()
    begin, gate = node._storage.begin, threading.Event()
    node._storage.begin = lambda batch: (gate.wait(30), begin(batch))[1]

    async def main():
        waiting = asyncio.ensure_future(node.aupdate_state("a", bump, durable=True))
        await asyncio.sleep(0)
        await node.aupdate_state("b", bump)
        assert not waiting.done()
        with pytest.raises(replication.OutcomeUnknown):
            await node.aupdate_state("c", bump, durable=True, timeout=0.01)
        gate.set()
        assert (await waiting).outcome == "durable"

    asyncio.run(main())


def test_a_cancelled_wait_gives_the_agent_free(node):
    inside, leave = threading.Event(), threading.Event()
    holder = threading.Thread(target=lambda: node.update_state("a", lambda s: (inside.set(), leave.wait(30))[0]))
    holder.start()
    inside.wait(30)

    async def main():
        waiting = asyncio.ensure_future(node.aupdate_state("a", bump))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        leave.set()

    asyncio.run(main())
    holder.join()
    node.update_state("a", bump, timeout=10)
    assert count(node, "a") == 1


def test_a_crowd_of_callers_does_not_wait_for_the_flush_interval(open_node):
    node = open_node(flush_interval=100.0)
    started = time.perf_counter()

    async def many():
        for _ in range(3):
            await asyncio.gather(*(node.aupdate_state("a", bump, durable=True) for _ in range(50)))

    asyncio.run(many())
    assert count(node, "a") == 150 and time.perf_counter() - started < 20
