"""Whoever is to be woken is, though a signal's handler breaks off who was to do it, or it happens in a bad moment."""

import errno
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import replication
from replication.awaiting import Promise, blocked
from replication.delivery import Delivery
from replication.messages import Item
from replication.ticket import Ticket
from tests.cluster.nodes import eventually
from tests.replication.agents import AgentState, bump, count


@pytest.fixture
def node(tmp_path: Path) -> Iterator[replication.Node]:
    with replication.open(tmp_path, schema=AgentState) as opened:
        opened.update_state("a", bump, "replicated")
        opened.flush()
        yield opened


def interrupted(
    node: replication.Node, call: Callable[[], object], meanwhile: Callable[[], object] | None = None
) -> None:
    """A call that Ctrl-C breaks off as it is about to wake the node's thread."""
    runtime, caller = node._runtime, threading.get_ident()
    wake = runtime.call_soon

    def break_off(*arguments: Any) -> None:
        if threading.get_ident() != caller:
            wake(*arguments)
            return
        runtime.call_soon = wake  # type: ignore[method-assign]
        if meanwhile is not None:
            meanwhile()
        raise KeyboardInterrupt

    runtime.call_soon = break_off  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        call()


def test_linearizable_reads_go_on(node: replication.Node) -> None:
    interrupted(node, lambda: node.read_state("a", consistency="replicated"))
    assert node.read_state("a", lambda s: s.counters.value, consistency="replicated", timeout=10) == 1


def test_what_was_changed_comes_to_the_disk(node: replication.Node) -> None:
    time.sleep(0.2)  # the driver sleeps
    interrupted(node, lambda: node.update_state("a", bump))
    eventually(lambda: node.status()["agents_dirty"] == 0, "it is flushed without another call")


def test_another_thread_relies_on_it(node: replication.Node) -> None:
    ended: list[str] = []

    def flush() -> None:
        node.flush(timeout=10)
        ended.append("flushed")

    other = threading.Thread(target=flush)

    def begin() -> None:
        other.start()
        time.sleep(0.2)

    interrupted(node, node.flush, begin)
    other.join(20)
    assert ended == ["flushed"]


def test_close_can_be_finished(tmp_path: Path) -> None:
    node = replication.open(tmp_path, schema=AgentState, listen="127.0.0.1:0")
    node.update_state("a", bump)
    driver, give_up = node._driver, node._driver._give_up_writing

    def break_off() -> None:
        driver._give_up_writing = give_up  # type: ignore[method-assign]
        raise KeyboardInterrupt

    driver._give_up_writing = break_off  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        node.close()
    node.close()
    with replication.open(tmp_path, schema=AgentState) as again:
        assert count(again, "a") == 1


def test_who_was_broken_off_waits_no_more() -> None:
    def raise_it(*_: object) -> None:
        raise InterruptedError

    with replication.open(schema=AgentState, name="a", listen="127.0.0.1:0") as node:
        other = replication.open(schema=AgentState, name="b", peers=[str(node.address)])
        eventually(lambda: node.status()["direct"]["peers"], "they met")
        other.abandon()
        other._runtime.call_soon(other._others._links._transport.close)  # type: ignore[union-attr]
        before = signal.signal(signal.SIGALRM, raise_it)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(InterruptedError):
                node.update_state("x", bump, "crdt_enhanced", acks=1, timeout=60)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        eventually(lambda: node.status()["direct"]["callers_waiting"] == 0, "nobody waits")


# In a process of its own: a signal may come in any code, also where an exception is only told, and lost.
BROKEN_OFF = """
import signal, sys, threading
import replication
from tests.replication.agents import AgentState, bump

class Signal(Exception):
    pass

armed = False

def handle(*_):
    if armed:
        raise Signal

signal.signal(signal.SIGALRM, handle)
with replication.open(schema=AgentState) as node:
    watch = node.watch()
    for k in range(5000):
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, 1e-5 + k % 40 * 1e-5)
            for _ in range(200):
                if sys.argv[1] == "update":
                    node.update_state("a", bump)
                else:
                    try:
                        watch.get(0.0)
                    except replication.Timeout:
                        pass
            armed = False
        except Signal:
            pass
        finally:
            armed = False
    other = threading.Thread(target=node.update_state, args=("a", bump), daemon=True)
    other.start()
    other.join(20)
    print("taken" if other.is_alive() else "free", flush=True)
"""


@pytest.mark.no_sanitizer
@pytest.mark.parametrize("call", ["get", "update"])
def test_no_lock_of_a_watch_stays_taken(call: str, root: Path) -> None:
    """A Condition is Python, and could be broken off between taking its lock and giving it back."""
    command = [sys.executable, "-c", BROKEN_OFF, call]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=90, check=False)
    assert done.stdout.split() == ["free"], done.stderr


def test_time_passes_for_who_asks_in_the_moment_in_which_it_stops() -> None:
    with replication.open(schema=AgentState) as node:
        membership = node._others.membership
        rest, looked = membership.rest, threading.Event()

        def slow() -> None:
            rest()
            looked.set()
            time.sleep(0.1)

        membership.rest = slow  # type: ignore[method-assign]
        node._driver.keep_time()
        assert looked.wait(20)
        membership.rest = rest  # type: ignore[method-assign]
        assert node.update_state("a", bump, "replicated", timeout=20).outcome == "committed"


def test_a_watch_that_is_begun_while_the_node_is_closed_ends() -> None:
    node = replication.open(schema=AgentState)
    watchers, add = node._watchers, node._watchers.add
    begun, closed = threading.Event(), threading.Event()

    def slow(watch: Any) -> None:
        begun.set()
        closed.wait(20)
        add(watch)

    watchers.add = slow  # type: ignore[method-assign]
    reader = threading.Thread(target=lambda: list(node.watch()), daemon=True)
    reader.start()
    assert begun.wait(20)
    node.close()
    closed.set()
    reader.join(20)
    assert not reader.is_alive()


def test_memory_full_of_agents_in_use_is_told_in_time(tmp_path: Path) -> None:
    is_over = threading.Event()
    with replication.open(tmp_path, schema=AgentState, max_agents_in_memory=2, memory_wait=0.3) as node:

        def long(state: Any) -> None:
            bump(state)
            is_over.wait(20)

        callers = [threading.Thread(target=node.update_state, args=(each, long)) for each in "ab"]
        for caller in callers:
            caller.start()
        eventually(lambda: all(each in node._slots for each in "ab"), "both are in use")
        with pytest.raises(replication.Overloaded, match="memory_wait"):
            node.update_state("c", bump)
        is_over.set()
        for caller in callers:
            caller.join()
        node.update_state("c", bump)


def test_a_node_is_closed_at_rest_while_a_function_runs(tmp_path: Path) -> None:
    node = replication.open(tmp_path, schema=AgentState)
    caller = threading.Thread(target=node.update_state, args=("a", lambda state: time.sleep(0.5)))
    caller.start()
    time.sleep(0.1)
    rounds = []
    flush = node._driver._flush
    node._driver._flush = lambda: (rounds.append(1), flush())[1]  # type: ignore[method-assign]
    node.close()
    caller.join()
    assert len(rounds) < 3000


def test_what_ails_a_connection_that_is_not_taken_yet_is_none_of_the_node() -> None:
    """accept(2): errors that are pending on the new socket come out of it."""

    class Listening:
        def fileno(self) -> int:
            return 0

        def accept(self) -> None:
            raise OSError(errno.EPROTO, "Protocol error")

    with replication.open(schema=AgentState, listen="127.0.0.1:0", name="a") as node:
        done = threading.Event()
        transport: Any = node._others._transport
        node._runtime.call_soon(transport._accept, Listening(), "x", False)
        node._runtime.call_soon(done.set)
        assert done.wait(20)
        assert node.update_state("a", bump).outcome == "applied"


def test_what_a_log_brings_to_a_node_that_is_being_closed_is_not_taken_for_applied(tmp_path: Path) -> None:
    """It was answered as committed, counted as applied, and not there when the node was opened again."""
    with replication.open(schema=AgentState) as maker:
        maker.update_state("a", bump)
        item = Item("a", maker.read_state("a").delta(), b"")
    node = replication.open(tmp_path, schema=AgentState)
    assert node._store.close()
    for is_ordered, outcome in ((False, "waiting"), (True, None)):
        delivery = Delivery("group", (item,), 1, is_ordered=is_ordered)
        assert node._deliveries._deliver_one(delivery, item, set()) == outcome
    node.close()


def test_a_promise_that_holds_as_its_time_ends_is_kept() -> None:
    """The error said that fewer had it than acks=0 asks for."""

    class Late:
        def wait(self, timeout: float | None) -> bool:
            ticket.is_stored = True
            return False

        def done(self) -> None:
            pass

    ticket = Ticket(None, lambda _: None)
    blocked(Promise(ticket, Late()), 0.1, 0.1)
    ticket = Ticket(None, lambda _: None, None, 2, 3)
    with pytest.raises(replication.Timeout):
        blocked(Promise(ticket, Late()), 0.1, 0.1)
