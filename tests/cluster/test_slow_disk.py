"""While a slow disk is at work, a node hears the others, and a write in another thread ends as any other."""

import errno
import threading
import time
from typing import Any

import pytest

import replication
from replication.storage.sqlite import SQLiteStorage
from tests.cluster.nodes import Nodes, eventually
from tests.replication.agents import bump, count


class Hung:
    """The disk of one node: each write takes 20 ms, and no write ends while `free` is not set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.free = threading.Event()
        self.free.set()
        self.error: OSError | None = None
        write = SQLiteStorage.write

        def slow_write(storage: SQLiteStorage, batch: Any) -> None:
            if storage.identity.name == name:
                time.sleep(0.02)
                self.free.wait()
                if self.error is not None:
                    raise self.error
            write(storage, batch)

        monkeypatch.setattr(SQLiteStorage, "write", slow_write)


def test_what_others_tell_is_seen_while_the_disk_hangs(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Hung(monkeypatch, "n0")
    nodes.start(0, 1)
    nodes.meet()
    nodes[0].update_state("mine", bump, durable=True)
    disk.free.clear()
    try:
        nodes[0].update_state("mine", bump)  # the flush that follows does not end
        nodes[1].update_state("yours", bump, "crdt_enhanced")
        eventually(lambda: count(nodes[0], "yours") == 1, "heard while the disk hangs")
        with pytest.raises(replication.OutcomeUnknown):
            nodes[0].update_state("mine", bump, durable=True, timeout=0.05)
        with pytest.raises(replication.Timeout, match="on this node's disk"):
            nodes[1].update_state("yours", bump, "crdt_enhanced", acks=1, timeout=0.05)
    finally:
        disk.free.set()
    assert nodes[1].update_state("yours", bump, "crdt_enhanced", acks=1, timeout=10).acks == 1
    nodes.agree("mine")
    assert count(nodes[1], "mine") == 3


def test_a_node_is_closed_after_what_it_writes_beside(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    Hung(monkeypatch, "n0")
    nodes.start(0, 1)
    nodes.meet()
    for _ in range(5):
        nodes[0].update_state("a", bump, durable=True)
    nodes[1].update_state("b", bump, "crdt_enhanced")  # n0 may be writing this when it is closed
    nodes.stop(0)
    nodes.start(0)
    assert count(nodes[0], "a") == 5


def test_a_disk_that_fails_beside_ends_the_node(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Hung(monkeypatch, "n0")
    nodes.start(0, 1)
    nodes.meet()
    nodes[0].update_state("a", bump, durable=True)
    disk.error = OSError(errno.EIO, "made up")
    with pytest.raises((replication.Unavailable, replication.OutcomeUnknown)):
        nodes[0].update_state("a", bump, durable=True)
    with pytest.raises(replication.Unavailable):
        nodes[0].update_state("a", bump)
