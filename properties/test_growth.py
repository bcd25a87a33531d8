"""Purges at stable cuts change no value, and equal histories stay equal bytes, however they were heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .growth import GrowthWorld, histories
from .registry import EVERYTHING, NESTED, SIMPLE
from .subjects import Subject

SUBJECTS = [SIMPLE["LWWMap"], SIMPLE["ORSet"], SIMPLE["Text"], *NESTED, EVERYTHING]


@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
@given(data=st.data())
def test_purging_changes_no_value(subject: Subject, data: st.DataObject) -> None:
    history = data.draw(histories(subject), "history")
    GrowthWorld(subject, data.draw(st.sampled_from([1, 2, 2, 3, 3]), "replicas")).run(history).settle()
