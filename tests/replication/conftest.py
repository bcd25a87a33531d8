"""Nodes on real directories, for the tests of this folder."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import replication
from tests.replication.agents import AgentState


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A path where no store is yet."""
    return tmp_path / "store"


@pytest.fixture
def open_node(path: Path) -> Iterator[Callable[..., replication.Node]]:
    """`open_node(**arguments)`: a node on `path`; all of them are closed in the end."""
    nodes: list[replication.Node] = []

    def open_one(where: Path | None = path, **arguments: Any) -> replication.Node:
        nodes.append(replication.open(where, schema=AgentState, **arguments))
        return nodes[-1]

    yield open_one
    for node in nodes:
        with contextlib.suppress(replication.ReplicationError):
            node.close()


@pytest.fixture
def node(open_node: Callable[..., replication.Node]) -> replication.Node:
    """A node on an empty store."""
    return open_node()
