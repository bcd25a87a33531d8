"""Nodes that listen at every interface tell each other an address that can be dialled."""

from pathlib import Path

import pytest

import replication
from replication import certificates
from tests.cluster.nodes import eventually
from tests.replication.agents import AgentState, bump, count


def start(directory: Path, name: str, *peers: str) -> replication.Node:
    certs = directory / "certs"
    tls = replication.TLS(str(certs / f"{name}.pem"), str(certs / f"{name}.key"), str(certs / "ca.pem"))
    return replication.open(
        directory / name, schema=AgentState, name=name, listen="0.0.0.0:0", peers=peers, tls=tls, sync_interval=600.0
    )


def port(node: replication.Node) -> str:
    assert node.address is not None and node.address.startswith("0.0.0.0:")
    return node.address.rpartition(":")[2]


def test_each_is_known_by_the_interface_its_links_go_through(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    certificates.make(tmp_path / "certs", ["a", "b", "c"])
    with start(tmp_path, "a") as a:
        assert [member.address for member in a.members()] == [None]
        seed = f"127.0.0.2:{port(a)}"
        with start(tmp_path, "b", seed) as b, start(tmp_path, "c", seed) as c:
            # As a was dialled; b and c went out through 127.0.0.1, and hear of each other from a.
            places = {"a": seed, "b": f"127.0.0.1:{port(b)}", "c": f"127.0.0.1:{port(c)}"}
            for node in (a, b, c):
                eventually(lambda n=node: {m.name: m.address for m in n.members()} == places, f"seen by {node.name}")
            b.update_state("agent", bump, "crdt_enhanced", acks="all", timeout=30)
            assert count(c, "agent") == 1
            assert set(b.status()["links"]["peers"]) == {"a", "c"}
