"""The smallest node that does all a node does: takes numbers, has them on disk, tells others, and repairs."""

from collections.abc import Callable

from replication.simulation.clocks import VirtualClock
from replication.simulation.disk import Disk
from replication.simulation.links import VirtualTransport
from replication.simulation.network import CALM, Conditions, Network
from replication.simulation.process import Process, VirtualRuntime
from replication.simulation.world import Trace, World
from replication.storage import Batch, Part
from replication.transport import Link


class ToyNode:
    """Tells everybody everything it holds on disk, every half second."""

    def __init__(self, runtime: VirtualRuntime, transport: VirtualTransport, disk: Disk, others: list[str]) -> None:
        self.runtime, self.transport, self.disk, self.others = runtime, transport, disk, others
        self.held = {part for agent in disk.agents() for part in disk.load(agent).parts}
        self.stored = set(self.held)
        self.links: dict[str, Link] = {}
        self.closed_for: list[str] = []
        self.writing = False
        runtime.start(self.fail)
        transport.start(self)
        transport.listen(f"{transport.host}:1")
        runtime.call_soon(self.tick)

    def fail(self, error: BaseException) -> None:
        raise AssertionError("the toy never fails") from error

    def add(self, item: bytes) -> None:
        self.held.add(item)
        self.runtime.call_soon(self.flush)

    def flush(self) -> None:
        fresh = sorted(self.held - self.stored)
        if self.writing or not fresh:
            return
        self.writing = True

        def done(error: BaseException | None) -> None:
            self.writing = False
            assert error is None
            self.stored |= set(fresh)
            self.flush()

        number = self.disk.load("numbers").next_number
        parts = [Part("numbers", number + place, item, False, b"") for place, item in enumerate(fresh)]
        self.runtime.write(self.disk, Batch(parts), done)

    def tick(self) -> None:
        for other in self.others:
            link = self.links.get(other)
            if link is None:
                self.transport.dial(other)
            else:
                link.send(b",".join(sorted(self.stored)))
        self.runtime.call_later(self.runtime.random.uniform(0.4, 0.6), self.tick)

    def opened(self, link: Link) -> None:
        link.welcome()
        if link.dialled:
            self.links[link.address] = link

    def received(self, link: Link, frame: bytes) -> None:
        self.held |= {item for item in frame.split(b",") if item}
        self.flush()

    def closed(self, link: Link, reason: str, detail: str = "") -> None:
        self.closed_for.append(reason)
        if self.links.get(link.address) is link:
            del self.links[link.address]

    def unreachable(self, address: str, reason: str, detail: str = "") -> None:
        self.closed_for.append(reason)

    def turned_away(self, address: str, reason: str, detail: str = "") -> None:
        self.closed_for.append(reason)


class ToyCluster:
    """Toy nodes by name, with the faults that can strike them."""

    def __init__(
        self,
        names: str = "abc",
        seed: int = 0,
        conditions: Conditions = CALM,
        mode: Callable[[str], str] = lambda _: "blocking",
        trace: Trace | None = None,
    ) -> None:
        self.world = World(seed, trace)
        self.network = Network(self.world, conditions)
        self.names, self.mode = names, mode
        self.disks = {name: Disk(self.world, name) for name in names}
        self.clocks = {name: VirtualClock(self.world) for name in names}
        self.processes: dict[str, Process] = {}
        self.nodes: dict[str, ToyNode] = {}
        self.boots = 0
        for name in names:
            self.start(name)

    def start(self, name: str) -> None:
        self.boots += 1
        process = self.processes[name] = Process(self.world, name)
        stream = self.world.stream(f"node {name} {self.boots}")
        runtime = VirtualRuntime(process, stream, self.clocks[name], self.mode(name))
        self.disks[name].boot()
        others = [f"{other}:1" for other in self.names if other != name]
        self.nodes[name] = ToyNode(runtime, self.network.transport(name, runtime), self.disks[name], others)

    def crash(self, name: str, silent: bool = False) -> None:
        self.processes[name].kill()
        self.disks[name].crash()
        self.network.crash(self.nodes[name].transport, silent)

    def stored(self) -> list[list[bytes]]:
        return [sorted(self.disks[name].load("numbers").parts) for name in self.names]

    def converged(self) -> bool:
        first, *others = self.stored()
        return all(set(other) == set(first) for other in others)
