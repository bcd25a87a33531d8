"""What each mode promises between real nodes."""

import asyncio
import threading

import pytest

import replication
from tests.cluster.nodes import Nodes, eventually
from tests.replication.agents import bump, count


def test_what_all_acknowledged_can_be_read_everywhere(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    result = nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=20)
    assert (result.outcome, result.acks, result.consistency) == ("acknowledged", 2, "crdt_enhanced")
    assert [count(node, "a") for node in nodes] == [1, 1, 1]


def test_every_mode_reaches_everybody(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    modes = ("reactive", "eventually_consistent", "crdt_enhanced", "eventual")
    for place, node in enumerate(nodes):
        for k in range(40):
            node.update_state("a", lambda s, k=k, place=place: (bump(s), s.logs.append(f"{place}/{k}")), modes[k % 4])
    eventually(lambda: [count(node, "a") for node in nodes] == [120] * 3, "all increments everywhere")
    nodes.agree("a")
    logs = nodes[2].read_state("a").value["logs"]
    assert sorted(logs) == sorted(f"{place}/{k}" for place in range(3) for k in range(40))


def test_many_threads_and_loops_share_a_node(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()

    def work(node: replication.Node) -> None:
        for _ in range(20):
            node.update_state("a", bump, consistency="crdt_enhanced", acks=1, timeout=10)

    async def many(node: replication.Node) -> None:
        options = {"consistency": "crdt_enhanced", "acks": "majority", "timeout": 10}
        await asyncio.gather(*(node.aupdate_state("a", bump, **options) for _ in range(40)))  # type: ignore[arg-type]

    threads = [threading.Thread(target=work, args=(node,)) for node in nodes]
    threads += [threading.Thread(target=lambda node=node: asyncio.run(many(node))) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: [count(node, "a") for node in nodes] == [180] * 3, "all increments everywhere")


def test_too_few_acknowledgements_in_time_say_what_holds(nodes: Nodes) -> None:
    nodes.start(0, 1)
    nodes.meet()
    with pytest.raises(replication.Timeout, match="on this node's disk") as caught:
        nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks=2, timeout=0.3)
    assert caught.value.is_applied
    assert caught.value.acks == 1
    assert count(nodes[0], "a") == 1


def test_a_member_that_left_is_not_one_of_all(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    nodes.stop(2)
    eventually(lambda: any(m.state == "left" for m in nodes[0].members()), "n2 has left")
    assert nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=20).acks == 1


def test_a_peer_that_was_never_met_is_one_of_all(nodes: Nodes) -> None:
    nodes.start(0, 1)
    nodes.meet()
    with pytest.raises(replication.Timeout, match="n1 did"):
        nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=0.5)


def test_an_op_id_is_applied_once_whatever_was_lost(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    for _ in range(3):
        result = nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks="all", op_id="once", timeout=5)
        assert result.consistency == "crdt_enhanced"
    assert result.replayed
    assert result.acks == 2
    assert [count(node, "a") for node in nodes] == [1, 1, 1]


def test_a_change_from_elsewhere_is_watched(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    with nodes[1].watch("a") as watch:
        nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=20)
        change = watch.get(timeout=5)
    assert (change.field, change.before, change.after, change.origin) == ("counters", 0, 1, "n0")


def test_strong_fields_stay_strong(nodes: Nodes) -> None:
    nodes.start()
    for mode in ("eventually_consistent", "crdt_enhanced"):
        with pytest.raises(replication.ConsistencyError, match="budget"):
            nodes[0].update_state("a", lambda s: s.budget.increment(), mode)
