"""The two ends of a simulated link, and the transport that hands them to a node.

Knows nothing of who is cut off from whom: that is decided by the `Network` and its ways.
"""

from typing import TYPE_CHECKING
from zlib import crc32

from replication.simulation.process import VirtualRuntime
from replication.transport import FRAME_BYTES_MAX, LinkEvents

if TYPE_CHECKING:
    from replication.simulation.network import Network

# A link that has not been welcomed by its node within so many seconds is closed, as the port demands.
WELCOME_WITHIN = 5.0


class Connection:
    """A link with both its ends. It exists until both are closed."""

    def __init__(
        self,
        network: "Network",
        number: int,
        address: str,
        dialler: "VirtualTransport",
        acceptor: "VirtualTransport",
    ) -> None:
        self.network = network
        self.number = number
        self.hosts = tuple(sorted((dialler.host, acceptor.host)))
        dialled = VirtualLink(self, dialler, acceptor.host, address, True)
        accepted = VirtualLink(self, acceptor, dialler.host, f"{dialler.host}:{40_000 + number}", False)
        dialled.other, accepted.other = accepted, dialled
        # The acceptor knows first.
        self.ends = (accepted, dialled)

    def break_later(self, seconds: float) -> None:
        """An end will have noticed by then that it is cut off, if it still is."""
        self.network.world.after(seconds, None, self._break_if_cut)

    def _break_if_cut(self) -> None:
        if any(end.way.cut for end in self.ends):
            self.break_now("timeout")

    def break_now(self, reason: str) -> None:
        for end in self.ends:
            end.tell_closed(reason)

    def lose(self, transport: "VirtualTransport", unnoticed: float | None) -> None:
        """One end's process is gone; the other hears of it, or notices after so many seconds."""
        world = self.network.world
        for end in self.ends:
            if end.transport is transport:
                end.is_open = False
                self.ended()
                if unnoticed is None and not end.way.cut:
                    world.after(end.way.delay(), None, end.other.tell_closed, "reset")
                else:
                    delay = unnoticed or self.network.conditions.notice
                    world.after(delay, None, end.other.tell_closed, "timeout")

    def ended(self) -> None:
        if not any(end.is_open for end in self.ends):
            self.network.forget(self)

    def __str__(self) -> str:
        accepted, dialled = self.ends
        return f"link {self.number} {dialled.transport.host}-{accepted.transport.host}"


class VirtualLink:
    """Fills the Link port: one end of a connection."""

    certified = None

    def __init__(
        self, connection: Connection, transport: "VirtualTransport", other_host: str, address: str, dialled: bool
    ) -> None:
        self.address = address
        self.dialled = dialled
        self.transport = transport
        self.is_open = True
        self.is_known = False  # to the process that has it
        self.welcomed = False
        self.queued = 0
        self.other: VirtualLink
        self.way = connection.network.way(transport.host, other_host)
        self._connection = connection
        self._network = connection.network
        self._free_at = 0.0  # when the last frame so far will have been put on the wire
        self._in_order_at = 0.0  # when the last frame that keeps its place will have arrived
        self._not_before = 0.0  # when the other end's process learns of the link

    # Of the Link port

    def send(self, frame: bytes) -> bool:
        assert len(frame) <= FRAME_BYTES_MAX, f"a frame of {len(frame)} bytes: {FRAME_BYTES_MAX} is the most"
        network, way = self._network, self.way
        conditions, random, now = way.conditions, way.random, network.world.now
        size = len(frame)
        if not self.is_open or (self.queued and self.queued + size > conditions.queue_bytes):
            network.dropped += 1
            return False
        network.frames += 1
        network.bytes += size
        if network.world.trace is not None:
            network.world.note(self._connection, "from", self.transport.host, size, f"bytes {crc32(frame):08x}")
        for tell in network.sent:
            tell(self.transport.host, self.other.transport.host, frame)
        self.queued += size
        self._free_at = max(now, self._free_at) + size / conditions.bandwidth
        lost = conditions.loss > 0.0 and random.random() < conditions.loss
        self._carry(frame, size, lost)
        if conditions.duplicate and random.random() < conditions.duplicate:
            self._carry(frame, 0, False)
        return True

    def welcome(self) -> None:
        self.welcomed = True

    def close(self, reason: str) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._connection.ended()
        arrival = max(self._in_order_at, self._free_at, self._network.world.now) + self.way.delay()
        if self.way.cut:
            arrival += self.way.random.uniform(0.0, self.way.conditions.notice)
        self._network.world.at(arrival, None, self.other.tell_closed, "closed")

    # Of the network

    def tell_opened(self) -> None:
        """Have the process know of this end, the dialler a little later."""
        world = self._network.world
        at = world.now + (self.other.way.delay() if self.dialled else 0.0)
        self.other._not_before = at
        world.at(at, None, self.transport.runtime.run, self._opened)
        world.at(at + WELCOME_WITHIN, None, self._give_up)

    def tell_closed(self, reason: str) -> None:
        """Have the process know that this end is of no use any more."""
        self.transport.runtime.run(self._closed, reason)

    def _carry(self, frame: bytes, size: int, lost: bool) -> None:
        way, world = self.way, self._network.world
        arrival = max(self._free_at + way.delay(), way.clogged_until, self._not_before)
        if way.conditions.reorder and way.random.random() < way.conditions.reorder:
            arrival += way.random.uniform(0.0, 20.0) * way.delay()
        else:
            arrival = self._in_order_at = max(arrival, self._in_order_at)
        world.at(arrival, None, self._arrive, frame, size, lost)

    def _arrive(self, frame: bytes, size: int, lost: bool) -> None:
        other, network = self.other, self._network
        if lost or self.way.cut:
            self.queued -= size
            network.lost += 1
        elif other.transport.gone:
            self.queued -= size
            if network.is_up(other.transport.host):
                network.world.after(other.way.delay(), None, self.tell_closed, "reset")
        else:
            other.transport.runtime.run(other._received, frame, size)

    def _received(self, frame: bytes, size: int) -> None:
        # What waits for a process that is paused fills the sender's queue.
        self.other.queued -= size
        if self.is_open:
            self.transport.events.received(self, frame)

    def _give_up(self) -> None:
        if not self.welcomed:
            self._connection.break_now("timeout")

    def _opened(self) -> None:
        if self.is_open:
            self.is_known = True
            self.transport.events.opened(self)

    def _closed(self, reason: str) -> None:
        if self.is_open:
            self.is_open = False
            self._connection.ended()
            if self.is_known:
                self.transport.events.closed(self, reason)
            elif self.dialled:  # it broke before it came to be
                self.transport.events.unreachable(self.address, reason)


class VirtualTransport:
    """Fills the Transport port for one process."""

    def __init__(self, network: "Network", host: str, runtime: VirtualRuntime) -> None:
        self.host = host
        self.runtime = runtime
        self.gone = False
        self.events: LinkEvents
        self._network = network

    def start(self, events: LinkEvents) -> None:
        self.events = events

    def listen(self, address: str) -> str:
        self._network.listen(address, self)
        return address

    def reached_at(self, bound: str) -> str:
        return bound

    def dial(self, address: str) -> None:
        self._network.dial(address, self)

    def close(self) -> None:
        self._network.close(self)

    def tell_unreachable(self, address: str, reason: str) -> None:
        if not self.gone:
            self.runtime.run(self.events.unreachable, address, reason)
