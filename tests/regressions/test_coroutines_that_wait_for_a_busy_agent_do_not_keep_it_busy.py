"""A thread got the lock for a coroutine that had to wait, and held it until that coroutine had its turn.

With many coroutines on one agent there was always one such: what came from other nodes found it busy for seconds.
"""

import asyncio
import threading
import time

import replication
from tests.replication.agents import AgentState, bump, count


def test_a_thread_finds_the_agent_free_while_coroutines_queue_for_it(tmp_path):
    with replication.open(tmp_path, schema=AgentState) as node:
        node.update_state("hot", bump)
        has_begun, may_end = threading.Event(), threading.Event()

        def slow(state):
            has_begun.set()
            may_end.wait(10)

        holder = threading.Thread(target=node.update_state, args=("hot", slow))
        holder.start()
        has_begun.wait(10)

        async def queue():
            waiting = [asyncio.create_task(node.aupdate_state("hot", bump)) for _ in range(20)]
            await asyncio.sleep(0.05)
            may_end.set()
            holder.join()
            # The event loop is held up here: none of the coroutines can have its turn.
            # A flush may have the agent for a moment.
            slot = node._store.acquire("hot", 1.0)
            slot.release()
            await asyncio.gather(*waiting)

        asyncio.run(queue())
        assert count(node, "hot") == 21


def test_a_coroutine_gives_up_when_its_time_is_over(tmp_path):
    with replication.open(tmp_path, schema=AgentState) as node:
        node.update_state("hot", bump)
        slot = node._store.acquire_now("hot")

        async def wait():
            began = time.monotonic()
            try:
                await node.aupdate_state("hot", bump, timeout=0.05)
            except replication.Timeout as error:
                return time.monotonic() - began, str(error)

        waited, message = asyncio.run(wait())
        slot.release()
        assert 0.05 <= waited < 1.0
        assert "'hot' was busy for 0.05 s" in message
        assert count(node, "hot") == 1
