"""Limits that do not go together were refused after the event loop had been made, which was then left open."""

import gc
import warnings

import pytest

import replication
from tests.replication.agents import AgentState


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"probe_interval": 0.2}, "probe_timeout=0.5 must be less than"),
        ({"election_timeout": 0.1}, "heartbeat_interval=0.1 must be at most half of election_timeout=0.1"),
    ],
)
def test_nothing_is_left_open(limits: dict[str, float], words: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ValueError, match=words):
            replication.open(schema=AgentState, **limits)  # type: ignore[arg-type]
        gc.collect()
    assert [str(each.message) for each in caught] == []
