"""Whom a leader takes in, and lets go."""

from random import Random

from replication.raft.configuration import MEMBERS_MAX, Configuration
from replication.raft.core import Raft
from replication.raft.options import Options
from replication.raft.ready import Saved
from replication.raft.roles import LEADER
from replication.strong.members import Members


def run(raft: Raft, now: float) -> None:
    """Its disk and its state are as fast as can be."""
    while any(ready := raft.ready()):
        if ready.write is not None:
            raft.persisted(ready.write.number, now)
        if ready.apply is not None:
            raft.applied(ready.apply.first + len(ready.apply.entries) - 1)


def test_nobody_is_taken_in_or_let_go_that_is_no_member() -> None:
    """Where there is room for nobody, what a peer had asked for came out as an error in the node's own thread."""
    raft = Raft("a", Saved.new(Configuration(("a",))), Options(), Random(1), 0.0)
    raft.tick(0.0)
    run(raft, 0.0)
    members = Members(raft, lambda peer: False, lambda peer: True, lambda ready: None, lambda: 0.0)
    assert members.manage("remove", "x") == "no member"
    assert members.manage("add", "x") == "behind"
    raft.change("a", [f"l{k}" for k in range(MEMBERS_MAX - 1)], 0.0)
    run(raft, 0.0)
    assert len(raft.configuration.members) == MEMBERS_MAX
    for act in ("add", "remove"):
        assert members.manage(act, "x") == "no member"
    assert members.manage("add", "l1") == "behind"


def test_a_learner_that_turns_out_to_be_of_another_group_is_let_go() -> None:
    """What group a node is of is heard a moment after the node itself."""
    now = 0.0
    raft = Raft("a", Saved.new(Configuration(("a",))), Options(), Random(1), now)
    while raft.role != LEADER:
        now += 0.1
        raft.tick(now)
        run(raft, now)
    others: set[str] = set()
    members = Members(raft, lambda peer: False, lambda peer: peer not in others, lambda ready: None, lambda: now)
    members.gather(frozenset("ax"))
    run(raft, now)
    assert raft.configuration.learners == ("x",)
    others.add("x")
    members.gather(frozenset("ax"))
    run(raft, now)
    assert raft.configuration == Configuration(("a",))
    members.gather(frozenset("ax"))
    run(raft, now)
    assert raft.configuration == Configuration(("a",))
