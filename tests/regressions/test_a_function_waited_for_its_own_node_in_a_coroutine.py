"""`aflush` and `aclose`, called by a function that the node was running, waited for that function for ever."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import replication
from crdt import Composite, GCounter


class State(Composite):
    n: GCounter


CALLS: list[Callable[[replication.Node], Any]] = [
    lambda node: asyncio.run(asyncio.wait_for(node.aflush(), 5)),
    lambda node: asyncio.run(asyncio.wait_for(node.aclose(), 5)),
    lambda node: node.add_voter("b"),
    lambda node: node.remove_voter("b"),
    lambda node: node.transfer_leadership("b"),
]


@pytest.mark.parametrize("call", CALLS)
def test_it_is_told_that_it_would_wait_for_itself(tmp_path: Path, call: Callable[[replication.Node], Any]) -> None:
    with replication.open(tmp_path, schema=State) as node:
        node.update_state("x", lambda s: s.n.increment())
        with pytest.raises(replication.ReplicationError, match="would wait for itself"):
            node.update_state("x", lambda s: call(node))
        assert node.read_state("x").n.value == 1


@pytest.mark.parametrize(("timeout", "error"), [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError)])
def test_aflush_checks_its_timeout_as_flush_does(timeout: Any, error: type[Exception]) -> None:
    async def flush() -> None:
        async with replication.open(schema=State) as node:
            await node.aflush(timeout)

    with pytest.raises(error, match="timeout="):
        asyncio.run(flush())
