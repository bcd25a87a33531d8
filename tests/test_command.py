"""The `nexus-state` command: the history it replays, the verdict of a replay, and what it says of a store."""

import gzip
import io
import json
import random
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import replication
from replication import cli, replay, typing_trace
from replication.replay_report import Progress, Report, plain_bytes


def test_a_made_up_history_is_the_same_for_the_same_seed() -> None:
    assert list(typing_trace.type_text(5000, seed=3)) == list(typing_trace.type_text(5000, seed=3))
    assert list(typing_trace.type_text(5000, seed=3)) != list(typing_trace.type_text(5000, seed=4))


def test_a_made_up_history_can_be_replayed_and_looks_like_typing() -> None:
    text, patches = "", list(typing_trace.type_text(30_000, seed=5))
    for position, deleted, inserted in patches:
        assert 0 <= position <= position + deleted <= len(text)
        assert deleted or inserted
        text = text[:position] + inserted + text[position + deleted :]
    singles = sum(1 for _, deleted, inserted in patches if deleted + len(inserted) == 1)
    backspaces = sum(1 for _, deleted, inserted in patches if deleted and not inserted)
    jumps = sum(1 for a, b in pairwise(patches) if abs(b[0] - a[0]) > 20)
    assert singles > 0.95 * len(patches)
    assert 0.05 * len(patches) < backspaces < 0.4 * len(patches)
    assert jumps > 50
    assert any(len(inserted) > 20 for _, _, inserted in patches)
    assert max(text) > "\uffff"


HISTORY = {"startContent": "ab", "endContent": "aXb", "txns": [{"patches": [[1, 0, "X"]]}]}


@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["gzip", "plain"])
def test_a_history_is_read_from_a_file(pack, tmp_path: Path) -> None:
    file = tmp_path / "history"
    file.write_bytes(pack(json.dumps(HISTORY).encode()))
    assert typing_trace.load(file) == ([(0, 0, "ab"), (1, 0, "X")], "aXb")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "JSONDecodeError"),
        (b"\x1f\x8bcut", "EOFError"),
        (b"\xff\xfe\xff", "not an editing history"),
        (b"[]", "AttributeError"),
        (b"{}", "txns"),
        (json.dumps(HISTORY | {"kind": "concurrent"}).encode(), "concurrent"),
        (json.dumps(HISTORY | {"txns": [{"patches": [[1]]}]}).encode(), "ValueError"),
    ],
)
def test_what_is_no_history_is_refused(content: bytes, word: str, tmp_path: Path, capsys) -> None:
    file = tmp_path / "history"
    file.write_bytes(content)
    with pytest.raises(typing_trace.TraceError, match=word):
        typing_trace.load(file)
    assert cli.main(["replay", "--trace", str(file)]) == 2
    assert "history" in capsys.readouterr().err


def test_the_model_splices_as_a_string_does() -> None:
    rng = random.Random(1)
    before: list[str] = []
    after: list[str] = []
    text = ""
    for _ in range(3000):
        position = rng.randint(0, len(text))
        deleted = min(rng.choice((0, 0, 1, 3)), len(text) - position)
        inserted = rng.choice(("", "a", "bcd"))
        replay.splice(before, after, position, deleted, inserted)
        text = text[:position] + inserted + text[position + deleted :]
        assert "".join(before) + "".join(reversed(after)) == text


def test_the_verdict_finds_what_is_missing_and_what_is_wrong(tmp_path: Path) -> None:
    stream = list(replay.events(typing_trace.type_text(300, seed=1)))
    with replication.open(tmp_path / "state", schema=replay.Workspace) as node:
        for event in stream:
            node.update_state(event[0], replay.change(event))
    whole = replay.Model(stream).updates

    report = Report("test", len(stream), io.StringIO())
    assert replay.check(tmp_path / "state", stream, dict(whole), report) == dict(whole)
    assert not report.problems and report.print() == 0

    replay.check(tmp_path / "state", stream, {"editor": whole["editor"] + 1}, report)
    assert len(report.problems) == 1 and "editor" in report.problems[0]
    assert report.print() == 1

    report.problems.clear()
    other = [(agent, arguments if agent != "journal" else (0, "no")) for agent, arguments in stream]
    replay.check(tmp_path / "state", other, {}, report)
    assert len(report.problems) == 1 and "journal" in report.problems[0]


def test_plain_bytes_counts_each_object_once() -> None:
    word = "x" * 100
    assert plain_bytes([word, word]) == sys.getsizeof([word, word]) + sys.getsizeof(word)
    nested = {"k": [word]}
    assert plain_bytes(nested) == sum(map(sys.getsizeof, (nested, "k", nested["k"], word)))


def test_progress_is_plain_lines_when_not_on_a_terminal() -> None:
    out = io.StringIO()
    progress = Progress(100, out)
    for made in range(0, 101, 5):
        progress.show(made, "working")
    progress.done()
    assert "\x1b" not in out.getvalue() and "\r" not in out.getvalue()
    assert len(out.getvalue().splitlines()) == 11


def test_version(capsys) -> None:
    assert cli.main(["version"]) == 0
    assert capsys.readouterr().out.strip()


def test_status_tells_what_a_store_holds(tmp_path: Path, capsys) -> None:
    store = tmp_path / "state"
    with replication.open(store, schema=replay.Workspace, name="office") as node:
        node.update_state("a", lambda s: s.counters.increment())
        node.update_state("b", lambda s: s.counters.increment())
        node.flush()
        assert cli.main(["status", str(store)]) == 1
        assert "is already open" in capsys.readouterr().err
    before = {file.name: file.read_bytes() for file in store.iterdir() if file.name != "lock"}
    assert cli.main(["status", str(store)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["agents"] == 2 and told["name"] == "office" and told["closed_cleanly"] is True
    after = {file.name: file.read_bytes() for file in store.iterdir() if file.name in before}
    assert after == before


def test_status_of_what_is_no_store_makes_nothing(tmp_path: Path, capsys) -> None:
    assert cli.main(["status", str(tmp_path / "nowhere")]) == 1
    assert "no store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_replay_starts_from_nothing(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").touch()
    assert cli.main(["replay", "--keep", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert cli.main(["replay", "--edits", "0"]) == 2
