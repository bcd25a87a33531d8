"""A group that was opened again without `bootstrap=` had no voters; a voter without peers committed alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import replication
from tests.cluster.nodes import Nodes
from tests.replication.agents import AgentState, bump, count


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    """Three that were voters, committed something, and were closed."""
    cluster = Nodes(tmp_path, election_timeout=0.5)
    cluster.start(bootstrap=cluster.names)
    cluster.meet()
    cluster[0].update_state("a", bump, "replicated", timeout=20)
    cluster.agree("a")  # who only follows hears of a commit a little later
    cluster.close()
    yield cluster
    cluster.close()


def test_a_group_goes_on_without_being_told_again_who_votes(nodes: Nodes) -> None:
    nodes.start()
    nodes.meet()
    assert nodes[0].update_state("a", bump, "replicated", timeout=20).outcome == "committed"
    assert nodes[1].status()["replicated"]["voters"] == nodes.names


def test_a_voter_that_finds_nobody_commits_nothing(nodes: Nodes) -> None:
    options = {"schema": AgentState, "name": "n1", "election_timeout": 0.5}
    with replication.open(nodes.directory / "n1", **options) as node:  # type: ignore[arg-type]
        with pytest.raises(replication.Unavailable):
            node.update_state("a", bump, "replicated")
        assert count(node, "a") == 1
