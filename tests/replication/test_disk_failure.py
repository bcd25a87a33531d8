"""A disk that fails: the node stops acknowledging, says why, and never believes a second try.

A small library, loaded before the C library, lets chosen calls fail in a process of its own, so that the
errors are those SQLite really meets.
"""

import asyncio
import os
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

import replication
from replication.config import Config
from replication.event_loop import EventLoopRuntime
from replication.identity import succeed
from replication.node import Node
from replication.runtime import call
from replication.storage import Batch
from replication.storage.memory import MemoryStorage
from tests.replication.agents import AgentState, bump, count
from tests.replication.shim import FAILING_DISK, build

PROGRAM = """
import ctypes, sys, replication
from tests.replication.agents import AgentState, bump, count
setenv = ctypes.CDLL(None).setenv
path, kind = sys.argv[1:]
node = replication.open(path, schema=AgentState)
for _ in range(5):
    node.update_state("a", bump, durable=True)
setenv(b"DISK_FAILS", kind.encode(), 1)
try:
    print("durable", node.update_state("a", bump, durable=True).outcome)
except replication.OutcomeUnknown as error:
    print("OutcomeUnknown", error)
setenv(b"DISK_FAILS", b"", 1)  # it works again, and is not believed
for call in (lambda: node.update_state("a", bump), lambda: node.update_state("b", bump, durable=True), node.flush):
    try:
        call()
        print("acknowledged")
    except replication.Unavailable as error:
        print("Unavailable", error)
print("read", count(node, "a"), "error" if node.status()["last_error"] else "none")
try:
    node.close()
    print("closed")
except replication.Unavailable as error:
    print("Unavailable", error)
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return build(tmp_path_factory.mktemp("shim"), FAILING_DISK)


@pytest.mark.no_sanitizer
@pytest.mark.parametrize("kind", ["sync", "full", "write"])
def test_a_node_whose_disk_failed_acknowledges_nothing_more(kind, shim, path, root, open_node, monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", str(shim))
    command = [sys.executable, "-c", PROGRAM, str(path), kind]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    monkeypatch.delenv("LD_PRELOAD")
    assert done.returncode == 0, done.stderr
    first, *later, read, closed = done.stdout.splitlines()
    assert first.startswith("OutcomeUnknown") and "may or may not be on disk" in first
    assert len(later) == 3 and all(line.startswith("Unavailable nothing was applied") for line in later), later
    assert all(str(path) in line and "open it again" in line for line in [first, *later])
    assert read == "read 6 error" and closed.startswith("Unavailable")
    assert count(open_node(), "a") in (5, 6)


OPENING = """
import sys, replication
from tests.replication.agents import AgentState
try:
    replication.open(sys.argv[1], schema=AgentState)
    print("opened")
except replication.CorruptStore as error:
    print("CorruptStore", error)
except replication.StoreError as error:
    print("StoreError", error)
"""


@pytest.mark.no_sanitizer
@pytest.mark.parametrize("kind", ["sync", "full", "write"])
@pytest.mark.parametrize("is_there", [False, True])
def test_opening_on_a_failing_disk(kind, is_there, shim, path, root, open_node):
    if is_there:
        with replication.open(path, schema=AgentState) as node:
            node.update_state("a", bump)
    failing = {**os.environ, "LD_PRELOAD": str(shim), "DISK_FAILS": kind}
    command = [sys.executable, "-c", OPENING, str(path)]
    done = subprocess.run(command, cwd=root, env=failing, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("StoreError"), done.stdout + done.stderr
    assert str(path) in done.stdout
    assert count(open_node(), "a") == is_there


class FailingStorage(MemoryStorage):
    """Fails at the n-th write."""

    path = "the disk of this test"

    def __init__(self, works):
        super().__init__(succeed(None, "n", "", "aaaaaa"))
        self.works = works
        self.writes = 0

    def write(self, batch: Batch):
        self.writes += 1
        if self.writes > self.works:
            raise replication.StoreError("planted", path=self.path)
        super().write(batch)


def test_a_failed_write_is_never_tried_again():
    storage = FailingStorage(works=2)
    node = Node(storage, AgentState, Config(flush_interval=0.0), "default", EventLoopRuntime())
    for _ in range(2):
        node.update_state("a", bump, durable=True)
    with pytest.raises(replication.OutcomeUnknown, match="planted") as caught:
        node.update_state("a", bump, durable=True, op_id="x1")
    assert caught.value.op_id == "x1" and isinstance(caught.value.__cause__, replication.Unavailable)
    for _ in range(3):
        with pytest.raises(replication.Unavailable, match="nothing was applied: the store at the disk of this test"):
            node.update_state("a", bump)
    assert storage.writes == 3 and count(node, "a") == 3
    with pytest.raises(replication.Unavailable):
        node.close()
    assert storage.writes == 3
    with pytest.raises(replication.Closed):
        node.update_state("a", bump)


def test_whoever_is_told_of_a_failure_can_change_nothing_more(monkeypatch):
    node = Node(FailingStorage(works=0), AgentState, Config(flush_interval=0.0), "default", EventLoopRuntime())
    refuses = []
    give_up = node._driver._give_up_writing

    def look_first():  # the first moment at which another thread can hear of it
        refuses.append(node._refuse is not None)
        give_up()

    monkeypatch.setattr(node._driver, "_give_up_writing", look_first)
    with pytest.raises((replication.OutcomeUnknown, replication.Unavailable)):
        node.update_state("a", bump, durable=True, timeout=10)
    with pytest.raises(replication.Unavailable):
        node.close()
    assert refuses[0]


def test_a_failure_while_tidying_up_spoils_no_promise_that_was_kept():
    storage = FailingStorage(works=100)
    # Else the third may be written before its caller waits for that, and nobody has kept a promise.
    node = Node(storage, AgentState, Config(flush_interval=60.0), "default", EventLoopRuntime())

    def rest(idle):
        if storage.writes >= 3:
            raise replication.StoreError("planted", path=storage.path)

    storage.rest = rest
    for _ in range(3):
        assert node.update_state("a", bump, durable=True, timeout=10).outcome == "durable"
    node._driver.stop()
    with pytest.raises(replication.Unavailable, match="planted"):
        node.update_state("a", bump)
    with pytest.raises(replication.Unavailable):
        node.close()


def test_waiting_for_a_slow_disk_ends_in_time(open_node):
    node = open_node()
    begin = node._storage.begin
    released = []
    gate = threading.Event()

    def slow(batch):
        gate.wait(10)
        released.append(True)
        return begin(batch)

    node._storage.begin = slow
    with pytest.raises(replication.OutcomeUnknown, match=r"not on disk within 0\.\d+ s") as caught:
        node.update_state("a", bump, durable=True, timeout=0.05, op_id="x1")
    assert caught.value.op_id == "x1" and count(node, "a") == 1
    with pytest.raises(replication.OutcomeUnknown):
        node.flush(timeout=0.01)
    gate.set()
    again = node.update_state("a", bump, durable=True, op_id="x1")
    assert again.replayed and again.outcome == "durable" and count(node, "a") == 1 and released


@pytest.mark.parametrize("works", [0, 1, 2])
def test_callers_of_a_carried_mode_are_told_of_the_failure(works):
    node = Node(FailingStorage(works), AgentState, Config(flush_interval=0.0), "default", EventLoopRuntime())
    with pytest.raises((replication.OutcomeUnknown, replication.Unavailable)):
        for _ in range(works + 1):
            node.update_state("a", bump, "crdt_enhanced", timeout=20)
    with pytest.raises(replication.Unavailable):
        node.close()


@pytest.mark.parametrize("has_led", [False, True])
def test_whoever_asks_the_group_of_a_node_whose_disk_failed_is_told_so_at_once(has_led):
    config = Config(flush_interval=60.0, election_timeout=60.0)
    node = Node(FailingStorage(100), AgentState, config, "default", EventLoopRuntime(), voters=["n"], is_alone=True)
    if has_led:
        node.update_state("a", bump, "replicated", timeout=10)
    node._storage.works = 0
    with pytest.raises((replication.OutcomeUnknown, replication.Unavailable)):
        node.update_state("a", bump, durable=True, timeout=10)

    async def read():
        await node.aread_state("a", consistency="replicated")

    for read_strongly in (lambda: node.read_state("a", consistency="replicated"), lambda: asyncio.run(read())):
        with pytest.raises(replication.Unavailable, match="nothing was read: the store at the disk of this") as caught:
            read_strongly()
        assert "planted" in str(caught.value) and "fallback" not in str(caught.value)
    with pytest.raises(replication.Unavailable):
        node.close()


class _Waiting:
    """A caller who waits in a thread for somebody who leads."""

    def __init__(self, call):
        self.error = None
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._thread.join(0.05)
        assert self._thread.is_alive(), self.error

    def _run(self):
        try:
            self._call()
        except replication.ReplicationError as error:
            self.error = error

    def told(self):
        self._thread.join(20)
        assert not self._thread.is_alive(), "it waits though nobody will answer"
        return self.error


def test_whoever_waits_for_a_leader_is_told_of_the_end_of_the_node():
    def calls(node):
        yield lambda: node.read_state("a", consistency="replicated")
        yield lambda: asyncio.run(node.aread_state("a", consistency="replicated"))
        yield lambda: node.update_state("a", bump, "replicated")
        yield lambda: asyncio.run(node.aupdate_state("a", bump, "replicated"))
        yield lambda: node.add_voter("b")

    for works, kind, why in ((0, replication.Unavailable, "planted"), (100, replication.Closed, "closed")):
        config = Config(flush_interval=60.0, election_timeout=60.0)
        voters = ["n", "b", "c"]
        node = Node(FailingStorage(100), AgentState, config, "default", EventLoopRuntime(), voters=voters)
        waiting = [_Waiting(call) for call in calls(node)]
        node._storage.works = works
        if works == 0:
            with pytest.raises((replication.OutcomeUnknown, replication.Unavailable)):
                node.update_state("b", bump, durable=True, timeout=10)
        else:
            node.close()
        errors = [each.told() for each in waiting]
        assert [type(error) for error in errors] == [kind] * len(errors)
        assert all(why in str(error) for error in errors), errors
        if works == 0:
            with pytest.raises(replication.Unavailable):
                node.close()


def test_whoever_comes_to_the_group_just_after_the_end_of_the_node_does_not_wait_for_ever(monkeypatch):
    """Between the look whether the node is there, and the question."""

    def ends(node, end):
        node.update_state("a", bump, "replicated")
        calls = node._calls
        wait = calls._wait_for_leader
        monkeypatch.setattr(calls, "_wait_for_leader", lambda *args: (wait(*args), end(node)))
        return node

    def fail(node):
        call(node._runtime, node._driver._fail, OSError("planted"))

    for end, kind in ((replication.Node.close, replication.Closed), (fail, replication.Unavailable)):
        node = ends(replication.open(schema=AgentState), end)
        with pytest.raises(kind, match="nothing was read"):
            node._calls.wait_to_read(20.0)
        with suppress(replication.Unavailable):
            node.close()
    node = ends(replication.open(schema=AgentState), fail)
    with pytest.raises(replication.OutcomeUnknown, match="may or may not be committed"):
        node.update_state("a", bump, "replicated", timeout=20)
    with pytest.raises(replication.Unavailable):
        node.close()
