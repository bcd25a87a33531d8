"""Real nodes in the simulator: what an update costs, how long it takes to be everywhere, and what runs beside it."""

from collections import Counter
from random import Random
from typing import Any, NamedTuple

from crdt import Composite, GCounter
from replication.links.handshake import HEADER_BYTES, is_greeting
from replication.messages import decode
from replication.simulation import CALM, Cluster
from replication.storage import Batch

MODES = ("crdt_enhanced", "eventually_consistent")
# What carries an update, and what goes on whether or not there are updates. All else is repair.
CARRYING = {"crdt_enhanced": ("Deltas", "Stored"), "eventually_consistent": ("Rumours",)}
BACKGROUND = ("Ping", "Pong", "PingRequest", "NoPong", "Members", "Check", "InSync", "Greeting")
# Virtual seconds for which nothing is written, to see what goes on beside updates.
_SILENCE = 10.0


class Tally(Composite):
    """The smallest state there is: an update of it is nearly all envelope."""

    hits: GCounter


class Background(NamedTuple):
    """What goes on without updates, sent by a node in a second."""

    messages: float
    bytes: float


class Spread(NamedTuple):
    """What so many updates cost in all, and each (update, other node)'s delay in gossip rounds, in order.

    The messages and bytes are those that carry updates; `repair_*` is what comparing and bringing
    the rest took.
    """

    updates: int
    messages: int
    bytes: int
    writer_messages: int
    busiest_messages: float
    repair_messages: int
    repair_bytes: int
    rounds: list[float]

    def at(self, share: float) -> float:
        """The delay within which that share of the arrivals came."""
        return quantile(self.rounds, share)


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def names_of(count: int) -> list[str]:
    return [f"n{number:06}" for number in range(count)]


def rumour_bytes() -> float:
    """The size of a frame that tells of one update: it does not depend on the cluster's."""
    bench = Bench(3)
    spread = bench.spread("eventually_consistent", 10)
    bench.close()
    return spread.bytes / spread.messages


def _agent(number: int) -> str:
    return f"agent-{number:04}"


class Bench:
    """A cluster whose nodes have all met, and everything that its network carries, counted."""

    def __init__(self, count: int, seed: int = 0, all_linked: bool = True) -> None:
        # What arrives is seen when it comes to a disk, so that is to be at once.
        self.cluster = Cluster(Tally, names_of(count), seed=seed, merge_flush_interval=0.0)
        self._random = Random(f"{seed}/writers")
        self._number = 0
        self._sent: Counter[tuple[str, str]] = Counter()
        self._bytes: Counter[tuple[str, str]] = Counter()
        self._written: dict[str, tuple[str, float]] = {}  # by agent: by whom, and when
        self._delays: list[float] = []
        while not self.cluster.all_are_members():
            self.cluster.run(1.0)
        if all_linked:
            # A direct change makes links to all, as an hour of probes would.
            for name in self.cluster.names:
                self._update(name, "crdt_enhanced")
                self.cluster.run(0.05)
        self.cluster.run(2.0)
        self.cluster.run_until_quiet()
        self.cluster.network.sent.append(self._count)
        for name, host in self.cluster.hosts.items():
            host.disk.committed.append(lambda batch, name=name: self._committed(name, batch))

    def set_loss(self, loss: float) -> None:
        """Let every message be lost with that chance."""
        self.cluster.network.set_conditions(CALM._replace(loss=loss))

    def background(self) -> Background:
        self._forget()
        self.cluster.run(_SILENCE)
        seconds = _SILENCE * len(self.cluster.names)
        return Background(self._sent.total() / seconds, self._bytes.total() / seconds)

    def spread(self, mode: str, updates: int, spacing: float = 1.5) -> Spread:
        """Update so many agents at some node each, one every `spacing` seconds; until all have everything."""
        cluster = self.cluster
        self._forget()
        writers: Counter[str] = Counter()
        busiest = 0
        for _ in range(updates):
            before = self._carried(mode)
            writer = self._random.choice(cluster.names)
            self._update(writer, mode)
            cluster.run(spacing)
            of_this = self._carried(mode) - before
            writers[writer] += of_this[writer]
            busiest += max(of_this.values())
        # Among a thousand nodes that still make links, one always writes down whom it met.
        arrivals = updates * (len(cluster.names) - 1)
        cluster.run_until(lambda: len(self._delays) >= arrivals and cluster.converged())
        carrying = CARRYING[mode]
        repair = [key for key in self._sent if key[1] not in carrying + BACKGROUND]
        return Spread(
            updates=updates,
            messages=self._carried(mode).total(),
            bytes=sum(size for (_, kind), size in self._bytes.items() if kind in carrying),
            writer_messages=writers.total(),
            busiest_messages=busiest / updates,
            repair_messages=sum(self._sent[key] for key in repair),
            repair_bytes=sum(self._bytes[key] for key in repair),
            rounds=sorted(delay / cluster.config.gossip_interval for delay in self._delays),
        )

    def close(self) -> None:
        self.cluster.close()

    def _update(self, name: str, mode: str) -> None:
        agent_id = _agent(self._number)
        self._number += 1
        self._written[agent_id] = name, self.cluster.world.now
        self.cluster[name].update_state(agent_id, lambda state: state.hits.increment(), mode)

    def _forget(self) -> None:
        for each in (self._sent, self._bytes, self._delays, self._written):
            each.clear()

    def _carried(self, mode: str) -> Counter[str]:
        """Messages so far by sender."""
        counts: Counter[str] = Counter()
        for (name, kind), count in self._sent.items():
            if kind in CARRYING[mode]:
                counts[name] += count
        return counts

    def _count(self, source: str, target: str, frame: bytes) -> None:
        kind = "Greeting" if is_greeting(frame) else _kind(frame[HEADER_BYTES], frame)
        self._sent[source, kind] += 1
        self._bytes[source, kind] += len(frame)

    def _committed(self, name: str, batch: Batch) -> None:
        for part in batch.parts:
            writer, at = self._written.get(part.agent_id, (name, 0.0))
            if writer != name:
                self._delays.append(self.cluster.world.now - at)


_KINDS: dict[int, str] = {}


def _kind(number: int, frame: bytes) -> str:
    if number not in _KINDS:
        _KINDS[number] = type(decode(frame[HEADER_BYTES:])).__name__
    return _KINDS[number]


def row_of(count: int, mode: str, loss: float, spread: Spread) -> dict[str, Any]:
    """A line of the report."""
    per_node = spread.updates * count
    return {
        "nodes": count,
        "mode": mode,
        "loss": loss,
        "updates": spread.updates,
        "messages": spread.messages / spread.updates,
        "bytes": spread.bytes / spread.updates,
        "writer_messages": spread.writer_messages / spread.updates,
        "busiest_messages": spread.busiest_messages,
        "node_messages": spread.messages / per_node,
        "node_bytes": spread.bytes / per_node,
        "node_repair_messages": spread.repair_messages / per_node,
        "node_repair_bytes": spread.repair_bytes / per_node,
        "p50": spread.at(0.5),
        "p99": spread.at(0.99),
        "max": spread.rounds[-1],
    }
