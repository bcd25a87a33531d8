"""Real equals model after every step of a random history, for every type, alone and nested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .registry import EACH_FORMAT, SUBJECTS
from .subjects import Subject
from .world import EPOCH_MS, World


@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
@given(data=st.data())
def test_real_equals_model(subject: Subject, data: st.DataObject) -> None:
    """`World.check` compares the value, the invariants, what is held back and equal histories' bytes."""
    history = data.draw(subject.histories(), "history")
    World(subject, data.draw(st.sampled_from([1, 2, 2, 3, 3]), "replicas")).run(history).settle()


@pytest.mark.parametrize("subject", EACH_FORMAT, ids=repr)
@given(data=st.data())
def test_one_writer_alone_needs_no_luck(subject: Subject, data: st.DataObject) -> None:
    """Long histories of one writer: where a type's own bookkeeping goes wrong without any merge."""
    edits = [("edit", 0, command) for command in data.draw(st.lists(subject.commands, max_size=60), "commands")]
    world = World(subject, 1).run(edits)
    state = world.replicas[0].state
    fresh = subject.make("fresh", lambda: EPOCH_MS + 60_000)
    fresh.merge(state.to_bytes())
    assert fresh.to_bytes() == state.to_bytes()
