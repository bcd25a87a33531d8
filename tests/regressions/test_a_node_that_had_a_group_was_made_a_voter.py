"""A node that had met its group, and had nothing of the log yet, was opened again without peers: it was the only voter.

It would have led the group it had met, beside the voters of that group.
"""

from pathlib import Path

import pytest

import replication
from replication.storage import Note
from tests.replication.agents import AgentState, bump


@pytest.mark.parametrize("bootstrap", [(), ("new",), ("new", "other")])
def test_who_votes_was_for_the_first_start(tmp_path: Path, bootstrap: tuple[str, ...]) -> None:
    options = {"schema": AgentState, "name": "new", "election_timeout": 0.2}
    with replication.open(tmp_path, peers=["127.0.0.1:1"], **options) as node:  # type: ignore[arg-type]
        node._driver.keep_note(Note("group", b"met"))  # as when who leads was met
        node.flush()
    with replication.open(tmp_path, bootstrap=bootstrap, **options) as node:  # type: ignore[arg-type]
        status = node.status()["replicated"]
        assert (status["group"], status["voters"]) == ("met", [])
        with pytest.raises(replication.Unavailable, match="has not met a group"):
            node.update_state("a", bump, "replicated")
