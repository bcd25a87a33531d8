"""A weaker mode that served a call in place of `replicated` dropped durable=, acks= and the time that was over."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import replication
from tests.replication.agents import AgentState, bump, count


@pytest.fixture
def node(tmp_path: Path) -> Iterator[replication.Node]:
    """A voter that has never met the others."""
    voters = ["a", "b", "c"]
    with replication.open(
        tmp_path / "a", schema=AgentState, name="a", listen="127.0.0.1:0", bootstrap=voters, flush_interval=60
    ) as node:
        yield node


def test_it_is_on_disk(node: replication.Node) -> None:
    result = node.update_state("x", bump, "replicated", durable=True, fallback=("reactive",), timeout=0.4)
    assert (result.outcome, result.consistency) == ("durable", "reactive")


def test_it_is_on_disk_for_a_coroutine(node: replication.Node) -> None:
    result = asyncio.run(node.aupdate_state("x", bump, "replicated", durable=True, fallback=("reactive",), timeout=0.4))
    assert (result.outcome, result.consistency) == ("durable", "reactive")


def test_nobody_is_there_to_acknowledge(node: replication.Node) -> None:
    with pytest.raises(replication.Unavailable, match="acks=1"):
        node.update_state("x", bump, "replicated", acks=1, fallback=("crdt_enhanced",), timeout=0.2)
    assert count(node, "x") == 0
    result = node.update_state("x", bump, "replicated", acks=1, fallback=("crdt_enhanced", "reactive"), timeout=0.2)
    assert result.consistency == "reactive"


def test_the_time_is_that_of_all_of_it(node: replication.Node) -> None:
    began = time.monotonic()
    result = node.update_state("x", bump, "replicated", fallback=("reactive",), timeout=0.4)
    assert 0.19 < result.elapsed <= time.monotonic() - began
