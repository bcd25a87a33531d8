"""Nodes that come late, go, come back, and are not who they say."""

import asyncio
import shutil
import socket
import threading
from typing import Any

import pytest

import replication
from tests.cluster.nodes import Nodes, eventually
from tests.replication.agents import AgentState, bump, count


def test_a_late_joiner_gets_everything(nodes: Nodes) -> None:
    nodes.start(0, 1)
    for k in range(300):
        nodes[k % 2].update_state(f"agent-{k}", bump)
    nodes.start(2)
    eventually(lambda: sum(1 for _ in nodes[2].agents()) == 300, "all agents at n2")
    eventually(lambda: all(count(nodes[2], f"agent-{k}") == 1 for k in range(300)), "all values at n2")


def test_both_sides_of_an_absence_are_brought_together(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=20)
    nodes.stop(2)
    nodes[0].update_state("a", bump, consistency="crdt_enhanced")
    with replication.open(nodes.directory / "n2", schema=AgentState) as alone:
        alone.update_state("a", bump)
    nodes.start(2)
    eventually(lambda: [count(node, "a") for node in nodes] == [3, 3, 3], "all three increments everywhere")


def test_a_node_of_another_cluster_is_turned_away(nodes: Nodes) -> None:
    nodes.start(0, 1)
    nodes.meet()
    nodes.start(2, cluster="other")
    nodes[2].update_state("a", bump, consistency="crdt_enhanced")
    eventually(lambda: any("cluster" in text for text in nodes[2].status()["problems"].values()), "n2 knows why")
    assert count(nodes[0], "a") == 0
    assert [member.name for member in nodes[0].members()] == ["n0", "n1"]


def test_a_wiped_disk_under_an_old_name_is_refused_and_a_new_name_is_taken(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    nodes[2].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=20)
    nodes.stop(2)
    shutil.rmtree(nodes.directory / "n2")
    nodes.start(2)
    eventually(lambda: any("store" in text for text in nodes[2].status()["problems"].values()), "n2 knows why")
    assert count(nodes[2], "a") == 0
    nodes.stop(2)
    shutil.rmtree(nodes.directory / "n2")
    nodes.names[2] = "n2-again"
    nodes.start(2)
    eventually(lambda: count(nodes[2], "a") == 1, "the state is back under the new name")


def test_a_restored_backup_is_refused_and_what_it_has_comes_back_under_a_new_name(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    nodes[2].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=20)
    nodes.stop(2)
    with replication.open(nodes.directory / "n2", schema=AgentState) as alone:
        alone.update_state("only in the backup", bump)
    shutil.copytree(nodes.directory / "n2", nodes.directory / "backup")
    with replication.open(nodes.directory / "n2", schema=AgentState) as alone:
        alone.update_state("lost with the disk", bump)
    nodes.start(2)
    nodes.meet()
    nodes[2].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=20)
    nodes.stop(2)
    shutil.rmtree(nodes.directory / "n2")
    shutil.copytree(nodes.directory / "backup", nodes.directory / "n2")
    nodes.start(2)
    eventually(lambda: any("older copy" in text for text in nodes[2].status()["problems"].values()), "n2 knows why")
    assert any("with a new name=" in text for text in nodes[2].status()["problems"].values())
    assert any("older copy" in text for text in nodes[0].status()["problems"].values())
    assert count(nodes[2], "a") == 1
    nodes.stop(2)
    shutil.copytree(nodes.directory / "n2", nodes.directory / "n2-again")
    nodes.names[2] = "n2-again"
    nodes.start(2)
    eventually(lambda: [count(node, "a") for node in nodes] == [2, 2, 2], "the state came")
    eventually(lambda: [count(node, "only in the backup") for node in nodes] == [1, 1, 1], "what it had spreads")
    nodes[2].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=10)
    assert [count(node, "a") for node in nodes] == [3, 3, 3]


def test_a_copied_directory_writes_under_a_name_of_its_own(nodes: Nodes) -> None:
    nodes.start(0)
    nodes[0].update_state("a", bump)
    nodes.stop(0)
    shutil.copytree(nodes.directory / "n0", nodes.directory / "n1")
    nodes.start(0, 1)  # two that both know of having been one writer
    for k in range(3):
        nodes[0].update_state("a", bump)
        nodes[1].update_state("a", bump)
        nodes[k % 2].update_state("b", bump)
    eventually(lambda: [count(node, "a") for node in nodes] == [7, 7], "all increments of both")
    eventually(lambda: [count(node, "b") for node in nodes] == [3, 3], "all increments of both")
    assert len(nodes[0].read_state("a").version) >= 2
    assert not any(node.status()["sync"]["diverged"] for node in nodes)


def test_two_nodes_with_one_name(nodes: Nodes) -> None:
    nodes.start(0, 1)
    nodes.meet()
    twin = replication.open(
        nodes.directory / "twin", schema=AgentState, name="n1", listen="127.0.0.1:0", peers=[nodes.addresses[0]]
    )
    try:
        eventually(lambda: any("name" in text for text in twin.status()["problems"].values()), "the twin knows why")
        nodes[1].update_state("a", bump, consistency="crdt_enhanced", acks=1, timeout=20)
        assert count(nodes[0], "a") == 1
        assert count(twin, "a") == 0
    finally:
        twin.close()


def test_a_restart_is_not_mistaken_for_a_stranger(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    for _ in range(3):
        nodes.stop(1)
        # Else it may be taken for alive still, and be heard to have left when "all" is looked up.
        eventually(lambda: {m.name: m.state for m in nodes[0].members()}["n1"] == "left", "it is seen to leave")
        nodes.start(1)
        nodes.meet()
        nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=10)
    assert [count(node, "a") for node in nodes] == [3, 3, 3]


def test_garbage_at_the_port_harms_nothing(nodes: Nodes) -> None:
    nodes.start(0, 1)
    nodes.meet()
    host, port = nodes.addresses[0].split(":")
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\x00" * 100_000, b"\x7f\xff\xff\xff", b"\x00\x00\x00\x05"):
        with socket.create_connection((host, int(port)), 2) as stranger:
            stranger.sendall(junk)
    assert nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks=1, timeout=20).acks == 1
    eventually(lambda: sum(nodes[0].status()["links"]["ended"].values()) >= 3, "strangers are counted")


def test_a_clock_a_year_ahead_waits_and_the_others_go_on(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    year = 365 * 24 * 3600 * 1000
    store = nodes[2]._store
    store._options["clock"] = lambda: 1_800_000_000_000 + year
    nodes[2].update_state("a", lambda s: s.config.update({"k": "future"}), consistency="crdt_enhanced")
    nodes[0].update_state("b", bump, consistency="crdt_enhanced", acks="all", timeout=20)
    nodes[0].update_state("a", lambda s: s.config.update({"k": "now"}), consistency="crdt_enhanced", acks=1, timeout=20)
    eventually(
        lambda: nodes[1].read_state("a").value["config"] == {"k": "now"}, "only what is not from the future is there"
    )


def test_a_taken_address_is_told_at_open(nodes: Nodes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nodes.addresses[0] = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=r"127\.0\.0\.1"):
            nodes.start(0)
    nodes.start(0)


def test_a_large_agent_crosses_while_others_go_on(nodes: Nodes) -> None:
    nodes.start(0)
    nodes[0].update_state("large", lambda s: s.config.update({f"k{k}": bytes(100_000) for k in range(200)}))
    nodes.start(1)
    nodes.meet()
    slowest = 0.0
    while not nodes[1].read_state("large", lambda s: len(s.config)):
        result = nodes[0].update_state("small", bump, consistency="crdt_enhanced", acks=1, timeout=10)
        slowest = max(slowest, result.elapsed)
    assert nodes[1].read_state("large").digest() == nodes[0].read_state("large").digest()
    assert count(nodes[1], "small") >= 1
    assert slowest < 10.0, "nobody waited for all of it"


def test_a_dead_node_is_waited_for_until_it_is_forgotten(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    with pytest.raises(ValueError, match="only a dead member"):
        nodes[0].forget("n2")
    lost = nodes.open.pop(2)
    links = lost._others._links
    assert links is not None
    links.close()  # as if its machine were gone

    def seen(place: int) -> str:
        return next(member.state for member in nodes[place].members() if member.name == "n2")

    try:
        eventually(lambda: seen(0) == "dead", "n2 dead")
        with pytest.raises(replication.Timeout):
            nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=0.5)
        nodes[0].forget("n2")
        assert nodes[0].update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=20).acks == 1
        eventually(lambda: seen(1) == "left", "n1 was told")
    finally:
        lost.close()


@pytest.mark.parametrize("how", ["thread", "loop"])
def test_callers_that_wait_for_others_are_told_when_the_node_is_closed(nodes: Nodes, how: str) -> None:
    """They once waited for ever: nobody was left who could wake them."""
    nodes.start(0, 1)
    nodes.meet()
    node, ended = nodes[0], []
    options: dict[str, Any] = {"consistency": "crdt_enhanced", "acks": "all"}  # n2 was never met

    def wait() -> None:
        try:
            if how == "thread":
                node.update_state("a", bump, **options)
            else:
                asyncio.run(node.aupdate_state("a", bump, **options))
        except replication.Timeout as error:
            ended.append(error)

    caller = threading.Thread(target=wait)
    caller.start()
    eventually(lambda: node.status()["direct"]["callers_waiting"] == 1, "it waits")
    nodes.stop(0)
    caller.join(10)
    assert not caller.is_alive()
    assert ended[0].is_applied
    assert "closed" in str(ended[0])
