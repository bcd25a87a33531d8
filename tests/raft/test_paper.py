"""The claims of the paper, one test each, by the section of its extended version."""

import pytest

from replication.raft.log import NOOP
from replication.raft.messages import Appended, AppendEntries, Heartbeat, HeartbeatAnswer, RequestVote, Vote
from replication.raft.ready import Proposed, Refused
from tests.raft.bench import Bench


@pytest.mark.parametrize("role", ["follower", "candidate", "leader"])
def test_5_1_a_higher_term_is_adopted_and_whoever_leads_or_stands_follows(role: str) -> None:
    node = Bench(term=1)
    if role == "leader":
        node.elect()
    elif role == "candidate":
        node.wait(2.5)
        node.hear("b", Vote(node.core.term + 1, True, True))
    assert node.core.role == role
    node.hear("c", AppendEntries(9, 0, 0, 0, ()))
    assert (node.core.role, node.core.term, node.core.leader) == ("follower", 9, "c")


def test_5_1_what_is_of_an_old_term_is_refused() -> None:
    node = Bench(1, 2, term=3)
    node.append(0, 0, 1, term=2)
    assert node.take(Appended) == [Appended(3, 0, True, 0, 0)]
    assert node.ask_vote("b", 2, 9, 2) == Vote(3, False, False)
    assert node.terms == [1, 2]


def test_5_2_a_follower_stands_when_it_hears_of_no_leader() -> None:
    node = Bench(term=1)
    node.wait(0.95)
    assert node.core.role == "follower"
    node.wait(1.1)
    assert node.core.role == "pre-candidate"
    assert node.take(RequestVote) == [RequestVote(2, True, False, 0, 0)] * 2


def test_5_2_a_heartbeat_keeps_it_from_standing() -> None:
    node = Bench(term=1)
    for _ in range(30):
        node.wait(0.3)
        node.hear("b", Heartbeat(1, 0, 1))
    assert node.core.role == "follower"


def test_5_2_a_candidate_votes_for_itself_in_a_new_term_and_asks_the_others() -> None:
    node = Bench(1, term=1)
    node.wait(2)
    node.hear("b", Vote(2, True, True))
    assert (node.core.role, node.core.term, node.state.vote) == ("candidate", 2, "a")
    assert node.take(RequestVote)[-2:] == [RequestVote(2, False, False, 1, 1)] * 2


def test_5_2_a_majority_of_votes_makes_a_leader_which_says_so_at_once() -> None:
    node = Bench(voters="abcde", term=1)
    node.wait(2)
    node.hear("b", Vote(2, True, True))
    node.hear("c", Vote(2, True, True))
    node.hear("b", Vote(2, False, True))
    assert node.core.role == "candidate"
    node.hear("b", Vote(2, False, True))
    assert node.core.role == "candidate", "the same vote twice is one"
    node.sent.clear()
    node.hear("c", Vote(2, False, True))
    assert node.core.role == "leader"
    assert len(node.take(AppendEntries)) == 4


def test_5_2_one_vote_a_term_first_come_first_served() -> None:
    node = Bench(term=1)
    assert node.ask_vote("b", 2, 0, 0) == Vote(2, False, True)
    assert node.ask_vote("c", 2, 0, 0) == Vote(2, False, False)
    assert node.ask_vote("b", 2, 0, 0) == Vote(2, False, True), "its answer may have been lost"


def test_5_2_a_candidate_follows_a_leader_of_its_term() -> None:
    node = Bench(term=1)
    node.wait(2)
    node.hear("b", Vote(2, True, True))
    node.append(0, 0, term=2, by="c")
    assert (node.core.role, node.core.leader, node.core.term) == ("follower", "c", 2)


def test_5_2_waits_are_random_between_one_timeout_and_two() -> None:
    waits = set()
    node = Bench(term=1)
    for _ in range(200):
        node.core._wait_for_leader()
        waits.add(node.core._deadline - node.now)
    assert len(waits) == 200 and 1 <= min(waits) < 1.05 and 1.95 < max(waits) <= 2


def test_5_2_who_shares_the_votes_with_another_stands_again_before_a_timeout_is_over() -> None:
    """Two are left of three, and their ticks are in step: to wait as if for a leader took them up to five seconds."""
    waits = set()
    for _ in range(200):
        node = Bench(term=1, random=len(waits))
        node.wait(2)
        node.hear("b", Vote(2, True, True))
        node.hear("b", Vote(2, False, False))
        assert node.core.role == "candidate", "c may still vote for it"
        waits.add(node.core._deadline - node.now)
        node.hear("b", Vote(2, False, False))
        assert node.core._deadline - node.now in waits, "the same vote twice is one"
        node.wait(1.05)
        assert node.core.role == "pre-candidate"
    assert len(waits) == 200 and 0.1 <= min(waits) < 0.15 and 0.95 < max(waits) <= 1


def test_5_2_who_was_refused_before_it_knew_that_it_would_win_waits_as_for_a_leader() -> None:
    node = Bench(term=1)
    node.wait(2)
    due = node.core._deadline
    node.hear("b", Vote(1, True, False))
    assert node.core._deadline == due


def test_5_3_a_leader_appends_and_sends_and_commits_what_a_majority_has() -> None:
    node = Bench(term=1)
    node.elect()
    node.acknowledge("b", 1)
    node.sent.clear()
    assert node.core.propose((b"x",), node.now) == Proposed(2, 2)
    node.act()
    assert [message.entries[0].data for message in node.take(AppendEntries, "b")] == [b"x"]
    assert node.core.commit == 1
    node.acknowledge("b", 2)
    assert node.core.commit == 2 and [entry.data for entry in node.applied] == [b"", b"x"]


def test_5_3_commit_is_told_in_what_is_sent_next_and_followers_apply_in_order() -> None:
    node = Bench(1, 1, 1, term=1)
    node.append(3, 1, commit=2)
    assert [entry.data for entry in node.applied] == [b"e1", b"e2"]
    node.append(3, 1, commit=3)
    assert [entry.data for entry in node.applied] == [b"e1", b"e2", b"e3"]


def test_5_3_log_matching_is_checked_with_each_append() -> None:
    node = Bench(1, 2, term=2)
    node.append(3, 2, 2)
    assert node.take(Appended) == [Appended(2, 3, True, 2, 2)]
    node.append(2, 1, 2)
    assert node.take(Appended) == [Appended(2, 2, True, 1, 1)]
    node.append(2, 2, 2)
    assert node.take(Appended) == [Appended(2, 3, False, 0, 0)]


FIGURE_7 = {
    "a": [1, 1, 1, 4, 4, 5, 5, 6, 6],
    "b": [1, 1, 1, 4],
    "c": [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    "d": [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    "e": [1, 1, 1, 4, 4, 4, 4],
    "f": [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
}


@pytest.mark.parametrize("which", FIGURE_7)
def test_5_3_figure_7_every_log_is_made_the_leaders(which: str) -> None:
    leader = Bench(1, 1, 1, 4, 4, 5, 5, 6, 6, 6, term=7)
    leader.elect()
    follower = Bench(*FIGURE_7[which], term=7)
    follower.core._state.name = "b"  # it never learns the difference
    rounds = 0
    while leader.core.progress()["b"].match < leader.core.last:
        for message in leader.take(AppendEntries, "b"):
            follower.hear("a", message)
        for answer in follower.take(Appended):
            leader.hear("b", answer)
        rounds += 1
        assert rounds < 6
    assert follower.terms == leader.terms


def test_5_4_1_no_vote_for_a_log_that_is_behind() -> None:
    for last, last_term, granted in [(3, 2, True), (2, 2, True), (1, 2, False), (9, 1, False), (1, 3, True)]:
        node = Bench(1, 2, term=3)
        assert node.ask_vote("b", 4, last, last_term) == Vote(4, False, granted)
        node = Bench(1, 2, term=3)
        assert node.ask_vote("b", 4, last, last_term, pre=True) == Vote(4 if granted else 3, True, granted)
        assert node.core.term == 3, "asking raises no term"


def test_5_4_2_entries_of_old_terms_are_not_committed_by_counting() -> None:
    node = Bench(1, 2, term=3)
    node.elect()
    node.acknowledge("b", 2)
    assert node.core.commit == 0
    node.acknowledge("b", 3)
    assert node.core.commit == 3


def test_5_5_whatever_comes_twice_does_no_harm() -> None:
    node = Bench(1, term=1)
    for _ in range(2):
        node.append(1, 1, 1, 1, commit=2)
        assert node.terms == [1, 1, 1] and node.core.commit == 2
        assert node.take(Appended) == [Appended(1, 3, False, 0, 0)]


def test_6_a_configuration_holds_from_when_it_is_appended() -> None:
    node = Bench(term=1, learners="d")
    node.elect()
    node.acknowledge("b", 1)
    node.acknowledge("d", 1)
    assert isinstance(node.core.add_voter("d", node.now), Proposed)
    assert node.core.configuration.voters == tuple("abcd") and node.core.configuration.outgoing == tuple("abc")
    node.act()
    node.acknowledge("b", 2)
    assert node.core.commit == 1, "of four voters two are no majority"
    node.acknowledge("d", 2)
    assert node.core.commit == 2 and not node.core.configuration.is_joint


def test_6_a_leader_that_is_removed_steps_down_when_that_is_committed() -> None:
    node = Bench(term=1)
    node.elect()
    node.acknowledge("b", 1)
    node.core.remove("a", node.now)
    node.act()
    for index in (2, 3):
        assert node.core.role == "leader"
        node.acknowledge("b", index)
        assert node.core.role == "leader", "it does not count itself"
        node.acknowledge("c", index)
    assert node.core.role == "follower" and node.core.commit == 3


def test_6_who_hears_a_leader_does_not_answer_a_candidate() -> None:
    node = Bench(1, term=1)
    node.append(1, 1)
    node.wait(0.9)
    assert node.ask_vote("c", 5, 9, 4) is None
    assert node.ask_vote("c", 5, 9, 4, pre=True) is None
    assert node.core.term == 1
    node.wait(0.2)
    assert node.ask_vote("c", 5, 9, 4) == Vote(5, False, True)


def test_7_entries_that_a_snapshot_stands_for_are_dropped_and_nothing_beyond() -> None:
    node = Bench(1, 1, 1, 1, term=1)
    node.append(4, 1, commit=3)
    node.core.snapshot_taken(3, b"s")
    assert node.core.compact(9) == (3, 1)
    assert node.terms == [1] and node.state.log.term(3) == 1
    assert node.core.compact(2) is None


def test_8_a_leader_begins_its_term_with_an_entry_that_says_nothing() -> None:
    node = Bench(1, term=1)
    node.elect()
    assert node.state.log.entry(2).kind == NOOP and node.state.log.entry(2).term == 2


def test_8_a_leader_answers_no_read_before_a_majority_has_answered_it() -> None:
    node = Bench(term=1)
    node.elect()
    node.acknowledge("b", 1)
    read = node.core.read(node.now)
    node.act()
    assert node.reads == []
    (heartbeat,) = node.take(Heartbeat, "b")
    node.hear("b", HeartbeatAnswer(2, heartbeat.round))
    assert node.reads == [read]


def test_only_a_leader_takes_proposals() -> None:
    node = Bench(term=1)
    node.append(0, 0, by="c")
    assert node.core.propose((b"x",), node.now) == Refused("not leader", "c")
