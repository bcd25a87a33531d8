"""Arguments and errors in corners that look harmless."""

import asyncio
import enum
import sys
from pathlib import Path
from typing import Any

import pytest

import replication
from replication.errors import Unavailable
from tests.replication.agents import AgentState, bump, count


class Names(enum.StrEnum):
    AGENT = "agent"


@pytest.mark.parametrize("mode", ["reactive", "eventually_consistent", "crdt_enhanced", "replicated"])
def test_a_member_of_an_enum_names_what_its_value_does(mode: str) -> None:
    with replication.open(schema=AgentState) as node:
        node.update_state(Names.AGENT, bump, mode)
        asyncio.run(node.aupdate_state(Names.AGENT, bump, mode))
        node.update_state("agent", bump, mode)
        assert count(node, Names.AGENT) == 3 and list(node.agents()) == ["agent"]
        assert [type(agent_id) for agent_id in node.agents()] == [str]


@pytest.mark.parametrize(
    "wrong", [{"acks": False}, {"acks": 0.0}, {"acks": None}, {"fallback": None}, {"fallback": ""}, {"fallback": 0}]
)
def test_what_looks_like_nothing_is_refused_in_every_mode(wrong: dict[str, Any]) -> None:
    with replication.open(schema=AgentState) as node:
        for mode in ("reactive", "eventually_consistent", "crdt_enhanced", "replicated"):
            with pytest.raises((TypeError, ValueError)):
                node.update_state("a", bump, mode, **wrong)
            with pytest.raises((TypeError, ValueError)):
                asyncio.run(node.aupdate_state("a", bump, mode, **wrong))
        assert list(node.agents()) == []


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_of_the_function_is_no_reason_to_fall_back(is_async: bool) -> None:
    calls: list[int] = []

    def ask_another(state: AgentState) -> None:
        bump(state)
        calls.append(1)
        raise Unavailable("another cluster is away")

    with replication.open(schema=AgentState) as node:
        node.update_state("a", bump, "replicated")
        how: dict[str, Any] = {"consistency": "replicated", "fallback": ("crdt_enhanced", "reactive")}
        with pytest.raises(Unavailable, match="another cluster is away"):
            if is_async:
                asyncio.run(node.aupdate_state("a", ask_another, **how))
            else:
                node.update_state("a", ask_another, **how)
        assert calls == [1] and count(node, "a") == 1


def test_results_of_a_node_without_a_disk_do_not_pile_up() -> None:
    with replication.open(schema=AgentState, operations_max=100) as node:
        for number in range(1000):
            node.update_state("a", bump, op_id=str(number))
        table = node._store.operations
        assert len(table) == 100 and sum(map(len, table._untaken.values())) == 100
        assert node.update_state("a", bump, op_id="999").replayed
        assert not node.update_state("a", bump, op_id="0").replayed


def test_a_name_of_any_length_can_be_shared_by_processes(tmp_path: Path, root: Path) -> None:
    import subprocess

    program = "import sys, replication\nfrom tests.replication.agents import AgentState\nprint(replication.open("
    program += "sys.argv[1], schema=AgentState, name='x' * 44).name)"
    with replication.open(tmp_path / "store", schema=AgentState, name="x" * 44) as node:
        command = [sys.executable, "-c", program, str(tmp_path / "store")]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip() == "x" * 42 + "-2" and node.name == "x" * 44
