"""Whose turn it is to change an agent that several nodes want to change.

Attempts are optimistic: the first to reach the log wins, and that would nearly always be who leads, since it hears of
each verdict first. So whose attempt was in vain is next. All nodes see the same log, and so know whose turn it is with
no message more; each holds its own attempts back until those before it have had theirs. It is advice: a node that does
not make use of its turn is waited for briefly, and what the log decides does not depend on it.

Pure.
"""

from collections import OrderedDict

from replication.strong.entries import Proposal
from replication.strong.machine import CONFLICT, HOLDS

# Seconds that a node is waited for whose turn it is.
_TURN = 0.1
# Agents of which it is known who waits for a turn.
_AGENTS_MAX = 1000


class _Agent:
    __slots__ = ("newest", "waiting")

    def __init__(self) -> None:
        self.newest: tuple[str, int, int] | None = None  # of the attempts that held
        self.waiting: dict[str, float] = {}  # nodes, who lost first is first; since when it is known


class Turns:
    """The order that one node sees."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._agents: OrderedDict[str, _Agent] = OrderedDict()

    def judged(self, proposal: Proposal, verdict: str, now: float) -> None:
        """The log's verdict on any node's attempt."""
        agent = self._agents.get(proposal.agent_id)
        if agent is not None:
            self._agents.move_to_end(proposal.agent_id)
        else:
            agent = self._agents[proposal.agent_id] = _Agent()
            if len(self._agents) > _AGENTS_MAX:
                self._agents.popitem(last=False)
        if verdict == HOLDS:
            agent.newest = proposal.id
            if agent.waiting:
                agent.waiting.pop(proposal.proposer, None)
                # Whoever is first now begins to be waited for.
                agent.waiting.update((node, now) for node in agent.waiting)
        elif verdict == CONFLICT and proposal.id != agent.newest:  # else it came twice
            agent.waiting.setdefault(proposal.proposer, now)

    def wait(self, agent_id: str, now: float) -> float:
        """Seconds until this node may put an attempt into the log; 0 if it is its turn."""
        agent = self._agents.get(agent_id)
        while agent is not None and agent.waiting:
            first, since = next(iter(agent.waiting.items()))
            left = since + _TURN - now
            if first == self._name:
                return 0.0
            if left > 0:
                return left
            del agent.waiting[first]
            agent.waiting.update((node, now) for node in agent.waiting)
        return 0.0
