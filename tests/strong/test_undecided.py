"""Which operations may be committed, as far as a node can tell."""

from replication.raft.configuration import Configuration
from replication.raft.log import DATA, Entry
from replication.raft.ready import Saved
from replication.strong.entries import Proposal, Result, encode
from replication.strong.journal import Start
from replication.strong.undecided import Undecided

NEW = Saved.new(Configuration(("a", "b", "c")))


def entry(op_id: str) -> Entry:
    return Entry(1, DATA, encode(Proposal("a", 1, 1, "x", 0, b"delta", b"top", (Result(op_id, b""),))))


def test_what_was_found_in_the_log_is_until_all_of_it_is_applied() -> None:
    applied = 0
    undecided = Undecided(Start(NEW._replace(entries=(entry("one"), entry("two"))), b""), lambda: applied)
    assert "one" in undecided and "two" in undecided and "three" not in undecided
    assert undecided.last_found == 2
    applied = 1
    assert "one" in undecided
    applied = 2
    assert "one" not in undecided and "two" not in undecided


def test_what_an_earlier_life_asked_is_until_the_log_brings_an_attempt_of_this_one() -> None:
    undecided = Undecided(Start(NEW, b"", frozenset({"once"})), lambda: 0)
    assert "once" in undecided and list(undecided) == ["once"]
    undecided.decided(1)
    assert "once" not in undecided and not list(undecided)


def test_what_was_lost_is_until_the_log_brings_a_later_attempt() -> None:
    """One before it, or itself put a second time, says nothing of it."""
    undecided = Undecided(Start(NEW, b"", frozenset({"once"})), lambda: 0)
    undecided.lose(7, ["seven", "and more"])
    undecided.lose(8, ["eight"])
    undecided.decided(6)
    assert list(undecided) == ["seven", "and more", "eight"]
    undecided.decided(8)
    assert list(undecided) == ["eight"]
    undecided.decided(9)
    assert "eight" not in undecided
