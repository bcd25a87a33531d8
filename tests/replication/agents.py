"""The state and the simplest calls that the tests of this folder share."""

from typing import Any

import replication
from crdt import Composite, GCounter, GSet, LWWMap, OpBasedList, PNCounter, field


class AgentState(Composite):
    counters: GCounter
    flags: GSet
    config: LWWMap
    logs: OpBasedList
    budget: PNCounter = field(at_least="replicated")


def bump(state: Any) -> None:
    """The simplest update."""
    state.counters.increment()


def count(node: replication.Node, agent_id: str) -> int:
    """What `bump` has come to."""
    value: int = node.read_state(agent_id, lambda s: s.counters.value)
    return value
