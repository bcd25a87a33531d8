"""Two nodes that had each been the group alone met: one ended, and their changes had the same names."""

from pathlib import Path
from typing import Any

import replication
from tests.cluster.nodes import eventually
from tests.replication.agents import AgentState

OFTEN: dict[str, Any] = {"probe_interval": 0.2, "probe_timeout": 0.1, "sync_interval": 0.2}


def test_both_go_on_and_keep_what_each_of_them_did(tmp_path: Path) -> None:
    options: dict[str, Any] = {"schema": AgentState, "listen": "127.0.0.1:0", **OFTEN}
    a = replication.open(tmp_path / "a", name="a", **options)
    b = replication.open(tmp_path / "b", name="b", **options)
    for node in (a, b):
        node.update_state("x", lambda s, node=node: s.flags.add(node.name), "replicated", timeout=5)
    c = replication.open(tmp_path / "c", name="c", peers=[a.address, b.address], **options)
    try:
        eventually(lambda: sum(m.state == "alive" for m in c.members()) == 3, "everybody alive", 5)
        eventually(lambda: len({node.read_state("x").digest() for node in (a, b, c)}) == 1, "all equal", 5)
        assert [node.status()["last_error"] for node in (a, b, c)] == [None] * 3
        assert c.read_state("x").value["flags"] == {"a", "b"}
        assert not any("diverged" in key for node in (a, b, c) for key in node.status()["problems"])
    finally:
        for node in (a, b, c):
            try:
                node.close()
            except replication.Unavailable:  # it has ended already
                continue
