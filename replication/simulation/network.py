"""A network between simulated nodes: links that delay, lose, double, reorder, clog and break.

A link here is what TCP gives, on a bad day: frames in order, none twice, unless the conditions say
otherwise. Each of the two ways between two hosts has conditions of its own, so a partition can have
any shape, one-way included. A frame that meets a cut is lost; the link itself breaks only once an
end notices, or never, if the cut heals first.

Everything that waits is bounded: beyond `queue_bytes` on their way, `send` drops frames and says so.
"""

from collections.abc import Callable
from errno import EADDRINUSE
from random import Random
from typing import NamedTuple

from replication.simulation.links import Connection, VirtualTransport
from replication.simulation.process import VirtualRuntime
from replication.simulation.world import World


class Conditions(NamedTuple):
    """What one way between two hosts does to frames. Seconds, bytes, and chances from 0 to 1."""

    # The least time a frame takes, and the mean of what comes on top (exponentially distributed).
    latency: float = 0.0005
    jitter: float = 0.0005
    loss: float = 0.0
    duplicate: float = 0.0
    # The chance that a frame may overtake those before it, and be overtaken.
    reorder: float = 0.0
    # Bytes a second.
    bandwidth: float = 100e6
    queue_bytes: int = 8 << 20
    # The chance that a link cannot be opened though both ends are well.
    dial_failure: float = 0.0
    # The longest time until an end notices that a link is dead; the time is anywhere below.
    notice: float = 10.0


CALM = Conditions()


class Way:
    """From one host to another."""

    __slots__ = ("clogged_until", "conditions", "cut", "random")

    def __init__(self, conditions: Conditions, random: Random) -> None:
        self.conditions = conditions
        self.random = random
        self.cut = False
        self.clogged_until = 0.0

    def delay(self) -> float:
        conditions = self.conditions
        return conditions.latency + (self.random.expovariate(1.0 / conditions.jitter) if conditions.jitter else 0.0)


class Network:
    """All hosts, the ways between them, and the links over these.

    sent   called with (sender's host, receiver's host, frame) for every frame that a node sends
    """

    def __init__(self, world: World, conditions: Conditions = CALM) -> None:
        self.world = world
        self.conditions = conditions
        self.sent: list[Callable[[str, str, bytes], None]] = []
        # Frames sent, their bytes; frames the network lost; frames dropped because a queue was full.
        self.frames = self.bytes = self.lost = self.dropped = 0
        self._random = world.stream("network")
        self._ways: dict[tuple[str, str], Way] = {}
        self._listening: dict[str, VirtualTransport] = {}
        self._connections: dict[int, Connection] = {}
        self._connections_made = 0

    def transport(self, host: str, runtime: VirtualRuntime) -> VirtualTransport:
        """The network as one process on that host sees it."""
        return VirtualTransport(self, host, runtime)

    def way(self, source: str, target: str) -> Way:
        way = self._ways.get((source, target))
        if way is None:
            way = Way(self.conditions, self.world.stream(f"way {source} {target}"))
            self._ways[source, target] = way
        return way

    # What strikes it

    def set_conditions(self, conditions: Conditions) -> None:
        """The same conditions everywhere, from now on."""
        self.conditions = conditions
        for way in self._ways.values():
            way.conditions = conditions

    def cut(self, source: str, target: str) -> None:
        """Lose everything that goes that way, until it heals."""
        self.way(source, target).cut = True
        for connection in self._between(source, target):
            connection.break_later(self._random.uniform(0.0, self.conditions.notice))

    def heal(self) -> None:
        """Let everything through again; links that broke meanwhile stay broken."""
        for way in self._ways.values():
            way.cut = False
            way.clogged_until = 0.0

    def clog(self, source: str, target: str, seconds: float) -> None:
        """Hold back everything that goes that way; then it arrives in one burst."""
        self.way(source, target).clogged_until = self.world.now + seconds

    def break_links(self, source: str, target: str) -> None:
        """Break every link between two hosts, as a router does that restarts."""
        for connection in self._between(source, target):
            connection.break_now("reset")

    def crash(self, transport: VirtualTransport, silent: bool) -> None:
        """A process is gone. The others hear of it from its system, unless that went too (`silent`)."""
        self._forget(transport)
        for connection in list(self._connections.values()):
            connection.lose(transport, self._random.uniform(0.0, self.conditions.notice) if silent else None)

    # What it looks like

    @property
    def open_links(self) -> int:
        return len(self._connections)

    def is_up(self, host: str) -> bool:
        """Whether a process listens there."""
        return any(transport.host == host for transport in self._listening.values())

    # Of transports and links

    def listen(self, address: str, transport: VirtualTransport) -> None:
        if address in self._listening:
            raise OSError(EADDRINUSE, f"the simulated address {address} is in use")
        self._listening[address] = transport

    def dial(self, address: str, transport: VirtualTransport) -> None:
        """Open a link, or find that it cannot be."""
        target = self._listening.get(address)
        host = address.rpartition(":")[0]
        there, back = self.way(transport.host, host), self.way(host, transport.host)
        seconds, reason = there.delay() + back.delay(), "refused"
        if there.cut or back.cut or there.random.random() < there.conditions.dial_failure:
            seconds, reason, target = there.random.uniform(0.2, 3.0), "timeout", None
        if target is None:
            self.world.after(seconds, None, transport.tell_unreachable, address, reason)
        else:
            self.world.after(seconds, None, self._open, address, transport, target)

    def _open(self, address: str, dialler: VirtualTransport, acceptor: VirtualTransport) -> None:
        if dialler.gone or acceptor.gone:
            dialler.tell_unreachable(address, "refused")
            return
        self._connections_made += 1
        connection = Connection(self, self._connections_made, address, dialler, acceptor)
        self._connections[connection.number] = connection
        for end in connection.ends:
            end.tell_opened()

    def forget(self, connection: Connection) -> None:
        """Both ends are done with it."""
        self._connections.pop(connection.number, None)

    def close(self, transport: VirtualTransport) -> None:
        """A process leaves in order."""
        self._forget(transport)
        for connection in list(self._connections.values()):
            for end in connection.ends:
                if end.transport is transport:
                    end.close("closed")

    def _forget(self, transport: VirtualTransport) -> None:
        transport.gone = True
        self._listening = {address: other for address, other in self._listening.items() if other is not transport}

    def _between(self, source: str, target: str) -> list[Connection]:
        pair = tuple(sorted((source, target)))
        return [link for link in self._connections.values() if link.hosts == pair]
