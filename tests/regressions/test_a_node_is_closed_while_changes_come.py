"""`close()` says farewell after the store takes nothing more; a change that came in that moment made the store fail."""

import threading
from pathlib import Path

import replication
from tests.replication.agents import AgentState, bump


def test_a_node_is_closed_while_changes_come(tmp_path: Path) -> None:
    stop = threading.Event()

    def write(node: replication.Node) -> None:
        while not stop.is_set():
            node.update_state("a", bump, consistency="crdt_enhanced")

    with replication.open(tmp_path / "a", schema=AgentState, name="a", listen="127.0.0.1:0") as a:
        writer = threading.Thread(target=write, args=(a,))
        writer.start()
        try:
            for _ in range(8):
                with replication.open(tmp_path / "b", schema=AgentState, name="b", peers=[a.address or ""]) as b:
                    b.update_state("a", bump, consistency="crdt_enhanced", acks="all", timeout=30)
        finally:
            stop.set()
            writer.join()
