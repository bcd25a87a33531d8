"""A short run of the chaos harness, and mistakes that it must find; `make chaos` is the long run."""

from itertools import islice
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos.books import Books
from tests.chaos.plan import plan
from tests.chaos.planted import PLANTED

# What each mistake needs to be seen, and what is said of it then.
NEEDED = {
    "callers are woken before the write": (
        ["--seconds", "8", "--mode", "reactive", "--faults", "kill,kill all"],
        "promised|is gone",
    ),
    "a delta is acknowledged and thrown away": (["--seconds", "3", "--faults", "", "--quiet", "4"], "not equal after"),
    "an op_id is not remembered": (["--seconds", "6", "--faults", "kill"], "field 'tallies'"),
}


def test_a_seed_is_a_plan():
    names = ("p1", "p2", "p3")
    assert list(islice(plan(Random(5), names), 200)) == list(islice(plan(Random(5), names), 200))
    assert list(islice(plan(Random(5), names), 200)) != list(islice(plan(Random(6), names), 200))


@pytest.mark.no_sanitizer
def test_processes_under_every_fault_lose_nothing_and_end_equal(chaos, tmp_path):
    with chaos(tmp_path, "--seconds", "12", "--seed", "3") as run:
        said = run.communicate(timeout=300)[0]
    assert run.returncode == 0, said
    assert "all there, none twice" in said


@pytest.mark.no_sanitizer
def test_the_harness_finds_planted_bugs(find):
    assert NEEDED.keys() == PLANTED.keys()
    find(NEEDED, 4)


def test_what_a_repeated_call_did_at_last_is_what_counts():
    """A process dies with a call that has removed something; when the call is repeated, it adds something instead."""
    books = Books(0.0)
    child: Any = SimpleNamespace(label="p1", role=SimpleNamespace(life=1), calls={})
    for number, removed in ((1, -1), (2, 1)):
        books.call(child, [str(number), "agent", "tallies", "0", "0", "0.0", "1"])
        books.ran(child, [str(number), str(removed)])
    books.died("p1")
    repeated = books.begin("p1")["repeat"]
    assert [number for _, _, number in repeated] == [1, 2]
    books.ran(child, ["2", "-1"])
    assert [operation.removes for operation in books.ledgers["agent"].operations] == [None, None]
