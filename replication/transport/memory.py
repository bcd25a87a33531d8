"""Links inside one process, at addresses `memory:NAME`: for tests, and for nodes that share a program.

Both ends may run in threads of their own: whatever happens at one is told to the other by the
other's `call_soon`, in the order in which it happened. Nothing is lost but what finds the queue
full, as everywhere.

Knows nothing of names, clusters or messages.
"""

import threading
from collections.abc import Callable
from typing import Any

from replication.transport import FRAME_BYTES_MAX, LinkEvents

PREFIX = "memory:"
_CallSoon = Callable[..., Any]


class MemoryNetwork:
    """The addresses that somebody listens at. One for all nodes that may meet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listening: dict[str, MemoryTransport] = {}

    def take(self, address: str, transport: "MemoryTransport") -> None:
        """OSError if somebody listens there."""
        with self._lock:
            if address in self._listening:
                raise OSError(f"another node listens at {address}: give this one another address")
            self._listening[address] = transport

    def release(self, transport: "MemoryTransport") -> None:
        with self._lock:
            for address in [address for address, other in self._listening.items() if other is transport]:
                del self._listening[address]

    def at(self, address: str) -> "MemoryTransport | None":
        with self._lock:
            return self._listening.get(address)


class MemoryLink:
    """One end of a link. `certified` is None: there is nobody to keep out."""

    certified = None

    def __init__(self, owner: "MemoryTransport", address: str, dialled: bool) -> None:
        self.owner, self.address, self.dialled = owner, address, dialled
        self.other: MemoryLink
        self._open = True
        self._waiting = 0  # bytes that the other end has not taken
        self._lock = threading.Lock()

    def send(self, frame: bytes) -> bool:
        assert len(frame) <= FRAME_BYTES_MAX, f"a frame of {len(frame)} bytes: at most {FRAME_BYTES_MAX} can be sent"
        with self._lock:
            if not self._open or (self._waiting and self._waiting + len(frame) > self.owner.queue_bytes_max):
                return False
            self._waiting += len(frame)
        self.other.owner.call_soon(self.other.arrive, frame)
        return True

    def welcome(self) -> None:
        """Nobody in the same process is a stranger."""

    def close(self, reason: str) -> None:
        if self._open:
            self._open = False
            self.owner.links.pop(self, None)
            self.other.owner.call_soon(self.other.end)

    # ---- in the thread of its own end

    def arrive(self, frame: bytes) -> None:
        with self.other._lock:
            self.other._waiting -= len(frame)
        if self._open:
            self.owner.events.received(self, frame)

    def begin(self) -> None:
        if self.owner.closed:
            self.close("the node has ended")
        else:
            self.owner.links[self] = None
            self.owner.events.opened(self)

    def end(self) -> None:
        if self._open:
            self._open = False
            self.owner.links.pop(self, None)
            self.owner.events.closed(self, "closed")


class MemoryTransport:
    """Fills the Transport port. `call_soon` is its runtime's: it may be called from any thread."""

    def __init__(self, network: MemoryNetwork, call_soon: _CallSoon, queue_bytes_max: int = 8 << 20) -> None:
        self.call_soon = call_soon
        self.queue_bytes_max = queue_bytes_max
        self.events: LinkEvents
        self.closed = False
        self.links: dict[MemoryLink, None] = {}
        self._network = network

    def start(self, events: LinkEvents) -> None:
        self.events = events

    def listen(self, address: str) -> str:
        if not address.startswith(PREFIX):
            raise ValueError(f"{address!r} is not an address inside a process: write 'memory:' and a name")
        self._network.take(address, self)
        return address

    def reached_at(self, bound: str) -> str:
        return bound

    def dial(self, address: str) -> None:
        other = self._network.at(address)
        if other is None:
            self.call_soon(self._unreachable, address)
            return
        outward, inward = MemoryLink(self, address, True), MemoryLink(other, f"{PREFIX}dialled", False)
        outward.other, inward.other = inward, outward
        # This end begins after this call, so both are told before either can send: no frame overtakes.
        self.call_soon(outward.begin)
        other.call_soon(inward.begin)

    def close(self) -> None:
        self.closed = True
        self._network.release(self)
        for link in list(self.links):
            link.close("the node ends")

    def _unreachable(self, address: str) -> None:
        if not self.closed:
            self.events.unreachable(address, "unreachable", "nobody listens there")
