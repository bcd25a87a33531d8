"""A call had two effects, or was called committed, when it was repeated with its op_id in another mode."""

import asyncio
from contextlib import suppress
from threading import Thread

import pytest

import replication
from crdt import VersionVector
from replication.errors import OutcomeUnknown, ReplicationError
from replication.operations import encode_result
from replication.simulation import Cluster
from replication.strong.rounds import Rounds
from tests.replication.agents import AgentState, bump, count


def counts(cluster: Cluster) -> list[int]:
    cluster.heal()
    cluster.run(10)
    cluster.run_until_quiet()
    return [count(cluster[name], "x") for name in "abc"]


def made() -> Cluster:
    cluster = Cluster(AgentState, "abc", seed=1, bootstrap="abc")
    cluster.run_until(lambda: cluster["a"].status()["replicated"]["leader"] != "")
    return cluster


def test_once_the_group_is_back() -> None:
    cluster = made()
    cluster.partition("a|bc")
    cluster.run(5)
    served = cluster["a"].update_state("x", bump, "replicated", op_id="once", fallback=("crdt_enhanced",))
    assert served.consistency == "crdt_enhanced"
    cluster.heal()
    cluster.run(10)
    again = cluster["a"].update_state("x", bump, "replicated", op_id="once", fallback=("crdt_enhanced",), timeout=10)
    assert again.replayed
    assert counts(cluster) == [1, 1, 1]


def test_after_an_unknown_outcome() -> None:
    cluster = made()
    leader = cluster["a"].status()["replicated"]["leader"]
    cluster.partition([[leader], [name for name in "abc" if name != leader]])
    with pytest.raises(OutcomeUnknown):
        cluster[leader].update_state("x", bump, "replicated", op_id="once", timeout=0.2)
    cluster.run(5)
    with suppress(ReplicationError):  # it is under way: that nobody can tell what comes of it is an answer, too
        cluster[leader].update_state("x", bump, "replicated", op_id="once", timeout=5, fallback=("crdt_enhanced",))
    assert counts(cluster) == [1, 1, 1]


def test_in_a_weaker_mode_and_then_by_the_log() -> None:
    with replication.open(schema=AgentState) as node:
        node.update_state("x", bump, "crdt_enhanced", op_id="once")
        assert node.update_state("x", bump, "replicated", op_id="once").replayed
        assert count(node, "x") == 1


def test_by_the_log_and_then_in_a_weaker_mode() -> None:
    with replication.open(schema=AgentState) as node:
        node.update_state("x", bump, "replicated", op_id="once")
        assert node.update_state("x", bump, "crdt_enhanced", op_id="once").replayed
        assert count(node, "x") == 1


def test_what_a_weaker_mode_served_was_called_committed() -> None:
    with replication.open(schema=AgentState) as node:
        node.update_state("x", bump, op_id="once")
        again = node.update_state("x", bump, "replicated", op_id="once")
        assert (again.outcome, again.consistency) == ("applied", "reactive")


def test_in_a_weaker_mode_while_the_log_has_no_verdict() -> None:
    cluster = made()
    with pytest.raises(OutcomeUnknown):
        cluster["a"].update_state("x", bump, "replicated", op_id="once", timeout=0)
    with pytest.raises(OutcomeUnknown, match="put to the group before"):
        cluster["a"].update_state("x", bump, "crdt_enhanced", op_id="once")
    assert counts(cluster) == [1, 1, 1]
    assert cluster["a"].update_state("x", bump, "crdt_enhanced", op_id="once").replayed


def test_in_a_weaker_mode_while_the_function_for_the_log_runs() -> None:
    outcomes: list[str] = []

    def weaker() -> None:
        try:
            node.update_state("x", bump, op_id="once")
        except OutcomeUnknown:
            outcomes.append("unknown")

    def slow(state: AgentState) -> None:
        thread = Thread(target=weaker)
        thread.start()
        thread.join()
        bump(state)

    with replication.open(schema=AgentState) as node:
        node.update_state("x", slow, "replicated", op_id="once")
        assert (outcomes, count(node, "x")) == (["unknown"], 1)


def test_in_a_weaker_mode_just_before_the_function_for_the_log_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    served = Rounds._served

    def served_meanwhile(rounds: Rounds, agent_id: str, op_id: str) -> object:
        monkeypatch.undo()
        before = served(rounds, agent_id, op_id)
        thread = Thread(target=node.update_state, args=("x", bump), kwargs={"op_id": "once"})
        thread.start()
        thread.join()
        return before

    with replication.open(schema=AgentState) as node:
        node.update_state("x", lambda s: None, "replicated")
        monkeypatch.setattr(Rounds, "_served", served_meanwhile)
        assert node.update_state("x", bump, "replicated", op_id="once").replayed
        assert count(node, "x") == 1


def test_in_a_weaker_mode_while_the_verdict_comes() -> None:
    asked: list[str] = []

    def is_under_way(agent_id: str, op_id: str) -> bool:
        asked.append("whether it is under way")
        return len(asked) == 1

    def committed(op_id: str) -> bytes | None:
        asked.append("what was committed")
        return None if len(asked) == 1 else record

    record = encode_result("once", "x", "replicated", VersionVector().to_bytes(), None, 1000)
    with replication.open(schema=AgentState) as node:
        node._transactions.is_under_way, node._transactions.committed = is_under_way, committed
        assert node.update_state("x", bump, op_id="once").replayed
        assert count(node, "x") == 0


def test_many_in_all_modes_at_one_time() -> None:
    async def ask(node: replication.Node, number: int) -> None:
        mode = ("reactive", "crdt_enhanced", "replicated")[number % 3]
        with suppress(OutcomeUnknown):
            await node.aupdate_state("x", bump, mode, op_id=f"op {number % 40}")

    async def ask_all(node: replication.Node) -> None:
        await asyncio.gather(*(ask(node, number) for number in range(200)))

    with replication.open(schema=AgentState) as node:
        asyncio.run(ask_all(node))
        for number in range(40):
            node.update_state("x", bump, "replicated", op_id=f"op {number}")
        assert count(node, "x") == 40
