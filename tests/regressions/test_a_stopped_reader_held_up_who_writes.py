"""A process stopped while it read the files of another: folding the log waited for it, seconds each time."""

import sqlite3
import time
from contextlib import closing

import replication
from tests.replication.agents import AgentState, bump, count


def test_a_stopped_reader_does_not_hold_up_who_writes(tmp_path) -> None:
    with replication.open(tmp_path, schema=AgentState, checkpoint_bytes=8192) as node:
        node.update_state("a", bump, durable=True)
        with closing(sqlite3.connect(tmp_path / "store.db")) as stopped:
            stopped.execute("BEGIN")
            stopped.execute("SELECT count(*) FROM record").fetchone()
            slowest = 0.0
            for _ in range(60):
                before = time.monotonic()
                node.update_state("a", bump, durable=True)
                slowest = max(slowest, time.monotonic() - before)
            grown = node.status()["bytes_on_disk"]
        assert slowest < 2.0
        node.update_state("a", bump, durable=True)
        deadline = time.monotonic() + 30
        while node.status()["bytes_on_disk"] >= grown:  # the log is folded once the reader is gone
            assert time.monotonic() < deadline
            node.update_state("a", bump, durable=True)
    with replication.open(tmp_path, schema=AgentState) as node:
        assert count(node, "a") >= 62
