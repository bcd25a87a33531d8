"""Who votes and who leads, changed while real nodes run."""

import shutil
from pathlib import Path
from typing import Any

import pytest

import replication
from tests.cluster.nodes import Nodes, eventually
from tests.replication.agents import AgentState, bump, count

STRONG: dict[str, Any] = {"consistency": "replicated", "timeout": 20.0}


@pytest.fixture
def nodes(five_nodes: Nodes) -> Nodes:
    return five_nodes


def group_of(node: replication.Node) -> dict[str, Any]:
    status: dict[str, Any] = node.status()["replicated"]
    return status


def voters(node: replication.Node) -> list[str]:
    names: list[str] = group_of(node)["voters"]
    return names


def leader(nodes: Nodes) -> int:
    """Whom all agree on."""

    def agreed() -> set[str]:
        return {group_of(node)["leader"] for node in nodes}

    eventually(lambda: len(agreed()) == 1 and "" not in agreed(), "all know who leads")
    return nodes.names.index(agreed().pop())


def add_one(state: Any) -> int:
    bump(state)
    value: int = state.counters.value
    return value


def started(nodes: Nodes) -> Nodes:
    nodes.start(0, 1, 2)
    nodes.meet()
    assert nodes[0].update_state("a", add_one, **STRONG).value == 1
    return nodes


def test_a_learner_becomes_a_voter_once_it_has_caught_up(nodes: Nodes) -> None:
    started(nodes)
    for k in range(15):
        nodes[0].update_state(f"agent {k}", bump, **STRONG)
    nodes.start(3, bootstrap=())
    eventually(lambda: "n3" in group_of(nodes[0])["learners"], "n3 learns")
    nodes[3].add_voter("n3")
    assert voters(nodes[3]) == ["n0", "n1", "n2", "n3"]
    assert group_of(nodes[3])["last"] > 15 and group_of(nodes[3])["learners"] == []
    assert nodes[3].update_state("a", add_one, **STRONG).value == 2
    assert [m.name for m in nodes[3].members() if m.voter] == ["n0", "n1", "n2", "n3"]
    nodes[3].add_voter("n3")  # which it is already


def test_voters_are_removed_also_the_one_that_leads_and_the_one_that_is_asked(nodes: Nodes) -> None:
    started(nodes)
    first = leader(nodes)
    nodes[first].remove_voter(nodes.names[first])  # oneself, and who leads
    rest = [place for place in (0, 1, 2) if place != first]
    assert voters(nodes[first]) == [nodes.names[place] for place in rest]
    assert group_of(nodes[first])["learners"] == [nodes.names[first]]
    assert nodes[first].update_state("a", add_one, **STRONG).value == 2, "it learns, and may ask"

    second = leader(nodes)
    assert second in rest
    other = next(place for place in rest if place != second)
    nodes[other].remove_voter(nodes.names[other])  # oneself, and who follows
    assert voters(nodes[other]) == [nodes.names[second]]
    with pytest.raises(ValueError, match="the only voter"):
        nodes[first].remove_voter(nodes.names[second])
    nodes.stop(first)
    nodes.stop(other)
    assert nodes[second].update_state("a", add_one, **STRONG).value == 3, "alone it is a majority"


def test_leadership_goes_to_whom_it_is_given(nodes: Nodes) -> None:
    started(nodes)
    for expected, place in enumerate((2, 0, 0, 1), 2):
        nodes[1].transfer_leadership(nodes.names[place])
        assert leader(nodes) == place
        assert nodes[2].update_state("a", add_one, **STRONG).value == expected
    nodes.start(3, bootstrap=())
    eventually(lambda: "n3" in group_of(nodes[0])["learners"], "n3 learns")
    with pytest.raises(ValueError, match=r"'n3' does not vote, and so cannot lead.*add_voter\('n3'\)"):
        nodes[0].transfer_leadership("n3")
    assert leader(nodes) == 1


def test_a_dead_voter_is_replaced(nodes: Nodes) -> None:
    started(nodes)
    dead = leader(nodes)
    rest = [place for place in (0, 1, 2) if place != dead]
    nodes.stop(dead)
    shutil.rmtree(nodes.directory / nodes.names[dead])
    nodes.start(3, bootstrap=())
    asked = nodes[rest[0]]
    assert asked.update_state("a", add_one, **STRONG).value == 2
    eventually(lambda: "n3" in group_of(asked)["learners"], "n3 learns")
    asked.add_voter("n3")
    asked.remove_voter(nodes.names[dead])
    expected = sorted(["n3", *[nodes.names[place] for place in rest]])
    assert voters(asked) == expected
    # One of the three may be lost again.
    nodes.stop(rest[0])
    assert nodes[3].update_state("a", add_one, **STRONG).value == 3
    assert voters(nodes[3]) == expected


def test_one_that_was_alone_gets_peers(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, 3, election_timeout=0.3)
    try:
        nodes.start(0, peers=())
        assert nodes[0].update_state("a", add_one, op_id="once", **STRONG).value == 1
        assert voters(nodes[0]) == ["n0"]
        nodes.start(1, 2)
        for place in (1, 2):
            assert nodes[place].update_state("a", bump, op_id="once", **STRONG).replayed
            nodes[place].add_voter(nodes.names[place])
        nodes.stop(0)
        assert nodes[1].update_state("a", add_one, **STRONG).value == 2
        nodes.start(0)  # with peers, which changes nothing of who votes
        assert nodes[0].update_state("a", add_one, **STRONG).value == 3
        assert voters(nodes[0]) == ["n0", "n1", "n2"]
    finally:
        nodes.close()


def test_learners_come_and_go(nodes: Nodes) -> None:
    started(nodes)
    nodes.start(3, 4, bootstrap=())
    eventually(lambda: group_of(nodes[0])["learners"] == ["n3", "n4"], "both learn")
    nodes.stop(4)
    eventually(lambda: group_of(nodes[0])["learners"] == ["n3"], "who has left is let go")
    for _ in range(20):
        nodes[3].update_state("a", bump, **STRONG)
    nodes.start(4, bootstrap=())
    assert nodes[4].update_state("a", add_one, **STRONG).value == 22
    eventually(lambda: group_of(nodes[0])["learners"] == ["n3", "n4"], "and taken in again")


def test_a_node_that_nobody_has_met_cannot_vote(nodes: Nodes) -> None:
    started(nodes)
    for act, words in (
        ("add_voter", r"'n9' is not a member of the group \(not met\).*n0, n1, n2.*open it with peers="),
        ("remove_voter", r"'n9' does not vote, and nobody has met.*n0, n1, n2"),
        ("transfer_leadership", r"'n9' does not vote.*n0, n1, n2"),
    ):
        with pytest.raises(ValueError, match=words):
            getattr(nodes[1], act)("n9")
        with pytest.raises(TypeError, match="name=3"):
            getattr(nodes[1], act)(3)
    nodes.close()
    with replication.open(nodes.directory / "n1", schema=AgentState, election_timeout=0.2) as alone:
        with pytest.raises(replication.Unavailable, match=r"missing: n0 \(.*\), n2 \(.*\)"):
            alone.add_voter("n0")


def test_one_of_another_group_cannot_vote(nodes: Nodes) -> None:
    started(nodes)
    with replication.open(schema=AgentState, name="other", listen="127.0.0.1:0", probe_timeout=0.1) as other:
        nodes.start(3, bootstrap=(), peers=[nodes.addresses[0], other.address])
        eventually(lambda: any(m.name == "other" for m in nodes[0].members()), "they have met")
        eventually(lambda: "n3" in group_of(nodes[0])["learners"], "n3 is taken in")
        with pytest.raises(ValueError, match=r"'other' is not a member of the group \(of another group\)"):
            nodes[0].add_voter("other")
        assert "other" not in group_of(nodes[0])["learners"]


@pytest.mark.parametrize(("state", "why"), [("suspect", "does not answer"), ("dead", "dead")])
def test_who_does_not_answer_counts_for_nothing_though_its_link_is_up(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch, state: str, why: str
) -> None:
    """Processes that were stopped counted as reachable, for as long as the system kept their connections."""
    started(nodes)
    others = nodes[0]._others
    assert others.group._missing("n2") == ""
    monkeypatch.setattr(others.membership, "state_of", lambda name: state)
    assert others.group._missing("n2") == why


def test_who_is_missing_is_said_also_of_one_that_is_only_remembered(nodes: Nodes) -> None:
    started(nodes)
    eventually(lambda: count(nodes[1], "a") == 1, "n1 has heard of the commit")
    nodes.close()
    nodes.start(1)  # it remembers n0 and n2 from before, and nobody has tried to reach them yet
    for attempt in range(2):
        with pytest.raises(
            replication.Unavailable, match=r"1 of the 3 voters .* 2 are needed; missing: n0 \(.+\), n2 \("
        ) as caught:
            nodes[1].update_state("a", bump, "replicated")
        error = caught.value
        assert (error.have, error.need) == (1, 2), attempt
        assert error.peers == {"n0": "not reachable", "n1": "reachable", "n2": "not reachable"}
    assert count(nodes[1], "a") == 1
    result = nodes[1].update_state("a", bump, "replicated", fallback=("crdt_enhanced",))
    assert (result.consistency, count(nodes[1], "a")) == ("crdt_enhanced", 2)
    with pytest.raises(replication.ConsistencyError, match="budget"):
        nodes[1].update_state("a", lambda s: s.budget.decrement(), "replicated", fallback=("crdt_enhanced",))
    nodes.start(2)
    eventually(lambda: count(nodes[2], "a") == 2, "what the fallback did is where the next call is made")
    assert nodes[2].update_state("a", add_one, **STRONG).value == 3
