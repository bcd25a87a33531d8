"""Short runs in the mode `replicated`, mistakes that they must find, and the judge's own rules."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos.child import Broken
from tests.chaos.history import History
from tests.chaos.planted import STRONG_PLANTED

BOARD = "board-1-0"
_REFUTED = "cannot have been done one at a time"
_NOT_HERE = "was answered .*, and here it is"
# What each mistake needs to be seen, and what is said of it then. The seed is one whose faults last long enough.
NEEDED = {
    "a verdict does not wait for the disk": (
        ["--seconds", "10", "--faults", "kill all", "--between", "2", "--rate", "60", "--quiet", "5"],
        f"{_REFUTED}|done twice|nobody answers|promised, and lost|AssertionError|the log lacks an entry|"
        "comes after record",
    ),
    "a read asks nobody": (["--seconds", "5", "--faults", "delay", "--between", "0.5", "--rate", "60"], _REFUTED),
    "a leader does not ask whether it leads": (
        ["--seconds", "10", "--faults", "cut leader", "--between", "3", "--rate", "60"],
        _REFUTED,
    ),
    "an op_id asked for again is another": (["--seconds", "4", "--faults", ""], "done twice|asked again"),
    "a conflict is answered as committed": (["--seconds", "4", "--faults", ""], f"{_NOT_HERE}|{_REFUTED}"),
    "the log waits for the clock": (
        ["--seconds", "6", "--faults", "clock", "--between", "0.3", "--quiet", "5"],
        f"{_NOT_HERE}|{_REFUTED}",
    ),
}


@pytest.mark.no_sanitizer
def test_processes_under_every_fault_answer_as_one_copy(chaos: Callable[..., Any], tmp_path: Path) -> None:
    with chaos(tmp_path, "--mode", "replicated", "--seconds", "10", "--seed", "1") as run:
        said = run.communicate(timeout=300)[0]
    assert run.returncode == 0, said
    assert "all as of one copy" in said and "no verdict on 0 boards" in said


@pytest.mark.no_sanitizer
@pytest.mark.skipif("PLANT_ALL" not in os.environ, reason="runs processes for each mistake: make mutants")
def test_the_harness_finds_planted_bugs(find: Callable[..., None]) -> None:
    assert NEEDED.keys() == STRONG_PLANTED.keys()
    find(NEEDED, 4, "--mode", "replicated")


# ---- the judge


class Clients:
    """Two processes, as the history hears of them; time passes with every line."""

    def __init__(self) -> None:
        self.history = History(0.0, Random(1), lambda line: None)
        self.children: dict[str, Any] = {
            label: SimpleNamespace(label=label, role=SimpleNamespace(life=1), calls={}) for label in ("p1", "p2")
        }
        self.now = 0

    def ask(self, label: str, number: int, asked: str, op_id: str = "-") -> None:
        self.now += 10**9
        self.history.ask(self.children[label], [str(number), str(self.now), BOARD, op_id, *asked.split()])

    def answer(self, label: str, number: int, outcome: str, value: Any = None) -> None:
        self.now += 10**9
        shown = json.dumps(value, separators=(",", ":"))
        self.history.answer(self.children[label], [str(number), str(self.now), outcome, shown])

    def judge(self, spent: int = 0, claims: tuple[tuple[int, int], ...] = (), notes: tuple[int, ...] = ()) -> None:
        self.history.judge({BOARD: {"spent": spent, "claims": claims, "notes": notes, "looks": len(notes)}})


@pytest.fixture
def clients() -> Clients:
    return Clients()


def test_what_was_answered_and_is_gone_is_refuted(clients: Clients) -> None:
    clients.ask("p1", 1, "spend")
    clients.answer("p1", 1, "committed", True)
    clients.judge(spent=1)
    with pytest.raises(Broken, match=_REFUTED):
        clients.judge(spent=0)


def test_what_was_refused_and_is_there_is_refuted(clients: Clients) -> None:
    clients.ask("p1", 1, "spend")
    clients.answer("p1", 1, "refused:Unavailable")
    clients.judge(spent=0)
    with pytest.raises(Broken, match=_REFUTED):
        clients.judge(spent=1)


@pytest.mark.parametrize("spent", [0, 1])
def test_what_a_killed_process_had_asked_may_be_there_or_not(clients: Clients, spent: int) -> None:
    clients.ask("p1", 1, "spend")
    clients.history.died("p1")
    clients.judge(spent=spent)
    with pytest.raises(Broken, match=_REFUTED):
        clients.judge(spent=2)


def test_an_operation_is_asked_for_until_it_is_answered_and_has_one_answer(clients: Clients) -> None:
    clients.ask("p1", 1, "claim 3 1", "op-1")
    clients.history.died("p1")
    assert [each.number for each in clients.history.to_ask_again(0.0)] == [1]
    assert not list(clients.history.to_ask_again(1.0)), "the order is on its way"
    clients.ask("p2", 1, "claim 3 1", "op-1")
    clients.answer("p2", 1, "replayed", 1)
    assert not clients.history.unanswered()
    clients.judge(claims=((3, 1),))
    clients.ask("p2", 1, "claim 3 1", "op-1")
    with pytest.raises(Broken, match="asked again"):
        clients.answer("p2", 1, "replayed", 7)


def test_an_operation_is_done_for_one_caller_only(clients: Clients) -> None:
    for label in ("p1", "p2"):
        clients.ask(label, 1, "spend", "op-1")
    clients.answer("p1", 1, "committed", True)
    with pytest.raises(Broken, match="twice"):
        clients.answer("p2", 1, "committed", True)


def test_a_note_that_was_promised_is_there_once(clients: Clients) -> None:
    clients.ask("p1", 1, "note reactive")
    clients.answer("p1", 1, "durable")
    clients.judge(notes=(1,))
    for notes, words in (((), "lost"), ((1, 1), "twice"), ((1, 2), "nobody wrote")):
        with pytest.raises(Broken, match=words):
            clients.judge(notes=notes)


def test_a_board_without_a_verdict_is_named(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    clients.ask("p1", 1, "spend")
    clients.answer("p1", 1, "committed", True)
    monkeypatch.setattr("tests.chaos.history._STEPS_MAX", 0)
    with pytest.raises(Broken, match=f"no verdict on 1 of 1 boards: .'{BOARD}'"):
        clients.judge(spent=1)
