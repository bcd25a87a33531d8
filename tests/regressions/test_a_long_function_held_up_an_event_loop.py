"""A coroutine that updated in the mode `replicated` waited in its event loop's thread for other threads' functions."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import replication
from tests.replication.agents import AgentState, bump, count


@pytest.mark.parametrize("mode", ["replicated", "reactive"])
def test_the_loop_goes_on_while_a_thread_runs_a_long_function(mode: str) -> None:
    with replication.open(schema=AgentState) as node:
        node.update_state("hot", bump, "replicated")
        has_begun, may_end, ended = threading.Event(), threading.Event(), []

        def slow(state: Any) -> None:
            has_begun.set()
            ended.append(may_end.wait(5))
            bump(state)

        holder = threading.Thread(target=node.update_state, args=("hot", slow, mode))
        holder.start()
        assert has_begun.wait(5)

        async def work() -> None:
            waiting = [asyncio.create_task(node.aupdate_state("hot", bump, "replicated")) for _ in range(3)]
            await asyncio.sleep(0.02)
            with pytest.raises(replication.Timeout, match=r"'hot' was busy for 0\.02 s"):
                await node.aupdate_state("hot", bump, "replicated", timeout=0.02)
            may_end.set()
            await asyncio.gather(*waiting)

        asyncio.run(work())
        holder.join(5)
        assert ended[0], "the function ended because the event loop did not get to tell it to"
        assert count(node, "hot") == 5


def test_the_loop_does_not_read_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with replication.open(tmp_path, schema=AgentState) as node:
        for agent_id in ("a", "b"):
            node.update_state(agent_id, bump, "replicated")
    with replication.open(tmp_path, schema=AgentState) as node:
        readers: list[threading.Thread] = []
        load = node._storage.load
        monkeypatch.setattr(
            node._storage, "load", lambda each: (readers.append(threading.current_thread()), load(each))[1]
        )

        async def work() -> list[int]:
            # The log brings what a snapshot does not stand for, and so has most agents in memory.
            node._store.close()
            node._store._closed = False
            return [
                (await node.aupdate_state(each, lambda s: (bump(s), s.counters.value)[1], "replicated")).value
                for each in ("a", "b", "new")
            ]

        assert asyncio.run(work()) == [2, 2, 1]
        assert readers and threading.main_thread() not in readers


def test_a_thread_gives_up_when_its_time_is_over() -> None:
    with replication.open(schema=AgentState) as node:
        node.update_state("hot", bump, "replicated")
        has_begun, may_end = threading.Event(), threading.Event()

        def slow(state: Any) -> None:
            has_begun.set()
            may_end.wait(5)

        holder = threading.Thread(target=node.update_state, args=("hot", slow, "replicated"))
        holder.start()
        assert has_begun.wait(5)
        with pytest.raises(replication.Timeout, match=r"'hot' was busy for 0\.05 s"):
            node.update_state("hot", bump, "replicated", timeout=0.05)
        may_end.set()
        holder.join(5)
        assert count(node, "hot") == 1
