"""`replicated` on a node that has nobody else: it is the group."""

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import replication
from replication.strong.attempt import Attempt
from replication.ticket import Ticket
from tests.replication.agents import AgentState, bump, count


def alone() -> replication.Node:
    return replication.open(schema=AgentState)


@pytest.fixture
def node() -> Iterator[replication.Node]:
    with alone() as opened:
        yield opened


def spend(state: Any) -> bool:
    """Take one of five."""
    if state.budget.value <= -5:
        return False
    state.budget.decrement()
    return True


def spent(node: replication.Node) -> int:
    value: int = node.read_state("a", lambda s: -s.budget.value)
    return value


def test_it_commits_alone(node: replication.Node) -> None:
    result = node.update_state("a", lambda s: (bump(s), "done")[1], "replicated")
    assert (result.value, result.outcome, result.consistency) == ("done", "committed", "replicated")
    assert (result.acks, result.replayed) == (0, False)
    assert result.version == node.read_state("a").version
    assert node.read_state("a", lambda s: s.counters.value, consistency="replicated") == 1


def test_the_same_from_a_coroutine(node: replication.Node) -> None:
    async def work() -> Any:
        result = await node.aupdate_state("a", bump, "replicated", op_id="once")
        again = await node.aupdate_state("a", bump, "strong", op_id="once")
        return result.outcome, again.replayed, await node.aread_state("a", consistency="replicated")

    outcome, replayed, state = asyncio.run(work())
    assert (outcome, replayed, state.counters.value) == ("committed", True, 1)


def test_who_finds_somebody_who_leads_wakes_the_node_once(
    node: replication.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.update_state("a", bump, "replicated", timeout=10)
    runtime: Any = node._runtime
    calls, call_soon, caller = [], runtime.call_soon, threading.get_ident()

    def counted(fn: Any, *args: Any) -> None:
        if threading.get_ident() == caller:
            calls.append(fn)
        call_soon(fn, *args)

    def rest() -> None:
        end = time.monotonic() + 10
        while node._driver._is_ticking:
            assert time.monotonic() < end
            time.sleep(0.005)

    monkeypatch.setattr(runtime, "call_soon", counted)
    rest()
    node.update_state("a", bump, "replicated", timeout=10)
    assert len(calls) == 1
    rest()
    node.read_state("a", consistency="replicated")
    assert len(calls) == 2


def test_after_a_restart_it_goes_on(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        with replication.open(tmp_path, schema=AgentState) as node:
            assert node.update_state("a", lambda s: (bump(s), s.counters.value)[1], "replicated").value == expected
    with replication.open(tmp_path, schema=AgentState) as node:
        assert count(node, "a") == 3


def test_an_op_id_is_known_after_a_restart(tmp_path: Path) -> None:
    with replication.open(tmp_path, schema=AgentState) as node:
        first = node.update_state("a", lambda s: (bump(s), [1, "x"])[1], "replicated", op_id="once")
    with replication.open(tmp_path, schema=AgentState) as node:
        again = node.update_state("a", bump, "replicated", op_id="once")
        assert (again.replayed, again.value, again.version) == (True, [1, "x"], first.version)
        assert (again.outcome, again.consistency) == ("committed", "replicated")
        assert count(node, "a") == 1


def test_an_op_id_of_another_agent_is_a_mistake(node: replication.Node) -> None:
    node.update_state("a", bump, "replicated", op_id="once")
    with pytest.raises(ValueError, match="was used for agent 'a'"):
        node.update_state("b", bump, "replicated", op_id="once")
    for op_id in ("", "x" * 300, 5):
        with pytest.raises((ValueError, TypeError), match="op_id="):
            node.update_state("a", bump, "replicated", op_id=op_id)  # type: ignore[arg-type]
    assert (count(node, "a"), count(node, "b")) == (1, 0)


def test_a_result_that_cannot_be_remembered_undoes_the_change(node: replication.Node) -> None:
    with pytest.raises(TypeError, match="cannot be remembered"):
        node.update_state("a", lambda s: (bump(s), {1, 2})[1], "replicated", op_id="once")
    assert node.update_state("a", bump, "replicated", op_id="once").replayed is False
    assert count(node, "a") == 1


def test_one_that_raises_leaves_nothing(node: replication.Node) -> None:
    node.update_state("a", bump, "replicated")
    before = node.read_state("a")

    def half(state: Any) -> None:
        bump(state)
        state.budget.increment(100)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match=r"^stop$"):
        node.update_state("a", half, "replicated", op_id="once")
    assert node.read_state("a").to_bytes() == before.to_bytes()
    assert not node.update_state("a", bump, "replicated", op_id="once").replayed, "what raised was not served"
    assert count(node, "a") == 2


def test_one_that_changes_nothing_is_committed_all_the_same(node: replication.Node) -> None:
    node.update_state("a", bump, "replicated")
    result = node.update_state("a", lambda s: s.counters.value, "replicated")
    assert (result.value, result.outcome) == (1, "committed")
    assert result.version == node.read_state("a").version


def test_a_field_that_asks_for_it_takes_nothing_weaker(node: replication.Node) -> None:
    for mode in ("reactive", "eventually_consistent", "crdt_enhanced"):
        with pytest.raises(replication.ConsistencyError, match="budget"):
            node.update_state("a", spend, mode)
    assert [node.update_state("a", spend, "replicated").value for _ in range(7)] == [True] * 5 + [False] * 2
    assert spent(node) == 5


def test_expected_holds_it_to_a_version(node: replication.Node) -> None:
    version = node.update_state("a", bump, "replicated").version
    later = node.update_state("a", bump, "replicated", expected=version)
    with pytest.raises(replication.ConflictError, match="not at the expected version") as caught:
        node.update_state("a", bump, "replicated", expected=version)
    assert caught.value.actual == later.version
    weaker = node.update_state("a", bump, expected=later.version).version
    assert node.update_state("a", bump, "replicated", expected=weaker).outcome == "committed"
    assert count(node, "a") == 4
    with pytest.raises(TypeError, match="expected=3"):
        node.update_state("a", bump, "replicated", expected=3)  # type: ignore[arg-type]


def test_it_sees_weaker_changes_and_they_see_it(node: replication.Node) -> None:
    for mode in ("reactive", "replicated", "crdt_enhanced", "replicated", "eventually_consistent"):
        before = count(node, "a")
        assert node.update_state("a", lambda s: (bump(s), s.counters.value)[1], mode).value == before + 1
    assert count(node, "a") == 5


def test_a_nested_call_is_refused(node: replication.Node) -> None:
    def outer(state: Any) -> None:
        bump(state)
        node.update_state("b", bump, "replicated")

    for mode in ("reactive", "replicated"):
        with pytest.raises(replication.ReplicationError, match="wait for itself"):
            node.update_state("a", outer, mode)
        with pytest.raises(replication.ReplicationError, match="wait for itself"):
            node.update_state("a", lambda s: node.read_state("a", consistency="replicated"), mode)
    assert list(node.agents()) == []
    node.update_state("a", bump, "replicated", timeout=5)


def test_wrong_arguments_are_mistakes_and_leave_nothing(node: replication.Node) -> None:
    async def later(state: Any) -> None:
        bump(state)

    for wrong in (5, later, lambda s: (bump(s), s)[1]):
        with pytest.raises(TypeError):
            node.update_state("a", wrong, "replicated")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a function"):
        node.update_state("a", 5, "replicated", op_id="once")  # type: ignore[arg-type]
    assert node._others.group._rounds._heads["a"].is_idle, "no attempt was begun"
    for agent_id in (5, "", ["a"], "x" * 1000):
        with pytest.raises((TypeError, ValueError), match="agent_id="):
            node.update_state(agent_id, bump, "replicated")  # type: ignore[arg-type]
    assert list(node._others.group._rounds._heads) == ["a"], "nothing is kept of what names no agent"
    for timeout, error in (("1", TypeError), (-1, ValueError)):
        with pytest.raises(error, match="timeout="):
            node.update_state("a", bump, "replicated", timeout=timeout)  # type: ignore[arg-type]
    assert list(node.agents()) == []


def test_who_asks_at_one_time_gets_each_its_own_result(node: replication.Node) -> None:
    numbers: list[int] = []

    def work() -> None:
        for _ in range(4):
            numbers.append(node.update_state("a", lambda s: (bump(s), s.counters.value)[1], "replicated").value)

    threads = [threading.Thread(target=work) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 257))
    replicated = node.status()["replicated"]
    assert replicated["committed"] < 256, "many go into the log as one"


def test_coroutines_that_ask_at_one_time_get_each_their_own(node: replication.Node) -> None:
    async def work() -> list[bool]:
        async def one(k: int) -> bool:
            taken: bool = (await node.aupdate_state("a", spend, "replicated", op_id=f"op {k}")).value
            return taken

        return await asyncio.gather(*(one(k) for k in range(64)))

    taken = asyncio.run(work())
    assert taken.count(True) == 5 and spent(node) == 5


def test_who_asks_twice_at_one_time_is_served_once(node: replication.Node) -> None:
    async def work() -> list[Any]:
        all_have_asked = threading.Event()
        node._runtime.call_soon(all_have_asked.wait)  # none is committed before
        calls = [node.aupdate_state("a", bump, "replicated", op_id="once") for _ in range(8)]
        tasks = [asyncio.create_task(call) for call in calls]
        await asyncio.sleep(0.05)
        all_have_asked.set()
        return await asyncio.gather(*tasks)

    node.update_state("b", bump, "replicated")  # somebody leads
    results = asyncio.run(work())
    assert sorted(result.replayed for result in results) == [False] + [True] * 7
    assert count(node, "a") == 1


def test_who_raises_does_no_harm_to_who_asks_at_the_same_time(node: replication.Node) -> None:
    def fail(state: Any) -> None:
        bump(state)
        raise RuntimeError("stop")

    async def work() -> list[Any]:
        calls = [node.aupdate_state("a", fail if k % 2 else bump, "replicated") for k in range(20)]
        return await asyncio.gather(*calls, return_exceptions=True)

    results = asyncio.run(work())
    assert sum(isinstance(each, RuntimeError) for each in results) == 10
    assert count(node, "a") == 10


def test_a_change_is_watched(node: replication.Node) -> None:
    with node.watch("a") as watch:
        node.update_state("a", bump, "replicated")
        change = watch.get(timeout=5)
    assert (change.field, change.before, change.after) == ("counters", 0, 1)


def test_the_status_tells_of_the_group(node: replication.Node) -> None:
    node.update_state("a", bump, "replicated")
    status = node.status()["replicated"]
    assert (status["role"], status["leader"], status["voters"]) == ("leader", node.name, [node.name])
    assert status["learners"] == [] and status["waiting"] == 0
    assert status["committed"] == 1 and status["applied"] == status["commit"] == status["last"]
    assert [member.voter for member in node.members()] == [True]


def test_after_the_end_it_is_closed(tmp_path: Path) -> None:
    node = replication.open(tmp_path, schema=AgentState)
    node.update_state("a", bump, "replicated")
    node.close()
    with pytest.raises(replication.Closed):
        node.update_state("a", bump, "replicated")
    with pytest.raises(replication.Closed):
        node.read_state("a", consistency="replicated")


def test_who_waits_when_the_node_is_closed_is_told(tmp_path: Path) -> None:
    """Each call ends: committed, or with an error; and what was committed is there after the restart."""
    outcomes: list[str] = []
    node = replication.open(tmp_path, schema=AgentState)

    def work() -> None:
        while True:
            try:
                node.update_state("a", bump, "replicated")
            except replication.ReplicationError as error:
                outcomes.append(type(error).__name__)
                return
            outcomes.append("committed")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60
    while outcomes.count("committed") < 40 and time.monotonic() < end:
        threads[0].join(0.001)
    node.close()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a caller waits for ever"
    assert set(outcomes) <= {"committed", "OutcomeUnknown", "Closed"}
    with replication.open(tmp_path, schema=AgentState) as again:
        committed = outcomes.count("committed")
        assert committed <= count(again, "a") <= committed + outcomes.count("OutcomeUnknown")


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300, 10**18, 60])
def test_a_coroutine_may_wait_as_long_as_it_takes(node: replication.Node, timeout: float | None) -> None:
    result = asyncio.run(node.aupdate_state("a", bump, "replicated", timeout=timeout))
    assert result.outcome == "committed"


@pytest.mark.parametrize(("op_id", "advice"), [(None, "has no op_id"), ("once", "Ask again with the same op_id")])
def test_who_gave_no_op_id_is_not_told_to_ask_again_with_it_when_the_node_ends(op_id: str | None, advice: str) -> None:
    attempt, ticket = Attempt("a", 0), Ticket(None, lambda ticket: None, op_id)
    attempt.tickets.append(ticket)
    attempt.fail("this node was closed")
    assert advice in str(ticket.error)


@pytest.mark.parametrize("op_id", [None, "once"])
def test_who_gave_no_op_id_is_not_told_to_ask_again_with_it_when_the_disk_is_slow(op_id: str | None) -> None:
    assert ("the same op_id" in str(Ticket(None, None, op_id).give_up(0))) is (op_id is not None)
