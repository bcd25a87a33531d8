"""While a slow disk is at work, a node hears the others, and what it writes ends as any other write."""

import errno
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import replication
from replication import event_loop
from replication.syncer import Syncer
from tests.cluster.nodes import Nodes, eventually
from tests.replication.agents import AgentState, bump, count


class Disk:
    """A disk on which each sync takes 20 ms, and none ends while `free` is not set."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.error = 0

    @contextmanager
    def for_who_opens(self) -> Iterator[None]:
        """Nodes that are opened and write for the first time within are on this disk."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(event_loop, "Syncer", lambda: SlowSyncer(self))
            yield


def disk_of_the_first(nodes: Nodes) -> Disk:
    """Open n0 on such a disk, and n1 on a usual one; they have met."""
    disk = Disk()
    with disk.for_who_opens():
        nodes.start(0)
        nodes[0].update_state("mine", bump, durable=True)
    nodes.start(1)
    nodes.meet()
    return disk


class SlowSyncer:
    """In place of a `Syncer`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._syncer = Syncer()
        self.done = self._syncer.done
        self._asked = threading.Thread()

    def ask(self, file: int) -> None:
        self._asked = threading.Thread(target=self._ask, args=(file,))
        self._asked.start()

    def _ask(self, file: int) -> None:
        time.sleep(0.02)
        self._disk.free.wait()
        self._syncer.ask(file)

    def take(self) -> int:
        return self._syncer.take() or self._disk.error

    def stop(self) -> None:
        if self._asked.ident is not None:
            self._asked.join()
        self._syncer.stop()


def test_what_others_tell_is_seen_while_the_disk_hangs(nodes: Nodes) -> None:
    disk = disk_of_the_first(nodes)
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


def test_a_node_is_closed_after_what_it_syncs(nodes: Nodes) -> None:
    disk_of_the_first(nodes)
    for _ in range(5):
        nodes[0].update_state("a", bump, durable=True)
    nodes[1].update_state("b", bump, "crdt_enhanced")  # n0 may be syncing this when it is closed
    nodes.stop(0)
    nodes.start(0)
    assert count(nodes[0], "a") == 5


def test_a_sync_that_fails_ends_the_node(nodes: Nodes) -> None:
    disk = disk_of_the_first(nodes)
    disk.error = errno.EIO
    with pytest.raises((replication.Unavailable, replication.OutcomeUnknown)):
        nodes[0].update_state("a", bump, durable=True)
    with pytest.raises(replication.Unavailable):
        nodes[0].update_state("a", bump)


def test_who_waits_for_a_sync_within_which_the_node_ends_is_told(tmp_path: Path) -> None:
    disk = Disk()
    with disk.for_who_opens(), ThreadPoolExecutor(1) as pool:
        node = replication.open(tmp_path / "alone", schema=AgentState)
        node.update_state("mine", bump, durable=True)
        try:
            disk.free.clear()
            waiting = pool.submit(node.update_state, "mine", bump, durable=True)
            eventually(lambda: node._driver._writing is not None, "it is being synced")
            node._others.leave()
            threading.Timer(0.1, disk.free.set).start()
            node._driver.stop()
            with pytest.raises(replication.OutcomeUnknown, match="closed meanwhile"):
                waiting.result(10)
        finally:
            disk.free.set()
            node.abandon()
            node._storage.close(clean=False)


def test_a_flush_that_was_put_off_into_a_write_is_not_forgotten(tmp_path: Path) -> None:
    """Its timer had fired and was still waited for: a caller that was alone waited for ever."""
    disk = Disk()
    with disk.for_who_opens():
        node = replication.open(tmp_path, schema=AgentState)
        node.update_state("a", bump, durable=True)
    with node, ThreadPoolExecutor() as pool:
        disk.free.clear()
        first = pool.submit(node.update_state, "a", bump, durable=True)
        eventually(lambda: node._driver._writing is not None, "it is written")
        node._driver._crowd = 100  # many have just been served, so the next flush waits a moment for them
        second = pool.submit(node.update_state, "b", bump, "crdt_enhanced", timeout=5)
        eventually(lambda: node._driver._changes.dirty_count == 1, "the second has changed its agent")
        time.sleep(0.05)
        disk.free.set()
        assert first.result().outcome == second.result().outcome == "durable"
