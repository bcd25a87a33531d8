"""Concurrent runs typed at one place stay whole: forward, backward or pasted, seen early or late.

This is what "maximally non-interleaving" promises its users (Weidner and Kleppmann, "The Art of the
Fugue", 2023): two people who write at one place never get their letters shuffled.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import OpBasedList, Text

RUNS = ("milk", "EGGS?", "漢字🙂é", "012345")
HOW = ("forward", "backward", "pasted")


def type_run(state: Any, at: int, run: str, how: str) -> None:
    """Type `run` at a position: letter by letter onwards, letter by letter before, or at once."""
    if how == "pasted":
        state.insert(at, run) if isinstance(state, Text) else state.insert_many(at, list(run))
    for index, letter in enumerate(run if how == "forward" else run[::-1] if how == "backward" else ""):
        state.insert(at + index if how == "forward" else at, letter)


def text_of(state: Any) -> str:
    return str(state) if isinstance(state, Text) else "".join(state)


@pytest.mark.parametrize("type_", [Text, OpBasedList])
@given(
    how=st.lists(st.sampled_from(HOW), min_size=2, max_size=4),
    around=st.sampled_from(["", "()", "(", ")"]),
    deleted=st.booleans(),
    order=st.permutations(range(4)),
)
def test_runs_at_one_place_stay_whole(type_: Any, how: list[str], around: str, deleted: bool, order: list[int]) -> None:
    base = type_("base")
    type_run(base, 0, around, "pasted")
    if deleted:  # what was deleted at that place still has its part in the order
        middle = len(around) // 2
        type_run(base, middle, "xyz", "pasted")
        base.delete(middle, 3)
    writers = [base.fork(name) for name in ("d", "b", "c", "a")[: len(how)]]
    for writer, run, direction in zip(writers, RUNS, how, strict=False):
        type_run(writer, len(around) // 2, run, direction)
    readers = []
    for start in range(len(writers)):
        reader = base.fork(f"reader{start}")
        for index in order:
            if index < len(writers):
                reader.merge(writers[(start + index) % len(writers)])
        readers.append(text_of(reader))
    assert len(set(readers)) == 1
    for run in RUNS[: len(how)]:
        assert run in readers[0], f"{run!r} was torn apart in {readers[0]!r}"
    assert readers[0].startswith(around[: len(around) // 2]) and readers[0].endswith(around[len(around) // 2 :])


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(HOW)), min_size=2, max_size=6), st.booleans())
def test_runs_typed_in_turns_at_both_ends_stay_whole(turns: list[tuple[int, str]], sync: bool) -> None:
    """Two writers go on at the same spot for several runs, hearing of each other in between or not."""
    a, b = Text("a"), Text("b")
    for number, (who, how) in enumerate(turns):
        type_run((a, b)[who], 0, f"<{number}{number}{number}>", how)
        if sync and number % 2:
            a.merge(b)
            b.merge(a)
    a.merge(b)
    b.merge(a)
    assert str(a) == str(b)
    for number in range(len(turns)):
        assert f"<{number}{number}{number}>" in str(a)
