"""Turns: whose attempt was in vain is next, and nobody is waited for long."""

from replication.strong.entries import Proposal
from replication.strong.machine import CONFLICT, HOLDS
from replication.strong.turns import Turns


def attempt(proposer: str, number: int = 1, agent_id: str = "a") -> Proposal:
    return Proposal(proposer, 1, number, agent_id, 0, b"delta", b"", ())


def seen_by(name: str, *verdicts: tuple[Proposal, str], now: float = 0.0) -> Turns:
    turns = Turns(name)
    for proposal, verdict in verdicts:
        turns.judged(proposal, verdict, now)
    return turns


def test_where_nobody_lost_anybody_may_try() -> None:
    turns = seen_by("a", (attempt("b"), HOLDS))
    assert turns.wait("a", 0.0) == turns.wait("other", 0.0) == 0.0


def test_who_lost_first_is_next_and_the_others_wait() -> None:
    verdicts = (attempt("a"), HOLDS), (attempt("b"), CONFLICT), (attempt("c"), CONFLICT)
    assert seen_by("b", *verdicts).wait("a", 0.0) == 0.0
    assert seen_by("c", *verdicts).wait("a", 0.0) > 0.0
    assert seen_by("a", *verdicts).wait("a", 0.0) > 0.0
    then = (*verdicts, (attempt("b", 2), HOLDS))
    assert seen_by("b", *then).wait("a", 0.0) > 0.0
    assert seen_by("c", *then).wait("a", 0.0) == 0.0
    after = (*then, (attempt("c", 2), HOLDS))
    assert [seen_by(name, *after).wait("a", 0.0) for name in "abc"] == [0.0] * 3


def test_other_agents_do_not_wait() -> None:
    assert seen_by("a", (attempt("b"), CONFLICT)).wait("other", 0.0) == 0.0


def test_who_does_not_come_is_passed_over() -> None:
    turns = seen_by("a", (attempt("b"), CONFLICT), (attempt("c"), CONFLICT))
    left = turns.wait("a", 0.0)
    assert 0.0 < turns.wait("a", left) <= left  # b is not waited for any more: c is, from now on
    assert turns.wait("a", left + left) == 0.0


def test_an_attempt_that_comes_twice_has_lost_nothing() -> None:
    turns = seen_by("a", (attempt("b"), HOLDS), (attempt("b"), CONFLICT))
    assert turns.wait("a", 0.0) == 0.0


def test_so_many_agents_are_known_and_no_more() -> None:
    turns = Turns("a")
    for number in range(3000):
        turns.judged(attempt("b", agent_id=f"agent {number}"), CONFLICT, 0.0)
    assert turns.wait("agent 0", 0.0) == 0.0
    assert turns.wait("agent 2999", 0.0) > 0.0
