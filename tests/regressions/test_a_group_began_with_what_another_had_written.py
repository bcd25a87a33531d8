"""A new group whose states had changes of a former one never committed anything, and filled its log in trying."""

from pathlib import Path
from typing import Any

import replication
from tests.cluster.nodes import eventually
from tests.replication.agents import AgentState, bump, count

OFTEN: dict[str, Any] = {"probe_interval": 0.2, "probe_timeout": 0.1, "sync_interval": 0.2}


def test_a_new_group_goes_on_where_the_lost_one_was(tmp_path: Path) -> None:
    options: dict[str, Any] = {"schema": AgentState, "listen": "127.0.0.1:0", **OFTEN}
    lost = replication.open(tmp_path / "lost", name="lost", **options)
    lost.update_state("x", bump, "replicated", timeout=5)
    with replication.open(tmp_path / "left", name="left", peers=[lost.address], **options) as left:
        eventually(lambda: count(left, "x") == 1, "told")
        lost.close()
        with replication.open(tmp_path / "new", name="new", bootstrap=["new"], peers=[left.address], **options) as new:
            eventually(lambda: count(new, "x") == 1, "told")
            runs: list[None] = []
            result = new.update_state("x", lambda s: (runs.append(None), bump(s))[1], "replicated", timeout=3)
            assert result.outcome == "committed"
            assert len(runs) < 10
