"""A state that a function put aside could be changed afterwards, past its mode, its transaction and the disk."""

from collections.abc import Callable
from typing import Any

import pytest

import replication
from crdt.errors import ReadOnlyError
from tests.replication.agents import AgentState, bump, count

LOOKS: list[Callable[[AgentState], Any]] = [
    lambda s: s.config.items(),
    lambda s: s.config.keys(),
    lambda s: iter(s.config),
    lambda s: iter(s.flags),
    lambda s: iter(s.logs),
]


def test_what_an_update_put_aside_is_not_changed_outside() -> None:
    kept: list[AgentState] = []
    with replication.open(schema=AgentState) as node:
        for mode in ("reactive", "crdt_enhanced", "replicated"):
            node.update_state("a", kept.append, mode)
        node.update_state("a", bump)
        for state in kept:
            for change in (bump, lambda s: s.merge(AgentState("other")), lambda s: s.config.update({"k": 1})):
                with pytest.raises(ReadOnlyError, match="update_state"):
                    change(state)
        assert count(node, "a") == 1
        node.update_state("a", bump)
        assert count(node, "a") == 2


def test_what_a_read_put_aside_is_not_changed_outside(tmp_path: Any) -> None:
    kept: list[AgentState] = []
    with replication.open(tmp_path, schema=AgentState) as node:
        node.update_state("a", bump)
    with replication.open(tmp_path, schema=AgentState) as node:
        node.read_state("a", kept.append)
        with pytest.raises(ReadOnlyError):
            bump(kept[0])
        node.update_state("a", bump)
        assert count(node, "a") == 2


@pytest.mark.parametrize("look", LOOKS)
def test_what_looks_into_a_state_does_not_leave(look: Callable[[AgentState], Any]) -> None:
    with replication.open(schema=AgentState) as node:
        node.update_state("a", bump)
        for call in (node.read_state, node.update_state):
            with pytest.raises(TypeError, match="must not leave the call"):
                call("a", look)
        assert node.read_state("a", lambda s: list(look(s))) == []
