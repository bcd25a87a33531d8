"""A handler of a signal that raises, or that closes the node: nothing is stuck after it, or applied twice."""

import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

import replication
from tests.replication.agents import AgentState, bump, count

pytestmark = pytest.mark.no_sanitizer


@pytest.mark.parametrize("mode", ["reactive", "durable", "crdt_enhanced", "eventually_consistent", "replicated"])
def test_a_call_that_is_broken_off_anywhere_can_be_made_again(mode: str, root: Any) -> None:
    command = [sys.executable, "-m", "tests.replication.interrupted", mode, "1.5", "1"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("op_id", [None, "once"])
def test_a_change_that_was_done_when_its_call_was_broken_off_is_not_done_again(op_id: str | None) -> None:
    with replication.open(schema=AgentState) as node:
        node.update_state("a", bump, "replicated")
        rounds: Any = node._calls._rounds
        run_on = rounds._run_on

        def break_off(*arguments: Any) -> None:
            rounds._run_on = run_on
            run_on(*arguments)
            raise KeyboardInterrupt

        rounds._run_on = break_off
        with pytest.raises(KeyboardInterrupt):
            node.update_state("a", bump, "replicated", op_id=op_id)
        result = node.update_state("a", bump, "replicated", op_id=op_id, timeout=10)
        assert result.replayed == (op_id is not None)
        assert count(node, "a") == (2 if op_id else 3)


def test_who_shares_an_attempt_with_a_call_that_is_broken_off_is_served() -> None:
    """The runtime had found the agent taken, and left the attempt to the very caller that was broken off then."""
    with replication.open(schema=AgentState) as node:
        node.update_state("a", bump, "replicated")
        rounds, runtime = node._calls._rounds, node._runtime
        call_soon, served = runtime.call_soon, []
        gate, is_running, may_end = threading.Event(), threading.Event(), threading.Event()

        def slow(state: AgentState) -> None:
            is_running.set()
            may_end.wait(10)
            bump(state)

        def share() -> None:
            served.append(node.update_state("a", bump, "replicated").outcome)

        def let_go() -> None:
            is_running.wait(10)
            gate.set()
            while not rounds._heads["a"].is_wanted:
                time.sleep(0.001)
            may_end.set()

        def break_off(fn: Any, *arguments: Any) -> None:
            if threading.current_thread() is threading.main_thread() and fn == rounds._close_due:
                runtime.call_soon = call_soon
                raise KeyboardInterrupt
            call_soon(fn, *arguments)

        call_soon(gate.wait, 10)
        sharer = threading.Thread(target=share, daemon=True)
        sharer.start()
        while rounds._heads["a"].open is None:
            time.sleep(0.001)
        threading.Thread(target=let_go, daemon=True).start()
        runtime.call_soon = break_off  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            node.update_state("a", slow, "replicated")
        sharer.join(10)
        assert served == ["committed"]


def test_a_handler_may_close_the_node_while_it_is_being_closed(tmp_path: Any) -> None:
    node = replication.open(tmp_path / "store", schema=AgentState)
    has_begun, was_handled = threading.Event(), threading.Event()

    def while_it_is_closed(state: AgentState) -> None:
        has_begun.set()
        while not node._is_closing:
            pass
        signal.raise_signal(signal.SIGUSR1)  # whose handler runs in the main thread
        assert was_handled.wait(30)
        bump(state)

    def handle(*_: object) -> None:
        node.close()
        was_handled.set()

    usual = signal.signal(signal.SIGUSR1, handle)
    try:
        at_work = threading.Thread(target=lambda: node.update_state("a", while_it_is_closed))
        at_work.start()
        assert has_begun.wait(30)
        node.close()
        at_work.join()
    finally:
        signal.signal(signal.SIGUSR1, usual)
    with replication.open(tmp_path / "store", schema=AgentState) as again:
        assert count(again, "a") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_finalizer_in_the_nodes_own_thread_is_refused_and_holds_up_nothing(tmp_path: Any) -> None:
    refused: list[str] = []

    class Session:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            if threading.current_thread().name != "replication-driver":
                return
            for call in (node.flush, lambda: node.update_state("a", bump), lambda: node.read_state("a")):
                try:
                    call()
                except replication.ReplicationError as error:
                    refused.append(str(error))

    with replication.open(tmp_path / "store", schema=AgentState) as node:
        end = time.monotonic() + 20
        while not refused and time.monotonic() < end:
            for _ in range(50):
                Session()
                node.update_state("b", bump, durable=True)
        assert len(refused) % 3 == 0 and all("in its own thread" in each for each in refused)
        node.update_state("b", bump, durable=True, timeout=10)
    assert refused, "no garbage was collected there"
