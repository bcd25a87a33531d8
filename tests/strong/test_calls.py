"""`replicated` between three real nodes on loopback."""

import asyncio
import threading
from typing import Any

import pytest

import replication
from tests.cluster.nodes import Nodes, eventually
from tests.replication.agents import bump, count

STRONG: dict[str, Any] = {"consistency": "replicated", "timeout": 20.0}


def started(nodes: Nodes, *places: int) -> Nodes:
    nodes.start(*places)
    nodes.meet()
    return nodes


def strong_count(node: replication.Node, agent_id: str = "a") -> int:
    value: int = node.read_state(agent_id, lambda s: s.counters.value, **STRONG)
    return value


def test_what_one_commits_all_read(nodes: Nodes) -> None:
    started(nodes)
    for expected, node in enumerate(nodes, 1):
        result = node.update_state("a", lambda s: (bump(s), s.counters.value)[1], **STRONG)
        assert (result.value, result.outcome, result.consistency) == (expected, "committed", "replicated")
        assert [strong_count(other) for other in nodes] == [expected] * 3
    nodes.agree("a")


def test_the_same_from_coroutines(nodes: Nodes) -> None:
    started(nodes)

    async def work() -> list[int]:
        for node in nodes:
            await node.aupdate_state("a", bump, **STRONG)
        return [(await node.aread_state("a", **STRONG)).counters.value for node in nodes]

    assert asyncio.run(work()) == [3, 3, 3]


def test_an_operation_is_known_to_every_node_also_after_restarts(nodes: Nodes) -> None:
    started(nodes)
    first = nodes[0].update_state("a", lambda s: (bump(s), "first")[1], op_id="once", **STRONG)
    assert not first.replayed
    again = nodes[1].update_state("a", bump, op_id="once", **STRONG)
    assert (again.replayed, again.value, again.version, again.outcome) == (True, "first", first.version, "committed")
    nodes.close()
    started(nodes)
    again = nodes[2].update_state("a", bump, op_id="once", **STRONG)
    assert (again.replayed, again.value) == (True, "first")
    assert [strong_count(node) for node in nodes] == [1, 1, 1]


def test_one_operation_asked_of_all_nodes_at_one_time_is_served_once(nodes: Nodes) -> None:
    started(nodes)
    replayed: list[bool] = []

    def ask(node: replication.Node) -> None:
        for k in range(5):
            replayed.append(node.update_state("a", bump, op_id=f"op {k}", **STRONG).replayed)

    threads = [threading.Thread(target=ask, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replayed.count(False) == 5
    assert strong_count(nodes[0]) == 5


def test_a_rule_holds_between_nodes(nodes: Nodes) -> None:
    """Six of three nodes want ten each, and there are twenty."""
    started(nodes)

    def spend(state: Any) -> bool:
        if state.budget.value <= -20:
            return False
        state.budget.decrement()
        return True

    taken: list[bool] = []

    def work(node: replication.Node) -> None:
        taken.extend([node.update_state("a", spend, **STRONG).value for _ in range(10)])

    threads = [threading.Thread(target=work, args=(node,)) for node in nodes for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (taken.count(True), len(taken)) == (20, 60)
    assert [node.read_state("a", lambda s: s.budget.value, **STRONG) for node in nodes] == [-20] * 3


def test_expected_holds_against_other_nodes(nodes: Nodes) -> None:
    started(nodes)
    version = nodes[0].update_state("a", bump, **STRONG).version
    later = nodes[1].update_state("a", bump, **STRONG).version
    strong_count(nodes[0])  # so that it knows of it
    with pytest.raises(replication.ConflictError) as caught:
        nodes[0].update_state("a", bump, expected=version, **STRONG)
    assert caught.value.actual == later
    assert nodes[2].read_state("a", **STRONG).version == later
    assert nodes[2].update_state("a", bump, expected=later, **STRONG).outcome == "committed"


def test_mixed_modes_on_one_agent_converge(nodes: Nodes) -> None:
    started(nodes)
    modes = ("reactive", "replicated", "eventually_consistent", "replicated", "crdt_enhanced")

    def work(place: int, node: replication.Node) -> None:
        for k in range(20):
            node.update_state("a", lambda s, k=k: (bump(s), s.logs.append(f"{place}/{k}")), modes[k % 5], timeout=20)

    threads = [threading.Thread(target=work, args=each) for each in enumerate(nodes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: [count(node, "a") for node in nodes] == [60] * 3, "all increments everywhere")
    nodes.agree("a")
    assert sorted(nodes[1].read_state("a").logs) == sorted(f"{place}/{k}" for place in range(3) for k in range(20))


def test_what_a_strong_change_builds_on_goes_along(nodes: Nodes) -> None:
    started(nodes)
    nodes[0].update_state("a", lambda s: s.logs.append("told to nobody"))
    nodes[0].update_state("a", lambda s: s.logs.append("committed"), **STRONG)
    assert list(nodes[2].read_state("a", **STRONG).logs) == ["told to nobody", "committed"]


def test_without_a_majority_it_says_what_is_missing(nodes: Nodes) -> None:
    started(nodes)
    nodes[0].update_state("a", bump, **STRONG)
    nodes.stop(1)
    nodes.stop(2)
    eventually(lambda: nodes[0].status()["replicated"]["leader"] == "", "nobody leads")
    for call, advice in (
        (lambda: nodes[0].update_state("a", bump, "replicated"), "Nothing was applied: .* or allow fallback="),
        (lambda: nodes[0].read_state("a", consistency="replicated"), "Nothing was read: .* consistency='reactive'"),
        (lambda: nodes[0].remove_voter("n1"), r"Nothing was changed: .*\(nexus-state recover\)$"),
    ):
        with pytest.raises(replication.Unavailable, match=f"nobody leads.*{advice}") as caught:
            call()
        assert (caught.value.have, caught.value.need) == (1, 2)
        assert caught.value.peers == {"n0": "reachable", "n1": "not reachable", "n2": "not reachable"}
    assert count(nodes[0], "a") == 1, "nothing was applied, and what is here can be read"

    result = nodes[0].update_state("a", bump, "replicated", fallback=("crdt_enhanced", "reactive"))
    assert (result.consistency, result.outcome, count(nodes[0], "a")) == ("crdt_enhanced", "durable", 2)
    with pytest.raises(replication.ConsistencyError, match="budget"):
        nodes[0].update_state("a", lambda s: s.budget.decrement(), "replicated", fallback=("crdt_enhanced",))

    async def work() -> str:
        mode: str = (await nodes[0].aupdate_state("a", bump, "strong", fallback=("eventual",))).consistency
        return mode

    assert asyncio.run(work()) == "crdt_enhanced"

    nodes.start(2)
    assert nodes[0].update_state("a", lambda s: s.counters.value, **STRONG).value == 3
    nodes.agree("a")


def test_two_of_three_go_on_without_the_one_that_led(nodes: Nodes) -> None:
    started(nodes)
    nodes[0].update_state("a", bump, **STRONG)
    leader = nodes.names.index(nodes[0].status()["replicated"]["leader"])
    nodes.stop(leader)
    for expected, node in enumerate(nodes, 2):
        eventually(lambda node=node: node.status()["replicated"]["leader"] not in ("", nodes.names[leader]), "another")
        assert node.update_state("a", lambda s: (bump(s), s.counters.value)[1], **STRONG).value == expected
    nodes.start(leader)
    assert [strong_count(node) for node in nodes] == [3, 3, 3]


def test_who_votes_is_seen(nodes: Nodes) -> None:
    started(nodes)
    nodes[0].update_state("a", bump, **STRONG)
    assert {(m.name, m.voter) for m in nodes[1].members()} == {("n0", True), ("n1", True), ("n2", True)}
    status = nodes[1].status()["replicated"]
    assert status["voters"] == ["n0", "n1", "n2"] and status["learners"] == []
    assert status["leader"] in nodes.names and status["term"] >= 1
    assert sorted(node.status()["replicated"]["role"] for node in nodes) == ["follower", "follower", "leader"]


def test_a_node_that_is_no_voter_learns_and_may_ask(nodes: Nodes) -> None:
    nodes.options["bootstrap"] = ["n0"]
    nodes.start(0, 1)
    nodes.start(2, bootstrap=())
    nodes.meet()
    assert nodes[2].update_state("a", bump, **STRONG).outcome == "committed"
    assert nodes[1].update_state("a", bump, **STRONG).outcome == "committed"
    assert [strong_count(node) for node in nodes] == [2, 2, 2]
    assert [(m.name, m.voter) for m in nodes[2].members()] == [("n0", True), ("n1", False), ("n2", False)]
    eventually(lambda: nodes[2].status()["replicated"]["learners"] == ["n1", "n2"], "both learn")


def test_many_callers_on_one_agent_get_each_its_own(nodes: Nodes) -> None:
    started(nodes)
    numbers: list[int] = []

    async def many(node: replication.Node) -> None:
        async def one() -> None:
            result = await node.aupdate_state("a", lambda s: (bump(s), s.counters.value)[1], **STRONG)
            numbers.append(result.value)

        await asyncio.gather(*(one() for _ in range(64)))

    asyncio.run(many(nodes[1]))
    assert sorted(numbers) == list(range(1, 65))
    assert strong_count(nodes[2]) == 64


def test_callers_of_every_node_have_their_turn_at_one_agent(nodes: Nodes) -> None:
    """Who leads hears of each verdict first, and was nearly always the first to try again: others waited long."""
    started(nodes)
    strong_count(nodes[0])
    served = [0, 0, 0]

    def work(place: int) -> None:
        while not is_over.is_set():
            nodes[place].update_state("a", bump, **STRONG)
            served[place] += 1

    is_over = threading.Event()
    callers = [threading.Thread(target=work, args=(place,)) for place in range(3) for _ in range(2)]
    for caller in callers:
        caller.start()
    is_over.wait(2.0)
    is_over.set()
    for caller in callers:
        caller.join()
    assert strong_count(nodes[0]) == sum(served)
    assert min(served) > 0.2 * max(served), served
