"""The benchmarks run, part by part and at a tiny size, with the peers that are there and without; and pages quote what
was measured. Whether a figure is good is not for a test to say."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import counters, curves, lists, maps, measure, memory, node, publish, sets, sync, text, worst_cases
from benchmarks.fresh import grown
from benchmarks.histories import DELIVER, EDIT, exchange
from benchmarks.measure import Contender, Spread, Times, race
from benchmarks.memory_cases import CASES
from benchmarks.report import Report, Row, as_json, from_json, markdown
from benchmarks.settings import Settings
from benchmarks.text_exchange import exchange_ours

pytestmark = pytest.mark.no_sanitizer

ROOT = Path(__file__).resolve().parent.parent.parent
TINY = Settings(sizes=(20, 40), rounds=1, seconds=0.0)
PARTS = {"text": text, "maps": maps, "sets": sets, "lists": lists, "counters": counters, "curves": curves}
WITHOUT_PEERS = """
import gc, sys
sys.modules.update(loro=None, pycrdt=None, msgpack=None)
from benchmarks.peers import versions
from benchmarks.report import Report
from benchmarks import lists, maps, measure, text
measure.ROUND_NS = 0
from benchmarks.settings import Settings
gc.freeze()
report, settings = Report("all"), Settings(sizes=(20,), rounds=1, seconds=0.0)
for measured in (text.main, maps.beside_peers, lists.main):
    measured(report, settings)
assert set(versions().values()) == {"missing"}, versions()
named = {row.peer for row in report.rows if row.theirs is None}
assert {"loro (missing)", "msgpack (missing)"} <= named, named
"""


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One subject a round, and no search through what the tests before left for garbage."""
    monkeypatch.setattr(measure, "ROUND_NS", 0)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_runs(part: str) -> None:
    report = Report(part)
    PARTS[part].main(report, TINY)
    assert report.rows
    assert as_json(from_json(as_json(report.rows))) == as_json(report.rows)
    for row in report.rows:
        assert row.ours is not None or row.note, row


def test_worst_cases_end_as_they_should() -> None:
    report = Report("worst_cases")
    worst_cases.main(report, Settings(sizes=(200,), rounds=1))
    assert all(row.met is not None for row in report.rows)


def test_nodes_are_measured() -> None:
    report = Report("node")
    node.main(report, TINY)
    sync.main(report, Settings(sizes=(300,), rounds=1))
    assert all(row.ours.median > 0 for row in report.rows if row.what != "beside it")


def test_without_peers_they_are_named_as_missing() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_PEERS], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{case.what}, {case.shape}" for case in CASES])
def test_containers_hold_what_their_memory_is_shared_by(number: int) -> None:
    for contender in ("ours", "plain"):
        *_, containers = memory.kept(contender, number, 200, 2)
        assert len(containers) == 2
        if hasattr(containers[0], "__len__") and CASES[number].sizes in ("middle", "all"):
            assert len(containers[0]) == 200


def test_memory_is_that_of_a_fresh_process() -> None:
    found = grown(memory.kept, "ours", 0, 50_000, 1)
    assert 0.8 < found.told / found.resident < 1.25


def test_contenders_take_turns() -> None:
    order: list[str] = []
    times = race([Contender(name, lambda _, name=name: order.append(name), alone=True) for name in "ab"], 1, rounds=3)
    assert order == list("ab" * 4)  # once to warm up
    assert [len(each) for each in times.values()] == [3, 3]


def test_a_ratio_is_that_of_each_round() -> None:
    assert Times(ours=[1.0, 2.0, 4.0], peer=[10.0, 10.0, 10.0]).ratio("peer", "ours") == Spread(5.0, 2.5, 10.0)


def test_a_figure_is_held_against_its_aim() -> None:
    def row(judged: str, figure: float) -> Row:
        spread = Spread.exact(figure)
        return Row("p", "what", "", 1, "ns", spread, "peer", spread, judged, spread, 2.0)  # type: ignore[arg-type]

    assert [row(judged, 3.0).met for judged in ("times", "share", "bound")] == [True, False, False]
    assert [row(judged, 1.0).met for judged in ("times", "share", "bound")] == [False, True, True]
    assert "at least 2x" in markdown([row("times", 1.0)])
    assert Row("p", "what", "", 1, "ns", None, asked=2.0).met is None


def test_every_writer_gets_what_a_transaction_builds_on() -> None:
    def transaction(agent: int, parents: list[int], *patch: object) -> dict[str, object]:
        return {"agent": agent, "parents": parents, "patches": [list(patch)]}

    history = exchange("two", {
        "numAgents": 2,
        "endContent": "abc!",
        "txns": [
            transaction(0, [], 0, 0, "ac"),
            transaction(1, [0], 1, 0, "b"),
            transaction(0, [0], 2, 0, "!"),
            transaction(0, [1, 2], 0, 0, ""),
        ],
    })  # fmt: skip
    kinds = [(kind, writer) for kind, writer, _ in history.steps]
    assert kinds[:5] == [(EDIT, 0), (DELIVER, 1), (EDIT, 1), (EDIT, 0), (DELIVER, 0)]
    assert exchange_ours(history)[0] == history.end


def test_pages_say_what_was_measured() -> None:
    """`python -m benchmarks --save` writes them; figures are not written by hand."""
    for path, text_made in publish.pages().items():
        assert path.read_text() == text_made, f"{path.relative_to(ROOT)} is not what benchmarks/results say"
