"""Links inside one process, with each node in its own thread or all in one."""

import threading
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from replication.config import Config
from replication.links.handshake import Known
from replication.links.links import Links
from replication.messages import Hello, Message, NoPong
from replication.transport import Link
from replication.transport.memory import MemoryNetwork, MemoryTransport
from tests.transport.world import new_loop


class Turns:
    """Calls that wait for their turn."""

    def __init__(self) -> None:
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()

    def call_soon(self, fn: Callable[..., Any], *args: Any) -> None:
        self._calls.append((fn, args))

    def run(self) -> None:
        while self._calls:
            fn, args = self._calls.popleft()
            fn(*args)


class Ear:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.told: list[Any] = []

    def opened(self, link: Link) -> None:
        self.links.append(link)

    def received(self, link: Link, frame: bytes) -> None:
        self.told.append(frame)

    def closed(self, link: Link, reason: str, detail: str = "") -> None:
        self.told.append(reason)

    def unreachable(self, address: str, reason: str, detail: str = "") -> None:
        self.told.append((address, reason))

    def turned_away(self, address: str, reason: str, detail: str = "") -> None:
        raise AssertionError("nobody is")


def ends(turns: Turns, **options: Any) -> tuple[Ear, Ear, MemoryTransport, MemoryTransport]:
    network = MemoryNetwork()
    here, there = Ear(), Ear()
    one = MemoryTransport(network, turns.call_soon, **options)
    other = MemoryTransport(network, turns.call_soon, **options)
    one.start(here)
    other.start(there)
    one.listen("memory:one")
    other.dial("memory:one")
    turns.run()
    return here, there, one, other


def test_frames_come_in_order_and_close_is_heard_after_them() -> None:
    turns = Turns()
    here, there, _, _ = ends(turns)
    assert there.links[0].dialled and not here.links[0].dialled
    for frame in (b"1", b"2"):
        assert there.links[0].send(frame)
    there.links[0].close("enough")
    assert not there.links[0].send(b"3")
    turns.run()
    assert here.told == [b"1", b"2", "closed"] and there.told == []


def test_the_queue_is_bounded_and_takes_again_what_was_taken() -> None:
    turns = Turns()
    _, there, _, _ = ends(turns, queue_bytes_max=10)
    link = there.links[0]
    assert link.send(bytes(20)) and not link.send(b"x")
    turns.run()
    assert link.send(b"x")


def test_a_closed_transport_is_unreachable_and_silent() -> None:
    turns = Turns()
    here, there, one, other = ends(turns)
    one.close()
    other.dial("memory:one")
    turns.run()
    assert there.told == ["closed", ("memory:one", "unreachable")]
    assert here.told == []


def test_an_address_is_taken_once() -> None:
    turns = Turns()
    _, _, _, other = ends(turns)
    with pytest.raises(OSError, match="another node listens"):
        other.listen("memory:one")
    with pytest.raises(ValueError, match="memory:"):
        other.listen("127.0.0.1:0")


class ThreadedNode:
    """Links in a thread of their own."""

    def __init__(self, network: MemoryNetwork, name: str, seeds: tuple[str, ...]) -> None:
        self.name, self.heard, self.up = name, [], threading.Event()  # type: ignore[var-annotated]
        self.loop = new_loop()
        self.time, self.random = self.loop.time, Random(name)
        self.failures: list[Any] = []
        self.loop.set_exception_handler(lambda _, context: self.failures.append(context))
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        call_soon = self.loop.call_soon_threadsafe
        hello = Hello(1, 1, "c", name, hash(name) & 0xFFFF, 1, b"", "")
        transport = MemoryTransport(network, call_soon)
        transport.listen(f"memory:{name}")
        self.links = Links(transport, self, hello, self, Config(), seeds)  # type: ignore[arg-type]
        call_soon(self.links.start)
        call_soon(self._tick)

    def _tick(self) -> None:
        self.links.tick(self.time())
        self.loop.call_later(0.02, self._tick)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.links.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def on_link(self) -> None: ...

    def on_message(self, peer: str, message: Message) -> None:
        self.heard.append(message)
        if isinstance(message, NoPong) and message.sequence < 1000:
            self.links.send(peer, NoPong(message.sequence + 1))
        else:
            self.up.set()

    def on_up(self, peer: str, hello: Hello) -> None:
        if self.name < peer:
            self.links.send(peer, NoPong(1))

    def on_down(self, peer: str) -> None: ...
    def on_refused(self, address: str, reason: str, detail: str) -> None: ...
    def on_rejected(self, name: str, address: str, reason: str, detail: str) -> None: ...
    def on_known(self, name: str, known: Known) -> None: ...


def test_two_threads_talk_a_thousand_times() -> None:
    network = MemoryNetwork()
    a = ThreadedNode(network, "a", ())
    b = ThreadedNode(network, "b", ("memory:a",))
    over = a.up.wait(10)
    for node in (a, b):
        node.stop()
    for node in (a, b):
        node.loop.close()
        assert node.failures == []
    assert over
    assert len(a.heard) + len(b.heard) == 1000
