"""Clients that use the nodes of a cluster as programs do, all modes and types, and write down every promise.

Each node has some clients; each does one operation after another on a few hot agents and many cold
ones, waits for what it was promised, and goes on. What it does is drawn from the client's own stream.
"""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from crdt import VersionVector
from replication.errors import ReplicationError, Timeout
from replication.simulation.cluster import Cluster
from replication.simulation.ledger import KINDS, Ledger, Operation

# What is asked for, and how often.
_ASKS: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (4, "reactive", {}),
    (2, "reactive", {"durable": True}),
    (4, "eventually_consistent", {}),
    (3, "crdt_enhanced", {}),
    (2, "crdt_enhanced", {"acks": 1}),
    (2, "crdt_enhanced", {"acks": "majority"}),
    (1, "crdt_enhanced", {"acks": "all"}),
)


class Load(NamedTuple):
    """How much the clients do."""

    clients: int = 2  # for each node
    operations: int = 100  # of all clients together
    hot_agents: int = 2
    cold_agents: int = 12
    # The mean of the seconds between two operations of a client.
    pause: float = 0.2


class Workload:
    """Starts clients with every start of a node. `acknowledged` is told what each operation was promised."""

    def __init__(
        self,
        cluster: Cluster,
        ledger: Ledger,
        load: Load,
        acknowledged: Callable[[Operation, VersionVector, int], None],
    ) -> None:
        self._cluster = cluster
        self._ledger = ledger
        self._load = load
        self._acknowledged = acknowledged
        self.outcomes: dict[str, int] = {}
        self.is_over = False
        cluster.started.append(self.start)
        for name in cluster.running():
            self.start(name)

    def start(self, name: str) -> None:
        """Start the clients of a node."""
        boot = self._cluster.hosts[name].boots
        for number in range(self._load.clients):
            random = self._cluster.world.stream(f"client {name} {boot} {number}")
            self._cluster.spawn(name, self._client(name, boot, random))

    def stop(self) -> None:
        """Let every client end after the operation it is at."""
        self.is_over = True

    def is_idle(self) -> bool:
        """Whether no client of a running node waits for anything any more."""
        hosts = self._cluster.hosts
        return all(hosts[name].clients.running_tasks == 0 for name in self._cluster.running())

    async def _client(self, name: str, boot: int, random: Random) -> None:
        from asyncio import sleep

        while True:
            await sleep(random.expovariate(1.0 / self._load.pause))
            if self.is_over or len(self._ledger.operations) >= self._load.operations:
                return
            await self._operate(name, boot, random)

    async def _operate(self, name: str, boot: int, random: Random) -> None:
        load, node = self._load, self._cluster[name]
        if load.hot_agents and random.random() < 0.6:
            agent_id = f"hot-{random.randrange(load.hot_agents)}"
        else:
            agent_id = f"cold-{random.randrange(load.cold_agents)}"
        _, mode, asked = random.choices(_ASKS, [weight for weight, _, _ in _ASKS])[0]
        operation = self._ledger.open(name, boot, agent_id, random.choice(_FIELDS))
        timeout = random.choice(_TIMEOUTS)
        try:
            result = await node.aupdate_state(
                agent_id, lambda state: operation.act(state, random), mode, timeout=timeout, **asked
            )
        except ReplicationError as error:
            # Without acknowledgements in time it is still on this disk; else nobody knows, or it is not there.
            operation.kept = isinstance(error, Timeout) and operation.tried
            self._count(type(error).__name__)
        else:
            operation.kept = result.outcome != "applied"
            self._acknowledged(operation, result.version, result.acks)
            self._count(result.outcome)

    def _count(self, word: str) -> None:
        self.outcomes[word] = self.outcomes.get(word, 0) + 1


_FIELDS = tuple(KINDS)
_TIMEOUTS = (None, 0.05, 0.5, 2.0)
