"""Who leads took in every node it met as a learner, for ever; one more than a group may have ended it, and the next."""

from pathlib import Path

import pytest

import replication
from replication.raft import configuration
from replication.simulation import Cluster
from replication.strong import members
from tests.cluster.nodes import eventually
from tests.replication.agents import AgentState, bump


def test_one_node_too_many_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (configuration, members):  # whichever test imports it first
        monkeypatch.setattr(module, "MEMBERS_MAX", 3)
    cluster = Cluster(AgentState, "abcde", seed=1, bootstrap="abc", election_timeout=0.5)
    cluster.run(20)
    assert [cluster[name].status()["last_error"] for name in "abcde"] == [None] * 5
    assert cluster["a"].update_state("x", bump, "replicated", timeout=10).outcome == "committed"


def test_who_left_learns_no_more(tmp_path: Path) -> None:
    options = {"schema": AgentState, "probe_interval": 0.2, "probe_timeout": 0.1, "dead_kept": 1.0}
    with replication.open(tmp_path, name="a", listen="127.0.0.1:0", **options) as node:  # type: ignore[arg-type]
        for _ in range(3):
            with replication.open(peers=[node.address], **options) as guest:  # type: ignore[arg-type]
                guest.update_state("x", bump, "replicated", timeout=20)
        eventually(lambda: [m.state for m in node.members()] == ["alive", "left", "left", "left"], "they have left")
        eventually(lambda: node.status()["replicated"]["learners"] == [], "and learn no more", 5)
