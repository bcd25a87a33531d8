"""`eventually_consistent`: a change is told to a few peers, who tell others, until it is old news.

A rumour is not a byte string that is passed on but the note "this agent has news since that
version". What is said is made from the node's own state at the moment it is said, so a newer change
replaces an older one in the very rumour that carried it, and a node that heard two rumours of an
agent tells them as one.

Who hears news tells it at once to `rumour_fanout` peers, and again at each gossip round until it
was told 4 log10(n + 1) times, as in memberlist: enough that all but a few of n nodes hear it. The few are
found by anti-entropy. Telling more rounds would cost every node bytes for what most know already.

Source: Demers et al., "Epidemic Algorithms for Replicated Database Maintenance" (1987): push, with a
counter that does not look at the answer ("blind").

Pure. Randomness is given to it.
"""

from collections import OrderedDict
from math import ceil, log10
from random import Random
from typing import Any

from crdt import VersionVector
from crdt.version import span_of
from replication.config import Config
from replication.core import NOTHING, Change, Delivery, Landing, Ready, Send, Tell, Told
from replication.messages import Item, Message, Rumours
from replication.ticket import Ticket


class _Rumour:
    """News of one agent: since when, and how many more times it is told."""

    __slots__ = ("left", "since")

    def __init__(self, since: VersionVector, left: int) -> None:
        self.since = since
        self.left = left


class GossipCore:
    """Spreads rumours. Fills the Carrier port."""

    handles = (Rumours,)

    def __init__(self, config: Config, random: Random) -> None:
        self._config = config
        self._random = random
        self._peers: tuple[str, ...] = ()
        # By agent, the least recently changed first; of each agent the older news first.
        self._rumours: OrderedDict[str, list[_Rumour]] = OrderedDict()
        self._fresh: OrderedDict[str, None] = OrderedDict()
        self._round_at = 0.0
        self._items: dict[str, list[Item]] = {}
        self._wishes: list[Tell] = []
        self._deliver: list[Delivery] = []
        self._settle: list[Ticket] = []
        self.counts = dict.fromkeys(("rounds", "sent_items", "sent_messages", "sent_bytes", "dropped_rumours"), 0)

    def peers(self, names: tuple[str, ...], now: float) -> None:
        self._peers = names

    def propose(self, change: Change, now: float) -> None:
        self._settle += change.tickets
        if not change.delta:
            return
        left = self._hear(change.agent_id, change.base)
        for peer in self._some_peers(min(self._config.rumour_fanout, left.left)):
            self._put(peer, Item(change.agent_id, change.delta, b""))
            left.left -= 1

    def step(self, peer: str, message: Message, now: float) -> None:
        assert isinstance(message, Rumours)
        self._deliver.append(Delivery(peer, message.items))

    def landed(self, landing: Landing, now: float) -> None:
        """What was news here is told on; what waits for something is told on by those where it lands."""
        for item, outcome in zip(landing.delivery.items, landing.outcomes, strict=True):
            if outcome == "landed":
                self._hear(item.agent_id, span_of(item.delta)[0])
                self._fresh[item.agent_id] = None

    def durable(self, token: Any, now: float) -> None:
        """Rumours are not acknowledged."""

    def told(self, told: Told, now: float) -> None:
        if told.delta:
            self._put(told.tell.peer, Item(told.tell.agent_id, told.delta, b""))

    def tick(self, now: float) -> None:
        if now >= self._round_at:
            self._round_at = now + self._config.gossip_interval
            self.counts["rounds"] += 1
            for agent_id in list(self._rumours):
                self._tell(agent_id)

    def ready(self) -> Ready:
        if not (self._fresh or self._items or self._wishes or self._deliver or self._settle):
            return NOTHING
        for agent_id in self._fresh:
            self._tell(agent_id)
        self._fresh.clear()
        sends: list[Send | Tell] = [send for peer, items in self._items.items() for send in self._pack(peer, items)]
        sends += self._wishes
        ready = Ready((), tuple(sends), tuple(self._deliver), tuple(self._settle))
        self._items, self._wishes, self._deliver, self._settle = {}, [], [], []
        return ready

    def status(self) -> dict[str, Any]:
        return {**self.counts, "rumours": len(self._rumours)}

    # Inside

    def _hear(self, agent_id: str, since: VersionVector) -> _Rumour:
        """Note news of an agent. News that nobody was told of yet takes in what came after it."""
        limit = ceil(self._config.rumour_retransmit * log10(len(self._peers) + 2))
        rumours = self._rumours.setdefault(agent_id, [])
        if rumours and rumours[-1].left == limit:
            rumours[-1].since = _earlier(rumours[-1].since, since)
        else:
            rumours.append(_Rumour(since, limit))
        self._rumours.move_to_end(agent_id)
        if len(self._rumours) > self._config.rumours_max:
            self._rumours.popitem(last=False)
            self.counts["dropped_rumours"] += 1
        return rumours[-1]

    def _tell(self, agent_id: str) -> None:
        """Wish to tell a few peers all current news of an agent as one."""
        rumours = self._rumours.get(agent_id)
        if not rumours or not self._peers:
            return
        since = rumours[0].since
        for rumour in rumours[1:]:
            since = _earlier(since, rumour.since)
        peers = self._some_peers(min(self._config.rumour_fanout, rumours[-1].left))
        self._wishes += [Tell(peer, agent_id, since) for peer in peers]
        for rumour in rumours:
            rumour.left -= len(peers)
        left = [rumour for rumour in rumours if rumour.left > 0]
        if left:
            self._rumours[agent_id] = left
        else:
            del self._rumours[agent_id]

    def _some_peers(self, count: int) -> list[str]:
        return self._random.sample(self._peers, min(count, len(self._peers)))

    def _put(self, peer: str, item: Item) -> None:
        # What is large is worth an acknowledgement and a place to resume from: repair carries it.
        if len(item.delta) <= self._config.rumour_bytes_max:
            self._items.setdefault(peer, []).append(item)

    def _pack(self, peer: str, items: list[Item]) -> list[Send]:
        """Messages of bounded size."""
        sends = []
        while items:
            size = taken = 0
            while taken < len(items) and (size == 0 or size < self._config.message_bytes_max):
                size += len(items[taken].delta) + len(items[taken].agent_id)
                taken += 1
            sends.append(Send(peer, Rumours(tuple(items[:taken]))))
            self.counts["sent_messages"] += 1
            self.counts["sent_items"] += taken
            self.counts["sent_bytes"] += size
            items = items[taken:]
        return sends


def _earlier(a: VersionVector, b: VersionVector) -> VersionVector:
    """What both versions hold."""
    return a if a == b else VersionVector({writer: min(count, b.get(writer, 0)) for writer, count in a.items()})
