"""docs/explanation/raft-verification.md is true: its tests exist, and its mistakes are those that are planted.

`REWRITE=1` writes what the tables of mistakes say into the page.
"""

import os
import re
from pathlib import Path

import pytest

from tests.planted import Plant
from tests.raft.planted import MISTAKES as OF_RAFT
from tests.strong.planted import MISTAKES as OF_STRONG

pytestmark = pytest.mark.no_sanitizer

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "explanation" / "raft-verification.md"
ROWS = 32
# Rows of which nothing can be planted; the page says why.
NOT_PLANTED: set[int] = set()
ROW = re.compile(r"^\| (\d+) \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)
OWN = re.compile(r"(\| planted \| shown by \|\n\|---\|---\|\n)((?:\|.*\n)*)")


def shown_by(plant: Plant, of: str) -> str:
    """Tests by name, seeds by number."""
    catches = [catch.partition(" ") for catch in plant.catches]
    return ", ".join(
        f"`{which}`" if kind == "test" else f"{of * (kind == 'seed')}{kind} {which}" for kind, _, which in catches
    )


def described(row: int) -> list[tuple[str, str]]:
    """The planted mistakes of a row, and what shows each."""
    tables = ((OF_RAFT, ""), (OF_STRONG, "strong "))
    return [(plant.name, shown_by(plant, of)) for table, of in tables for plant in table.read() if plant.row == row]


def in_one_cell(row: int) -> str:
    return "<br>".join(f"{name}: {catches}" for name, catches in described(row))


def test_the_page_says_what_is_planted_and_what_shows_it() -> None:
    text = PAGE.read_text()
    rewritten = ROW.sub(lambda row: f"| {row[1]} | {row[2]} | {row[3]} | {in_one_cell(int(row[1]))} |", text)
    own = "".join(f"| {name} | {catches} |\n" for name, catches in described(0))
    rewritten = OWN.sub(lambda found: found[1] + own, rewritten)
    if "REWRITE" in os.environ:
        PAGE.write_text(rewritten)
    assert text == rewritten or "REWRITE" in os.environ


def test_every_row_has_tests_and_is_planted() -> None:
    rows = {int(number): tests for number, _, tests, _ in ROW.findall(PAGE.read_text())}
    assert list(rows) == list(range(1, ROWS + 1))
    assert {row for row in rows if not described(row)} == NOT_PLANTED
    sources = [path.read_text() for top in ("tests", "properties") for path in (ROOT / top).rglob("test_*.py")]
    there = {name for text in sources for name in re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)}
    for row, tests in rows.items():
        named = re.findall(r"`(test_\w+)`", tests)
        assert named and set(named) <= there, f"row {row} names {set(named) - there or 'no test'}"


def test_every_mistake_is_shown_by_something() -> None:
    for plant in [*OF_RAFT.read(), *OF_STRONG.read()]:
        assert plant.caught, plant.name
        assert 0 <= plant.row <= ROWS
