"""The protocol of rumours without nodes: who tells whom when, for clusters too large to be simulated whole.

What `replication.gossip.core` does with one change, event by event: the writer tells `rumour_fanout` others
at once; whoever hears it does the same as soon as its disk has it; and again in each of its gossip rounds,
until it told `ceil(rumour_retransmit * log10(nodes + 1))` times. Any telling may be lost. Whom no rumour
reached compares itself about once a second with a node at random, and is compared with as often; either
repairs it if none of the messages is lost.

Simplified: a node that a rumour reaches late is never repaired before; repair is not told on; everybody is
linked; delays are those of the simulator's calm network and disk.
"""

from heapq import heappop, heappush
from math import ceil, log10
from random import Random
from typing import NamedTuple

from replication.config import Config
from replication.simulation import CALM

_NEVER = -1.0
# Messages of a comparison of two nodes, one of which lacks one agent: check, sums, heads, holdings, the change.
_REPAIR_MESSAGES = 5
# Seconds that a simulated write takes, on average.
_WRITE = 0.001


class Told(NamedTuple):
    """One change. `rounds` are the other nodes' delays in gossip rounds, in order."""

    messages: int
    writer_messages: int
    missed: int
    rounds: list[float]


def tellings(count: int, config: Config) -> int:
    """How often each of so many nodes tells a rumour."""
    return ceil(config.rumour_retransmit * log10(count + 1))


def tell(count: int, loss: float, random: Random, config: Config | None = None) -> Told:
    """Let node 0 of so many change something. O(count log(count)^2)."""
    config = config or Config()
    spreading = _Spreading(count, loss, random, config)
    spreading.run()
    missed = [node for node, at in enumerate(spreading.durable_at) if at == _NEVER]
    for node in missed:
        spreading.durable_at[node] = spreading.repaired_at()
    delays = spreading.durable_at[1:]
    return Told(
        spreading.messages,
        tellings(count, config),
        len(missed),
        sorted(delay / config.gossip_interval for delay in delays),
    )


class _Spreading:
    """A rumour on its way. Times are seconds since the update was called."""

    def __init__(self, count: int, loss: float, random: Random, config: Config) -> None:
        self.messages = 0
        self.durable_at = [_NEVER] * count
        self._count, self._loss, self._random, self._config = count, loss, random, config
        self._left = [tellings(count, config)] * count
        # When, whether it is a gossip round and no arrival, and whose.
        self._events: list[tuple[float, bool, int]] = [(0.0, False, 0)]

    def run(self) -> None:
        """Until nobody has anything left to tell."""
        events, durable_at, random = self._events, self.durable_at, self._random.random
        period = self._config.gossip_interval
        while events:
            at, is_round, node = heappop(events)
            if is_round:
                self._tell(node, at)
            elif durable_at[node] == _NEVER:
                durable_at[node] = at + self._write_time()
                self._tell(node, durable_at[node])
                at += period * (random() - 1.0)  # when its last round was
            else:
                continue  # it knows already
            if self._left[node] > 0:
                heappush(events, (at + period, True, node))

    def _tell(self, node: int, at: float) -> None:
        random, count, loss, durable_at = self._random.random, self._count, self._loss, self.durable_at
        peers: set[int] = set()
        wanted = min(self._config.rumour_fanout, self._left[node], count - 1)
        while len(peers) < wanted:
            peer = int(random() * count)
            if peer == node or peer in peers:
                continue
            peers.add(peer)
            if random() >= loss and durable_at[peer] == _NEVER:
                delay = CALM.latency + self._random.expovariate(1.0 / CALM.jitter)
                heappush(self._events, (at + delay, False, peer))
        self._left[node] -= wanted
        self.messages += wanted

    def repaired_at(self) -> float:
        """When a node that no rumour reached has it: two comparisons each `sync_interval`, until one gets through."""
        at, random = 0.0, self._random
        works = (1.0 - self._loss) ** _REPAIR_MESSAGES
        while True:
            at += random.expovariate(2.0 / self._config.sync_interval)
            if random.random() < works:
                return at

    def _write_time(self) -> float:
        return _WRITE * self._random.uniform(0.5, 1.5)
