"""Real nodes in a simulated world, with every fault in reach of one call.

    cluster = Cluster(AgentState, "abc", seed=7)
    cluster.partition("ab|c")
    cluster["a"].update_state("agent-1", lambda s: s.counters.increment(), "crdt_enhanced")
    cluster.heal()
    cluster.run_until_quiet()
    assert cluster.values("agent-1", lambda s: s.counters.value) == [1, 1, 1]

The nodes are those of `replication.open`, driver, links and cores included; only time, network,
disks and clocks are simulated. A call that waits (`acks=`, `flush()`) runs the world until what it
waits for has come. Clients that wait beside each other are coroutines, given to `spawn`.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from weakref import finalize

from crdt import Composite
from crdt.repair import KEY_BYTES, entries, repair
from replication.config import Config
from replication.node import Node
from replication.simulation.clients import ClientLoop
from replication.simulation.clocks import VirtualClock
from replication.simulation.disk import Disk
from replication.simulation.links import VirtualTransport
from replication.simulation.network import CALM, Conditions, Network
from replication.simulation.process import Process, VirtualRuntime
from replication.simulation.world import Stuck, Trace, World

# How many others a node is told of at its start; it learns of the rest from them.
_PEERS_MAX = 3
# Virtual seconds between two looks at whether all nodes agree.
_LOOK_EVERY = 0.5


class Host:
    """A machine: its disk and clock outlive the processes on it, of which there is at most one."""

    def __init__(self, network: Network, name: str, write_mode: str, disk_seconds: float) -> None:
        self.name = name
        self.address = f"{name}:7400"
        self.disk = Disk(network.world, name, disk_seconds)
        self.clock = VirtualClock(network.world)
        self.write_mode = write_mode
        self.boots = 0
        self.node: Node | None = None
        self.process: Process
        self.runtime: VirtualRuntime
        self.transport: VirtualTransport
        self.clients: ClientLoop
        self._network = network

    def start(self, schema: type[Composite], config: Config, peers: Iterable[str], voters: tuple[str, ...]) -> None:
        world = self._network.world
        self.boots += 1
        self.process = Process(world, self.name)
        stream = world.stream(f"node {self.name} {self.boots}")
        self.runtime = VirtualRuntime(self.process, stream, self.clock, self.write_mode)
        self.transport = self._network.transport(self.name, self.runtime)
        self.clients = ClientLoop(self.process)  # type: ignore[abstract]
        self.disk.boot()
        self.node = Node(
            self.disk,
            schema,
            config,
            "simulated",
            runtime=self.runtime,
            transport=self.transport,
            peers=tuple(peers),
            voters=voters,
        )
        # Not through `connect`, which waits: a restart may be an event of the simulation.
        self.runtime.call_soon(self.node._others._start, self.transport, (self.address,))

    def crash(self, silent: bool) -> None:
        self.process.kill()
        self.disk.crash()
        self._network.crash(self.transport, silent)
        if self.node is not None:
            self.node.abandon()
            self.node = None


class Cluster:
    """Nodes by name. Equal arguments give equal runs, to the byte.

    schema       the Composite class of every agent's state
    names        of the nodes; a str names one for each letter
    seed         everything that chance decides
    conditions   of the network; `Conditions` says what there is
    bootstrap    the nodes that vote in the mode "replicated"; without, it is not available
    write_modes  see `process.WRITE_MODES`; one for each node, repeated as needed
    limits       any field of `replication.Config`

    `close()` forgets the nodes, as a crash of all of them would; so does the end of the cluster itself.
    """

    def __init__(
        self,
        schema: type[Composite],
        names: Iterable[str] = "abc",
        *,
        seed: int | str = 0,
        conditions: Conditions = CALM,
        write_modes: tuple[str, ...] = ("blocking",),
        disk_seconds: float = 0.001,
        bootstrap: Iterable[str] = (),
        trace: Trace | None = None,
        **limits: Any,
    ) -> None:
        self.schema = schema
        self.config = Config.of(limits)
        self.bootstrap = tuple(bootstrap)
        self.world = World(seed, trace)
        self.network = Network(self.world, conditions)
        self.hosts: dict[str, Host] = {}
        # Those that ever left, and may have been purged without.
        self.left: set[str] = set()
        # Called with the name of a node that was started; also for those that are there from the start.
        self.started: list[Callable[[str], None]] = []
        for place, name in enumerate(names):
            self.hosts[name] = Host(self.network, name, write_modes[place % len(write_modes)], disk_seconds)
        # Nobody waits for these nodes at the end of the program, when time may stand still for them.
        self.close = finalize(self, _crash_all, self.hosts)
        for name in self.hosts:
            self.restart(name)

    # The nodes

    @property
    def names(self) -> list[str]:
        return list(self.hosts)

    def __getitem__(self, name: str) -> Node:
        """The node of that name; KeyError if there is none, or it has crashed."""
        node = self.hosts[name].node
        if node is None:
            raise KeyError(f"node {name!r} has crashed: restart({name!r}) starts it again")
        return node

    def running(self) -> list[str]:
        """The names of the nodes that have not crashed; those that are paused are among them."""
        return [name for name, host in self.hosts.items() if host.node is not None]

    def spawn(self, name: str, client: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine as a client in the process of a node; it ends there if the process crashes."""
        self[name]
        self.hosts[name].clients.spawn(client)

    # Faults

    def partition(self, groups: str | Iterable[Iterable[str]]) -> None:
        """Cut every way between groups of nodes: "ab|c", or lists of names. Cuts that are there stay."""
        parts = [list(group) for group in (groups.split("|") if isinstance(groups, str) else groups)]
        for part in parts:
            for source in part:
                for target in (name for other in parts if other is not part for name in other):
                    self.cut(source, target)

    def cut(self, source: str, target: str) -> None:
        """Lose everything that goes from one node to another; what goes back still arrives."""
        self._known(source, target)
        self.world.note("cut", source, target)
        self.network.cut(source, target)

    def clog(self, source: str, target: str, seconds: float) -> None:
        """Hold back what goes from one node to another for so long; then it arrives in one burst."""
        self._known(source, target)
        self.world.note("clog", source, target, seconds)
        self.network.clog(source, target, seconds)

    def heal(self) -> None:
        """End all cuts and clogs. Nodes that crashed stay down, and disks as they are."""
        self.world.note("heal")
        self.network.heal()

    def crash(self, name: str, silent: bool = False) -> None:
        """Kill a node: what is not on its disk is gone. `silent`: the others are not told by its system."""
        self[name]
        self.world.note("crash", name, "silently" if silent else "")
        self.hosts[name].crash(silent)

    def leave(self, name: str) -> None:
        """Let a node say farewell and end at once; what it has not flushed by then is gone, as with `crash`."""
        node = self[name]
        self.world.note("leave", name)
        self.left.add(name)
        others, host = node._others, self.hosts[name]
        if others._links is not None and host.process.thread.is_free:
            others._leave(others._links)
        host.crash(silent=False)

    def restart(self, name: str) -> None:
        """Start a node that crashed, or that was closed, on the disk it left."""
        host = self.hosts[name]
        if host.node is not None:
            self.crash(name)
        self.world.note("start", name)
        others = [other.address for other in self.hosts.values() if other is not host]
        host.start(self.schema, self.config, others[:_PEERS_MAX], self.bootstrap)
        for tell in self.started:
            tell(name)

    def pause(self, name: str, seconds: float) -> None:
        """Let a process stand still, as by SIGSTOP; then everything that came meanwhile comes at once."""
        process = self.hosts[name].process
        self.world.note("pause", name, seconds)
        process.pause()
        self.world.after(seconds, None, process.resume)

    def slow_disk(self, name: str, factor: float = 100.0) -> None:
        """Let every write of a node take so many times longer, until `repair_disk`."""
        self.hosts[name].disk.slow(factor)

    def hang_disk(self, name: str) -> None:
        """Let no write of a node end, until `repair_disk`."""
        self.hosts[name].disk.hang()

    def fail_disk(self, name: str, fault: str = "failing") -> None:
        """Let every write of a node fail: "failing" to sync, or "full". The node stops acknowledging."""
        self.hosts[name].disk.fail(fault)

    def repair_disk(self, name: str) -> None:
        """Let a node's disk be well. A node whose write failed needs a `restart` too."""
        self.hosts[name].disk.repair()

    def skew_clock(self, name: str, ms: float) -> None:
        """Set a node's clock forward, or back if negative."""
        self.hosts[name].clock.jump(ms)

    def damage(self, name: str, agent_id: str, change: Callable[[Any], Any]) -> None:
        """Let a node hold another state of an agent at the same version, as damaged bytes or a cloned writer leave it.

        What `change` does is put beside what is there, under names that other changes have.
        """
        store = self[name]._store
        slot = store.acquire(agent_id)
        assert slot is not None
        try:
            version = slot.state.version
            writer = max(version, key=lambda each: version[each])
            twin = self.schema(writer, **store._options)
            change(twin)
            key = bytes(KEY_BYTES)
            if not twin.version <= version or not repair(slot.state, entries(twin, key, None)):
                raise ValueError(f"agent {agent_id!r} at {dict(version)} cannot be damaged by this change")
            slot.repaired = True
            if not slot.dirty:
                store.changes.mark(slot)
        finally:
            slot.release()
        self.world.note("damage", name, agent_id)

    def recover(self) -> None:
        """End every fault: ways, disks and clocks are well, and every node runs."""
        self.heal()
        self.network.set_conditions(CALM)
        for name, host in self.hosts.items():
            host.clock.correct()
            host.disk.repair()
            if host.process.alive:
                host.process.resume()
            if host.node is None or host.disk.has_failed:
                self.restart(name)

    # Time

    def run(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.world.run_for(seconds)

    def run_until(self, holds: Callable[[], bool], seconds: float = 600.0) -> None:
        """Let time pass until it holds; Stuck if it does not within so many seconds. Asks twice a second."""
        end = self.world.now + seconds
        while not holds():
            if self.world.now >= end:
                raise Stuck(f"it did not come to hold within {seconds} virtual seconds")
            self.world.run_for(_LOOK_EVERY)

    def run_until_quiet(self, seconds: float = 600.0) -> None:
        """Let time pass until all running nodes hold the same and none has anything left to write or to tell."""
        self.run_until(self.is_quiet, seconds)

    # What the nodes hold

    def is_quiet(self) -> bool:
        """Whether all running nodes agree, and all they hold is on their disks."""
        settled = all(self[name].status()["agents_dirty"] == 0 for name in self.running())
        return settled and not any(host.disk.is_writing for host in self.hosts.values()) and self.converged()

    def converged(self) -> bool:
        """Whether all running nodes hold equal states of all agents. O(agents x nodes)."""
        first, *others = [self.digests(name) for name in self.running()] or [{}]
        return all(other == first for other in others)

    def all_are_members(self) -> bool:
        """Whether all running nodes take all of them for alive, and know of no others that are."""
        running = sorted(self.running())
        return all(
            sorted(member.name for member in self[name].members() if member.state == "alive") == running
            for name in running
        )

    def disagreement(self) -> str:
        """In what the running nodes differ, in words."""
        if not self.all_are_members():
            seen = {name: {member.name: member.state for member in self[name].members()} for name in self.running()}
            return f"the nodes see each other so: {seen}"
        held = {name: self.digests(name) for name in self.running()}
        agents = sorted({agent_id for digests in held.values() for agent_id in digests})
        differ = [agent_id for agent_id in agents if len({held[name].get(agent_id) for name in held}) > 1]
        if not differ:
            return "all nodes hold the same, but something is still being written or waited for"
        versions = {name: dict(self[name].read_state(differ[0]).version) for name in held}
        return f"the nodes differ in {len(differ)} of {len(agents)} agents: of {differ[0]!r} they hold {versions}"

    def digests(self, name: str) -> dict[str, bytes]:
        """The digest of every agent that a node holds something of."""
        node = self[name]
        return {agent_id: node.read_state(agent_id, _digest) for agent_id in node.agents()}

    def values(self, agent_id: str, read: Callable[[Any], Any] = lambda state: state.value) -> list[Any]:
        """What each running node reads of an agent, in the order of their names' first mention."""
        return [self[name].read_state(agent_id, read) for name in self.running()]

    def _known(self, *names: str) -> None:
        for name in names:
            if name not in self.hosts:
                raise KeyError(f"there is no node {name!r}: the nodes are {', '.join(self.hosts)}")


def _crash_all(hosts: dict[str, Host]) -> None:
    for host in hosts.values():
        if host.node is not None:
            host.crash(silent=True)


def _digest(state: Any) -> bytes:
    digest: bytes = state.digest()
    return digest
