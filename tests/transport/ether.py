"""Nodes' links on a heap of events: time that the test moves, and a network that does what it is told."""

import heapq
from collections.abc import Callable
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any

from replication.config import Config
from replication.links.handshake import Known
from replication.links.links import Links
from replication.messages import PROTOCOL_HIGHEST, PROTOCOL_LOWEST, Hello, Message, NoPong

TICK = 0.05


class Ether:
    """The network and the time of all nodes of a test."""

    def __init__(
        self, seed: int = 1, *, loss: float = 0.0, double: float = 0.0, reorder: float = 0.0, delay: float = 0.001
    ) -> None:
        self.random = Random(seed)
        self.loss, self.double, self.reorder, self.delay = loss, double, reorder, delay
        self.now = 0.0
        self.listening: dict[str, FakeTransport] = {}
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = count()

    def after(self, seconds: float, fn: Callable[..., None], *args: Any) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._number), fn, args))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, fn, args = heapq.heappop(self._events)
            fn(*args)
        self.now = end

    def until(self, condition: Callable[[], Any], seconds: float = 30.0) -> float:
        """The seconds it took until the condition held."""
        begin = self.now
        while not condition():
            assert self.now - begin < seconds, "it did not come about"
            self.run(TICK)
        return self.now - begin


class FakeLink:
    """One end of a link."""

    def __init__(self, owner: "FakeTransport", address: str, dialled: bool) -> None:
        self.owner, self.address, self.dialled = owner, address, dialled
        self.certified: tuple[str, ...] | None = None
        self.other: FakeLink
        self.open = True
        self.full = False
        self.welcomed = False
        self.sent: list[bytes] = []
        self.close_reason: str | None = None
        self._in_order = 0.0

    def send(self, frame: bytes) -> bool:
        if not self.open or self.full:
            return False
        self.sent.append(frame)
        ether = self.owner.ether
        for _ in range(1 + (ether.random.random() < ether.double)):
            if ether.random.random() >= ether.loss:
                at = ether.now + ether.delay + 0.001 * ether.random.random()
                if ether.random.random() >= ether.reorder:
                    at = self._in_order = max(at, self._in_order)
                else:
                    at += ether.random.random() * 0.1
                ether.after(at - ether.now, self.other.arrive, frame)
        return True

    def welcome(self) -> None:
        self.welcomed = True

    def close(self, reason: str) -> None:
        if self.open:
            self.open = False
            self.close_reason = reason
            at = max(self._in_order, self.owner.ether.now + 0.001)
            self.owner.ether.after(at - self.owner.ether.now, self.other.end, "closed")

    def arrive(self, frame: bytes) -> None:
        if self.open and not self.owner.hanging:
            self.owner.events.received(self, frame)

    def end(self, reason: str) -> None:
        if self.open and not self.owner.hanging:
            self.open = False
            self.owner.events.closed(self, reason)


class Silence:
    """Somebody who opens links and says nothing."""

    def opened(self, link: FakeLink) -> None: ...
    def received(self, link: FakeLink, frame: bytes) -> None: ...
    def closed(self, link: FakeLink, reason: str, detail: str = "") -> None: ...
    def unreachable(self, address: str, reason: str, detail: str = "") -> None: ...


class FakeTransport:
    """Fills the port; `hanging` is a host that is gone without a word."""

    def __init__(self, ether: Ether, certified: tuple[str, ...] | None) -> None:
        self.ether, self.certified = ether, certified
        self.events: Any = None
        self.hanging = False
        self.links: list[FakeLink] = []
        self.dials: list[str] = []

    def start(self, events: Any) -> None:
        self.events = events

    def listen(self, address: str) -> str:
        self.ether.listening[address] = self
        return address

    def reached_at(self, bound: str) -> str:
        return bound

    def dial(self, address: str) -> None:
        self.dials.append(address)
        self.ether.after(0.001, self._meet, address)

    def _meet(self, address: str) -> None:
        if self.hanging:
            return
        other = self.ether.listening.get(address)
        if other is None or other.hanging:
            self.events.unreachable(address, "unreachable")
            return
        outward, inward = FakeLink(self, address, True), FakeLink(other, "somewhere", False)
        outward.other, inward.other = inward, outward
        outward.certified, inward.certified = other.certified, self.certified
        other.links.append(inward)
        self.links.append(outward)
        other.events.opened(inward)
        self.events.opened(outward)

    def close(self) -> None:
        for link in self.links:
            link.close("the node ends")


class FakeNode:
    """Links and what they told. `address` is where it listens, and its name if nothing else is said."""

    def __init__(
        self,
        ether: Ether,
        name: str,
        *,
        seeds: tuple[str, ...] = (),
        address: str = "",
        store: bytes = b"",
        incarnation: int = 1,
        cluster: str = "c",
        versions: tuple[int, int] = (PROTOCOL_LOWEST, PROTOCOL_HIGHEST),
        certified: tuple[str, ...] | None = None,
        known: dict[str, Known] | None = None,
    ) -> None:
        self.ether, self.name, self.address = ether, name, address or name
        self.messages: list[tuple[str, Message]] = []
        self.told: list[tuple[str, ...]] = []
        self.known: dict[str, Known] = {}
        self.transport = FakeTransport(ether, certified)
        self.transport.listen(self.address)
        self.random = Random(ether.random.random())
        runtime: Any = SimpleNamespace(time=lambda: ether.now, random=self.random)
        boot = self.random.getrandbits(63)
        self.hello = Hello(*versions, cluster, name, boot, incarnation, store or name.encode(), self.address)
        self.links = Links(self.transport, runtime, self.hello, self, Config(), seeds, known)
        self.gone = False
        self.links.start()
        self._tick()

    def _tick(self) -> None:
        if not self.gone:
            self.links.tick(self.ether.now)
            self.ether.after(TICK, self._tick)

    def crash(self, *, quietly: bool = False) -> None:
        """The process ends; the others hear of it, or do not."""
        self.gone = self.transport.hanging = True
        if self.ether.listening.get(self.address) is self.transport:
            del self.ether.listening[self.address]
        if not quietly:
            for link in self.transport.links:
                link.close("crash")
            self.ether.run(0.01)

    def ask(self, peer: str, sequence: int) -> bool:
        """Send something."""
        return self.links.send(peer, NoPong(sequence))

    def heard(self, peer: str) -> list[int]:
        """What came of it."""
        return [message.sequence for name, message in self.messages if name == peer and isinstance(message, NoPong)]

    def ended(self, reason: str) -> int:
        count: int = self.links.status()["ended"].get(reason, 0)
        return count

    # ---- what the links tell

    def on_link(self) -> None:
        pass

    def on_message(self, peer: str, message: Message) -> None:
        self.messages.append((peer, message))

    def on_up(self, peer: str, hello: Hello) -> None:
        assert hello.name == peer
        self.told.append(("up", peer))

    def on_down(self, peer: str) -> None:
        self.told.append(("down", peer))

    def on_refused(self, address: str, reason: str, detail: str) -> None:
        self.told.append(("refused", address, reason, detail))

    def on_rejected(self, name: str, address: str, reason: str, detail: str) -> None:
        self.told.append(("rejected", name, reason, detail))

    def on_known(self, name: str, known: Known) -> None:
        self.known[name] = known


def pair(ether: Ether, **options: Any) -> tuple[FakeNode, FakeNode]:
    """Two nodes that are linked; the second dialled."""
    a = FakeNode(ether, "a")
    b = FakeNode(ether, "b", seeds=("a",), **options)
    ether.until(lambda: a.links.peers() and b.links.peers())
    return a, b


def stranger_at(ether: Ether, address: str) -> FakeLink:
    """A link that somebody silent opened, at the end of whoever listens there."""
    stranger = FakeNode(ether, "stranger")
    stranger.transport.events = Silence()
    stranger.transport.dial(address)
    ether.run(0.1)
    return stranger.transport.links[-1].other


def reasons(node: FakeNode, kind: str) -> list[str]:
    """The reasons of everything of one kind that a node was told."""
    return [each[2] for each in node.told if each[0] == kind]


def inject(node: FakeNode, frame: bytes) -> None:
    """A frame arrives at a node over its only link."""
    (link,) = [link for link in node.transport.links if link.open]
    link.arrive(frame)
