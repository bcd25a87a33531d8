"""What this node asked its peers for and has not got yet, and what is not worth asking again so soon.

An agent is asked of one peer at a time; when it does not come within a while, of any. A peer that
brought nothing, because what it sends cannot land here (its clock is ahead, say) or is lost, is asked
for the same agent after waits that double. All tables are bounded: what falls out is asked again early,
which costs some bytes and does no harm.

Pure: time is an argument.
"""

from typing import NamedTuple


class Ask(NamedTuple):
    peer: str
    since: float


class Wait(NamedTuple):
    """After so many asks in vain, nothing before `until`."""

    tries: int
    until: float


class Asks:
    """The asks of one node.

    outstanding_max  agents asked for and not come, of all peers; of one peer half as many
    timeout          seconds after which an ask was in vain
    wait_max         the longest wait between asks, in seconds
    """

    def __init__(self, outstanding_max: int, timeout: float, wait_max: float) -> None:
        self._outstanding_max = outstanding_max
        self._timeout = timeout
        self._wait_max = wait_max
        self._asks: dict[str, Ask] = {}  # oldest first
        self._waits: dict[tuple[str, str], Wait] = {}
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._asks)

    @property
    def waiting(self) -> int:
        """Agents that a peer is not asked for, for a while."""
        return len(self._waits)

    def count(self, peer: str) -> int:
        """Agents asked of a peer and not come."""
        return self._counts.get(peer, 0)

    def has_room(self, peer: str) -> bool:
        return len(self._asks) < self._outstanding_max and self.count(peer) < max(1, self._outstanding_max // 2)

    def is_idle(self, peer: str, agent_id: str, now: float) -> bool:
        """Whether the agent is asked of nobody, and this peer may be asked for it again."""
        wait = self._waits.get((peer, agent_id))
        return agent_id not in self._asks and (wait is None or wait.until <= now)

    def add(self, peer: str, agent_id: str, now: float) -> None:
        """Note an ask; `has_room` and `is_idle` hold."""
        self._asks[agent_id] = Ask(peer, now)
        self._counts[peer] = self.count(peer) + 1

    def landed(self, agent_id: str) -> str | None:
        """The agent changed: the peer that was asked for it, if one was."""
        ask = self._remove(agent_id)
        if ask is None:
            return None
        self._waits.pop((ask.peer, agent_id), None)
        return ask.peer

    def answered(self, agent_id: str) -> None:
        """Whoever was asked sent something, and more is needed, of him or of another: at once, if that may be asked."""
        self._remove(agent_id)

    def withdraw(self, peer: str, agent_id: str) -> None:
        """The peer turned out to have nothing that is lacking here."""
        ask = self._asks.get(agent_id)
        if ask is not None and ask.peer == peer:
            self._remove(agent_id)
            self._waits.pop((peer, agent_id), None)

    def expire(self, now: float) -> None:
        """Give up the asks that are too old."""
        while self._asks:
            agent_id, ask = next(iter(self._asks.items()))
            if now < ask.since + self._timeout:
                return
            self._remove(agent_id)
            before = self._waits.pop((ask.peer, agent_id), None)
            tries = before.tries + 1 if before else 1
            # The first time it was probably lost, or the peer was busy: at once again.
            wait = min(self._timeout * 2.0 ** min(tries - 2, 64), self._wait_max) if tries > 1 else 0.0
            self._waits[ask.peer, agent_id] = Wait(tries, now + wait)
            while len(self._waits) > 4 * self._outstanding_max:
                del self._waits[next(iter(self._waits))]

    def forget(self, peer: str) -> None:
        """The peer is gone."""
        for agent_id in [agent_id for agent_id, ask in self._asks.items() if ask.peer == peer]:
            self._remove(agent_id)
        for key in [key for key in self._waits if key[0] == peer]:
            del self._waits[key]

    def _remove(self, agent_id: str) -> Ask | None:
        ask = self._asks.pop(agent_id, None)
        if ask is not None:
            left = self._counts[ask.peer] - 1
            if left:
                self._counts[ask.peer] = left
            else:
                del self._counts[ask.peer]
        return ask
