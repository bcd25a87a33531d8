"""Disks that take longer than the group would like: who is alone waits for its own, others do not wait for one."""

from replication.raft.messages import Vote
from tests.raft.bench import Bench


def test_who_alone_decides_waits_for_its_own_vote_however_long_that_takes() -> None:
    """Each tick began another election, for which the vote of the one before did not count."""
    for learners in ("", "b"):
        alone = Bench(voters="a", learners=learners, slow=True)
        alone.wait(2.5)
        assert (alone.core.role, alone.core.term) == ("candidate", 1)
        alone.wait(10)
        alone.written(1)
        assert (alone.core.role, alone.core.term) == ("leader", 1)


def test_who_alone_decides_leads_however_long_its_disk_takes() -> None:
    """Nobody else could."""
    for learners in ("", "b"):
        alone = Bench(voters="a", learners=learners)
        alone.wait(2.5)
        alone.slow = True
        last = alone.core.last
        alone.core.propose((b"x",), alone.now)
        alone.act()
        alone.wait(10)
        assert (alone.core.role, alone.core.term, alone.core.commit) == ("leader", 1, last)
        alone.written()
        assert alone.core.commit == last + 1


def test_who_has_a_vote_to_expect_waits_for_it() -> None:
    """It came from a disk that takes half a timeout, when the next election had begun: for which it did not count."""
    node = Bench(voters="abcde", term=1)
    node.wait(2)
    for voter in "bc":
        node.hear(voter, Vote(2, True, True))
    due = node.core._deadline
    for voter in "de":
        node.hear(voter, Vote(2, False, False))
    assert node.core._deadline == due, "b and c have said that they would vote for it"
    node.hear("b", Vote(2, False, True))
    assert node.core._deadline == due
    node.hear("c", Vote(2, False, True))
    assert node.core.role == "leader"


def test_who_has_no_vote_to_expect_stands_again_soon() -> None:
    node = Bench(voters="abcde", term=1)
    node.wait(2)
    for voter in "bc":
        node.hear(voter, Vote(2, True, True))
    due = node.core._deadline
    for voter, granted in (("d", False), ("b", True), ("c", False)):
        assert node.core._deadline == due
        node.hear(voter, Vote(2, False, granted))
    assert node.core.role == "candidate", "e may still vote for it"
    assert 0.1 <= node.core._deadline - node.now <= 1 < due - node.now


def test_who_votes_for_another_does_not_stand() -> None:
    """An answer to what it had asked before had it depose whom it had just elected."""
    node = Bench(1, term=2)
    node.wait(2)
    assert node.core.role == "pre-candidate"
    assert node.ask_vote("b", 2, 1, 1) == Vote(2, False, True)
    node.hear("c", Vote(3, True, True))
    assert (node.core.role, node.core.term) == ("follower", 2)
