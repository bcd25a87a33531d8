"""The demonstration: its short form passes, and its verdict is not given away."""

import io
import socket
from pathlib import Path
from typing import Any

import pytest

from replication import cli
from replication.demo import board, claims, process, story, verdict
from replication.demo.claims import Answer
from replication.demo.display import Display, Row
from replication.demo.proxy import Proxy
from replication.demo.verdict import Call


@pytest.mark.no_sanitizer
def test_the_short_form_finds_everything_that_was_promised() -> None:
    out = io.StringIO()
    assert story.run(seconds=3.0, out=out) == 0, out.getvalue()
    text = out.getvalue()
    assert "bob is killed" in text and "cal is cut off" in text and "which leads, is killed" in text
    assert "no task was taken twice" in text
    assert "all states are equal" in text and "FAILED" not in text
    assert "\x1b" not in text


def test_a_demonstration_in_no_time_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--seconds", "0"]) == 2
    assert "nothing to see" in capsys.readouterr().err


def test_a_demonstration_that_is_interrupted_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    children: list[Any] = []

    def interrupt(self: story.Story, share: float, at_least: float = 0.0) -> None:
        children.extend(self._children.values())
        raise KeyboardInterrupt

    monkeypatch.setattr(story.Story, "_pass", interrupt)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        story.run(out=io.StringIO())
    assert len(children) == 3
    assert all(child._process.returncode is not None for child in children)
    assert list(tmp_path.iterdir()) == []


# ---- the verdict

CALLS = {
    "ann.1.crdt_enhanced.1": Call("garden", "crdt_enhanced", "acknowledged"),
    "bob.1.crdt_enhanced.1": Call("garden", "crdt_enhanced", "kept"),
    "bob.1.crdt_enhanced.2": Call("garden", "crdt_enhanced", "called"),
    "cal.1.crdt_enhanced.1": Call("garden", "crdt_enhanced", "refused"),
}
WHOLE = ["ann.1.crdt_enhanced.1", "bob.1.crdt_enhanced.1"]
DIGESTS = {"ann": {"garden": "1"}, "bob": {"garden": "1"}}


def holding(log: list[str]) -> dict[str, Any]:
    names = [update.partition(".")[0] for update in log]
    return {"garden": {"log": log, "tally": {name: names.count(name) for name in names}}}


def problems(log: list[str], digests: Any = DIGESTS) -> list[str]:
    return verdict.judge(CALLS, {"ann": holding(WHOLE), "bob": holding(log)}, digests).problems


def test_what_is_whole_is_found_whole() -> None:
    found = verdict.judge(CALLS, {"ann": holding(WHOLE), "bob": holding(WHOLE)}, DIGESTS)
    assert found.problems == []
    assert found.found == {"ann": 2, "bob": 2}
    assert (found.promised, found.unpromised, found.unpromised_found) == (2, 1, 0)


def test_what_was_not_promised_may_be_there() -> None:
    assert problems([*WHOLE, "bob.1.crdt_enhanced.2"]) == []


@pytest.mark.parametrize(
    ("log", "word"),
    [
        (WHOLE[:1], "lacks 1"),
        ([*WHOLE, WHOLE[0]], "more than once"),
        ([*WHOLE, "cal.1.crdt_enhanced.1"], "refused or never made"),
        ([*WHOLE, "dan.1.crdt_enhanced.1"], "refused or never made"),
    ],
)
def test_what_is_missing_double_or_strange_is_found(log: list[str], word: str) -> None:
    [problem] = problems(log)
    assert word in problem and problem.startswith("bob")


def test_half_an_update_and_unequal_states_are_found() -> None:
    half = holding(WHOLE)
    half["garden"]["tally"]["ann"] = 2
    found = verdict.judge(CALLS, {"ann": half}, {"ann": {"garden": "1"}, "bob": {"garden": "2"}, "cal": {}})
    assert [("half an update" in each, "not the same" in each) for each in found.problems] == [
        (True, False),
        (False, True),
    ]


def test_what_survivors_lack_of_a_dead_one_is_counted() -> None:
    assert verdict.missing_while_dead(CALLS, "ann.1.", [holding(WHOLE)]) == (1, 0)
    assert verdict.missing_while_dead(CALLS, "ann.1.", [holding([])]) == (1, 1)
    assert verdict.missing_while_dead(CALLS, "bob.1.", [holding([])]) == (0, 0)  # nobody had acknowledged it


def test_a_journal_is_read_up_to_what_a_kill_cut_short(tmp_path: Path) -> None:
    journal = process.Journal(tmp_path / "ann.1.journal")
    journal.write("ann.1.m.1", "garden", "m", "called")
    journal.write("ann.1.m.1", "garden", "m", "durable")
    with (tmp_path / "ann.1.journal").open("a") as file:
        file.write("ann.1.m.2 garden m dur")
    assert verdict.read_journals(tmp_path) == {"ann.1.m.1": Call("garden", "m", "durable")}


# ---- the proxy


def test_a_proxy_passes_on_until_it_is_cut_and_closes_what_lost_something() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = Proxy(f"127.0.0.1:{server.getsockname()[1]}")
        host, port = proxy.address.split(":")
        try:
            with socket.create_connection((host, int(port)), 5) as near:
                far, _ = server.accept()
                with far:
                    near.sendall(b"one")
                    assert far.recv(10) == b"one"
                    far.sendall(b"two")
                    assert near.recv(10) == b"two"
                    proxy.cut()
                    near.sendall(b"lost")
                    far.settimeout(0.2)
                    with pytest.raises(TimeoutError):
                        far.recv(10)
                    proxy.join()
                    assert far.recv(10) == near.recv(10) == b""
            with socket.create_connection((host, int(port)), 5) as near:
                far, _ = server.accept()
                with far:
                    near.sendall(b"three")
                    assert far.recv(10) == b"three"
        finally:
            proxy.close()


# ---- the display


def test_where_there_is_no_terminal_there_are_few_plain_lines() -> None:
    out = io.StringIO()
    display = Display(out, ("ann", "bob"))
    display.say("it begins")
    for _ in range(100):
        display.show([Row("ann", "writing", {"ann": 1}, 0, 0.012, 0, "bob alive")])
    assert "\x1b" not in out.getvalue()
    assert len(out.getvalue().splitlines()) == 1


def test_on_a_terminal_the_table_is_drawn_again_only_when_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    display = Display(out, ("ann",))
    for count in (1, 1, 2):
        display.show([Row("ann", "writing", {"ann": count}, 0, None, 0, "")])
    assert out.getvalue().count("updates it has of") == 2
    assert "\x1b[2A\x1b[J" in out.getvalue()


# ---- the task board

ANSWERS = {"ann.1.0.1": Answer("1", 5.0), "bob.1.0.1": Answer("2", 7.5), "cal.1.0.1": Answer(None, 0.0)}
BOARD = {"1": "ann.1.0.1", "2": "bob.1.0.1"}


def test_a_board_that_says_what_was_answered_is_right() -> None:
    assert claims.judge(ANSWERS, {"ann": BOARD, "bob": BOARD}).problems == []
    assert claims.judge(ANSWERS, {"ann": BOARD | {"3": "cal.1.0.1"}}).problems == []  # nobody knows what came of that


@pytest.mark.parametrize(
    ("held", "word"),
    [
        ({"1": "ann.1.0.1"}, "nobody has"),
        ({"1": "ann.1.0.1", "2": "cal.1.0.1"}, "cal.1.0.1 has"),
        (BOARD | {"3": "ann.1.0.1"}, "several tasks"),
        (BOARD | {"3": "dan.1.0.1"}, "never asked"),
    ],
)
def test_a_task_that_is_lost_taken_twice_or_nobodys_is_found(held: dict[str, str], word: str) -> None:
    [problem] = claims.judge(ANSWERS, {"ann": held}).problems
    assert word in problem and problem.startswith("ann")


def test_two_calls_that_were_given_one_task_are_found() -> None:
    answers = ANSWERS | {"bob.1.0.1": Answer("1", 7.5)}
    assert claims.judge(answers, {"ann": {"1": "ann.1.0.1"}}).problems != []


def test_what_agents_wrote_down_is_read_up_to_what_a_kill_cut_short(tmp_path: Path) -> None:
    written = board.Claims(tmp_path / "ann.1.claims")
    written.asked("ann.1.0.1")
    written.answered("ann.1.0.1", 1)
    written.asked("ann.1.0.2")
    with (tmp_path / "ann.1.claims").open("a") as file:
        file.write("ann.1.0.2 7")
    answers = claims.read(tmp_path)
    assert {op_id: answer.task for op_id, answer in answers.items()} == {"ann.1.0.1": "1", "ann.1.0.2": None}


def test_the_longest_time_without_a_task_is_found() -> None:
    assert claims.longest_gap(ANSWERS, 4.0, 8.0) == 2.5
    assert claims.longest_gap(ANSWERS, 5.5, 7.0) == 1.5
