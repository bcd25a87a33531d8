"""A few nodes around real cores: states in dicts, a network in a list, time by hand."""

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from crdt import GSet, VersionVector
from replication.config import Config
from replication.core import Change, Delivery, Landing, Ready, Send, Tell, Told
from replication.merge.core import MergeCore
from replication.messages import Item, Message, decode, encode
from replication.ticket import Ticket

OUTCOMES = ("landed", "known", "waiting", "waiting")


class Node:
    """A core, the states it speaks of, and what it asked to be repaired."""

    def __init__(self, name: str, network: "Network", make: Callable[["Node"], Any]) -> None:
        self.name = name
        self.network = network
        self.states: dict[str, GSet] = {}
        self.told: dict[str, int] = {}
        self.repairs: list[tuple[str, str]] = []
        self.settled: list[Ticket] = []
        self.core = make(self)

    def state(self, agent_id: str) -> GSet:
        return self.states.setdefault(agent_id, GSet(self.name))

    def repair(self, peer: str, agent_ids: Iterable[str], now: float) -> None:
        self.repairs += [(peer, agent_id) for agent_id in agent_ids]

    def add(self, agent_id: str, element: Any, acks: int | str = 0, mode: int = 2) -> Ticket:
        """One update, flushed at once."""
        state = self.state(agent_id)
        state.add(element)
        version = state.version
        count = version.get(self.name, 0)
        base = VersionVector({**version, self.name: self.told.get(agent_id, 0)})
        self.told[agent_id] = count
        ticket = Ticket(set(), self.settled.append, None, mode, acks)
        ticket.is_stored = True
        self.core.propose(Change(agent_id, mode, state.delta(base), base, version, count, (ticket,)), self.network.now)
        self.act()
        return ticket

    def act(self) -> None:
        """Do what the core wants until it wants no more."""
        while True:
            ready: Ready = self.core.ready()
            if not (ready.send or ready.deliver or ready.settle):
                return
            for send in ready.send:
                if isinstance(send, Tell):
                    state = self.state(send.agent_id)
                    self.core.told(Told(send, state.delta(send.since), state.version), self.network.now)
                else:
                    self.network.send(self.name, send)
            tokens = {}
            for delivery in ready.deliver:
                self.core.landed(self.land(delivery), self.network.now)
                if delivery.token is not None:
                    tokens[delivery.token] = None
            for token in tokens:
                self.core.durable(token, self.network.now)
            for ticket in ready.settle:
                ticket.finish()

    def land(self, delivery: Delivery) -> Landing:
        return Landing(delivery, [self.outcome(item) for item in delivery.items])

    def outcome(self, item: Item) -> str:
        state = self.state(item.agent_id)
        if not item.delta:
            return "known" if VersionVector.from_bytes(item.version) <= state.version else "waiting"
        return OUTCOMES[state._deliver(item.delta, 1 << 20)]

    def receive(self, peer: str, message: Message) -> None:
        self.core.step(peer, message, self.network.now)
        self.act()


class Network:
    """Messages under way. `loss` and `twice` are chances; without order if `shuffles`."""

    def __init__(self, seed: int = 0, loss: float = 0.0, twice: float = 0.0, shuffles: bool = False) -> None:
        self.random = Random(seed)
        self.loss, self.twice, self.shuffles = loss, twice, shuffles
        self.now = 0.0
        self.nodes: dict[str, Node] = {}
        self.under_way: list[tuple[str, str, bytes]] = []
        self.sent: list[tuple[str, str, Message]] = []
        self.cut: set[tuple[str, str]] = set()

    def add(self, names: Iterable[str], make: Callable[[Node], Any]) -> None:
        for name in names:
            self.nodes[name] = Node(name, self, make)
        for name, node in self.nodes.items():
            node.core.peers(tuple(other for other in self.nodes if other != name), self.now)

    def send(self, source: str, send: Send) -> None:
        self.sent.append((source, send.peer, send.message))
        if (source, send.peer) in self.cut or self.random.random() < self.loss:
            return
        for _ in range(2 if self.random.random() < self.twice else 1):
            self.under_way.append((source, send.peer, encode(send.message)))

    def deliver(self) -> None:
        """Until nothing is under way."""
        while self.under_way:
            place = self.random.randrange(len(self.under_way)) if self.shuffles else 0
            source, target, payload = self.under_way.pop(place)
            self.nodes[target].receive(source, decode(payload))

    def run(self, seconds: float, step: float = 0.05) -> None:
        end = self.now + seconds
        while self.now < end:
            self.deliver()
            self.now += step
            for node in self.nodes.values():
                node.core.tick(self.now)
                node.act()
        self.deliver()


def merge_network(names: str = "abc", config: Config | None = None, **faults: Any) -> Network:
    """Nodes with a MergeCore each."""
    network = Network(**faults)
    limits = config or Config()

    def make(node: Node) -> MergeCore:
        others = tuple(name for name in names if name != node.name)
        return MergeCore(lambda _: node.name, limits, 7, node.repair, lambda: others)

    network.add(names, make)
    return network
