"""Changes that came to more than `change_bytes_max` ended the node, as a disk that fails does, and all its callers."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

import replication
from tests.replication.agents import AgentState, bump, count

LARGE: dict[str, Any] = {"consistency": "replicated", "timeout": 5}


def test_one_that_is_too_large_is_refused_and_the_node_goes_on() -> None:
    with replication.open(schema=AgentState, change_bytes_max=10_000) as node:
        with pytest.raises(replication.Overloaded, match="change_bytes_max") as caught:
            node.update_state("a", lambda s: s.logs.append("x" * 20_000), **LARGE)
        assert caught.value.limit == "change_bytes_max"
        assert list(node.read_state("a").logs) == []
        assert node.update_state("a", bump, **LARGE).outcome == "committed"


def test_many_that_fit_are_served_though_together_they_do_not() -> None:
    with replication.open(schema=AgentState, change_bytes_max=10_000) as node:

        async def work() -> list[Any]:
            calls = [node.aupdate_state("a", lambda s: s.logs.append("x" * 1_000), **LARGE) for _ in range(40)]
            return await asyncio.gather(*calls)

        assert {result.outcome for result in asyncio.run(work())} == {"committed"}
        assert len(node.read_state("a").logs) == 40


def test_what_weaker_changes_were_made_before_does_not_end_the_node() -> None:
    with replication.open(schema=AgentState, change_bytes_max=10_000) as node:
        for _ in range(20):
            node.update_state("a", lambda s: s.logs.append("x" * 1_000))
        with suppress(replication.Overloaded):  # if it cannot be taken along in several entries
            node.update_state("a", bump, **LARGE)
        node.update_state("a", bump)
        assert count(node, "a") in (1, 2)
        assert node.status()["last_error"] is None
