"""A purge retired a writer, the next dropped its name, and one flush took both to a disk that had heard of neither."""

from pathlib import Path
from typing import Any

import replication
from tests.replication.agents import AgentState


def take(node: replication.Node, state: AgentState) -> None:
    slot: Any = node._store.acquire("agent")
    try:
        slot.state.merge(state)
        node._store.changes.mark(slot)
    finally:
        slot.release()


def test_the_agent_can_be_read_again(tmp_path: Path) -> None:
    old = AgentState("d~1.x")
    old.config["gone"] = 1
    del old.config["gone"]
    purger = old.fork("a~1.x")
    with replication.open(tmp_path, schema=AgentState, name="b", flush_interval=60.0) as node:
        take(node, old)
        node.flush()
        assert purger._purge(purger.version, {"d~1.x": old.version["d~1.x"]})
        take(node, purger)
        purger.config["kept"] = 2
        assert purger._purge(purger.version)
        assert "d~1.x" not in purger.version
        take(node, purger)
    with replication.open(tmp_path, schema=AgentState, name="b") as node:
        assert node.read_state("agent", lambda state: dict(state.config)) == {"kept": 2}
