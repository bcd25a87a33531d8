"""The ledger: what the operations allow an agent to hold, and each way in which it can hold something else."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from replication.simulation.ledger import KINDS, Everything, Ledger, Operation, Violation


class Book:
    """A ledger with the state of one agent beside it."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.state = Everything("a")

    def do(self, field: str, seed: int = 1, kept: bool = True) -> Operation:
        operation = self.ledger.open("a", 1, "agent", field)
        operation.act(self.state, Random(seed))
        operation.kept = kept
        return operation

    def check(self) -> None:
        self.ledger.check("agent", self.state.value)


@pytest.mark.parametrize("field", KINDS)
def test_what_was_done_and_nothing_else_is_right(field: str) -> None:
    book = Book()
    for seed in range(40):
        book.do(field, seed)
    book.check()


@pytest.mark.parametrize("field", KINDS)
def test_a_promised_operation_that_is_not_there_is_found(field: str) -> None:
    book = Book()
    book.do(field)
    book.state = Everything("a")
    with pytest.raises(Violation, match=field):
        book.check()


@pytest.mark.parametrize("field", KINDS)
def test_an_operation_without_a_promise_may_be_there_or_not(field: str) -> None:
    book = Book()
    book.do(field, kept=False)
    book.check()
    book.state = Everything("a")
    book.check()


@pytest.mark.parametrize(
    ("field", "spoil"),
    [
        ("count", lambda state: state.count.increment()),
        ("balance", lambda state: state.balance.increment()),
        ("log", lambda state: state.log.append(0)),
        ("text", lambda state: state.text.append("<0>")),
        ("tallies", lambda state: state.tallies["tally 0"].increment()),
    ],
)
def test_an_operation_that_counted_twice_is_found(field: str, spoil: Callable[[Any], None]) -> None:
    book = Book()
    book.do(field)
    spoil(book.state)
    with pytest.raises(Violation, match=r"more than once|counts 2"):
        book.check()


@pytest.mark.parametrize(
    ("field", "spoil"),
    [
        ("seen", lambda state: state.seen.add(99)),
        ("members", lambda state: state.members.add(99)),
        ("settings", lambda state: state.settings.update({"key 99": 99})),
        ("latest", lambda state: state.latest.set(99)),
        ("opinions", lambda state: state.opinions.set(99)),
        ("log", lambda state: state.log.append(99)),
        ("text", lambda state: state.text.append("<99>")),
    ],
)
def test_what_nobody_did_is_found(field: str, spoil: Callable[[Any], None]) -> None:
    book = Book()
    book.do(field)
    spoil(book.state)
    with pytest.raises(Violation, match="99"):
        book.check()


def test_what_was_taken_away_for_good_must_not_come_back() -> None:
    book = Book()
    book.do("members", kept=True)
    removal = book.ledger.open("a", 1, "agent", "members")
    removal.removes, removal.tried, removal.kept = 0, True, True
    with pytest.raises(Violation, match="taken away"):
        book.check()
    book.state.members.discard(0)
    book.check()


def test_words_torn_apart_are_found() -> None:
    book = Book()
    book.do("text")
    book.state.text.insert(1, "?")
    with pytest.raises(Violation, match="torn apart"):
        book.check()


def test_reactive_changes_are_promised_as_long_as_their_process_lives() -> None:
    book = Book()
    operation = book.do("seen", kept=False)
    book.ledger.kept_by({"a": 2})
    assert not operation.kept
    book.ledger.kept_by({"a": 1})
    assert operation.kept
