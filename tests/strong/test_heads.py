"""The heads of agents, on which callers run their functions: found, used, thrown away, let go of."""

import threading
import time
from collections.abc import Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

import replication
from replication.errors import OutcomeUnknown
from replication.raft.ready import Refused
from replication.strong.attempt import Attempt
from replication.strong.machine import CONFLICT
from tests.replication.agents import AgentState, bump, count


@pytest.fixture
def node() -> Iterator[replication.Node]:
    with replication.open(schema=AgentState) as opened:
        yield opened


def test_what_was_done_after_a_conflict_is_not_put_into_the_log(node: replication.Node) -> None:
    """A function was running when the verdict came; what it did was built on what does not hold."""
    rounds, runtime = node._others.group._rounds, node._runtime
    is_running, may_end, runs = threading.Event(), threading.Event(), []

    def slow(state: Any) -> None:
        runs.append(state.counters.value)
        is_running.set()
        may_end.wait(10)
        bump(state)

    node.update_state("a", bump, "replicated")
    caller = threading.Thread(target=node.update_state, args=("a", slow, "replicated"))
    caller.start()
    assert is_running.wait(10)
    head = rounds._heads["a"]
    head.under_way = lost = Attempt("a", 0, head)
    lost.verdict = CONFLICT
    heard = threading.Event()
    runtime.call_soon(lambda: (rounds.decided(lost), heard.set()))
    assert heard.wait(10)
    was_under_way = head.under_way is lost
    may_end.set()
    caller.join(10)
    assert was_under_way, "or else what the function did could go into the log as soon as it ended"
    assert (runs, count(node, "a")) == ([1, 1], 2)


def test_an_operation_is_done_on_a_head_that_others_can_find(node: replication.Node) -> None:
    """Else a weaker mode that is asked for it meanwhile would not see that it is under way."""
    node.update_state("a", bump, "replicated")
    heads = node._others.group._rounds._heads
    head = heads["a"]
    assert head.acquire()
    head.used = False
    caller = threading.Thread(target=node.update_state, args=("a", bump, "replicated"), kwargs={"op_id": "once"})
    caller.start()
    while not head.used:  # the caller has found it
        time.sleep(0.001)
    del heads["a"]
    head.release()
    caller.join(10)
    assert heads["a"] is not head and count(node, "a") == 2


def test_heads_that_nobody_uses_are_let_go_of_whatever_the_order_of_calls() -> None:
    """Each has a copy of its agent, beside what `max_agents_in_memory` counts."""
    with replication.open(schema=AgentState, max_agents_in_memory=100) as node:
        random = Random(1)
        for _ in range(3000):
            node.update_state(f"agent-{random.randrange(500)}", bump, "replicated")
        assert len(node._others.group._rounds._heads) <= 65


def test_nobody_waits_in_a_group_that_ended_while_the_function_ran(
    node: replication.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt before its own was under way, and so its own was not put: there was no verdict to look for it."""
    group, outcomes = node._others.group, []
    is_running, may_end = threading.Event(), threading.Event()

    def slow(state: Any) -> None:
        is_running.set()
        may_end.wait(10)
        bump(state)

    def call(fn: Any) -> None:
        try:
            node.update_state("a", fn, "replicated")
        except OutcomeUnknown as error:
            outcomes.append(str(error))

    node.update_state("a", bump, "replicated")
    monkeypatch.setattr(group.core.raft, "propose", lambda *_: Refused("overloaded", ""))
    callers = [threading.Thread(target=call, args=(fn,), daemon=True) for fn in (bump, slow)]
    callers[0].start()
    while group._rounds._heads["a"].under_way is None:
        time.sleep(0.001)
    callers[1].start()
    assert is_running.wait(10)
    retired = threading.Event()
    heir = SimpleNamespace(name="b", state="alive", meta={"group": f"{group.core.group}.1"})
    node._runtime.call_soon(lambda: (group.look([heir], node._others.problems), retired.set()))
    assert retired.wait(10)
    may_end.set()
    for caller in callers:
        caller.join(10)
    assert len(outcomes) == 2 and all("is over" in outcome for outcome in outcomes)
