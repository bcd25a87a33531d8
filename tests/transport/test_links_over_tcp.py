"""Links and transport together, over real sockets: what neither shows alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replication import certificates
from replication.links.handshake import Known
from replication.links.links import Links
from replication.messages import Hello, Item, Message, Rumours
from replication.transport import TLS
from replication.transport.tls import Security
from tests.transport.world import HURRY, World


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


class Node:
    """Links over TCP on the test's loop."""

    def __init__(self, world: World, name: str, seeds: tuple[str, ...] = (), security: Security | None = None) -> None:
        self.world = world
        self.told: list[tuple[Any, ...]] = []
        self.messages: list[Message] = []
        transport = world.transport(security)
        self.address = transport.listen("127.0.0.1:0")
        hello = Hello(1, 1, "c", name, world.random.getrandbits(63), 1, name.encode(), self.address)
        self.links = Links(transport, world, hello, self, HURRY, seeds)  # type: ignore[arg-type]
        self.links.start()
        self._timer = world.loop.call_soon(self._tick)

    def _tick(self) -> None:
        self.links.tick(self.world.time())
        self._timer = self.world.loop.call_later(0.02, self._tick)

    def close(self) -> None:
        self._timer.cancel()
        self.links.close()

    def on_link(self) -> None: ...

    def on_message(self, peer: str, message: Message) -> None:
        self.messages.append(message)

    def on_up(self, peer: str, hello: Hello) -> None:
        self.told.append(("up", peer))

    def on_down(self, peer: str) -> None:
        self.told.append(("down", peer))

    def on_refused(self, address: str, reason: str, detail: str) -> None:
        self.told.append(("refused", reason, detail))

    def on_rejected(self, name: str, address: str, reason: str, detail: str) -> None:
        self.told.append(("rejected", name, reason))

    def on_known(self, name: str, known: Known) -> None: ...


def test_a_large_message_crosses_right_after_the_handshake_and_a_restart_is_survived(world: World) -> None:
    a = Node(world, "a")
    b = Node(world, "b", (a.address,))
    world.until(lambda: ("up", "a") in b.told)
    message = Rumours((Item("agent", bytes(3 << 20), b""),))
    assert b.links.send("a", message)
    world.until(lambda: a.messages)
    assert a.messages == [message]
    b.close()
    world.until(lambda: ("down", "b") in a.told)
    c = Node(world, "c", (a.address,))
    world.until(lambda: ("up", "c") in a.told and ("up", "a") in c.told)
    a.close()
    world.until(lambda: ("down", "a") in c.told)
    c.close()


def test_a_certificate_for_another_name_is_refused(world: World, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    certificates.make(tmp_path, ["a", "b"])

    def security(name: str) -> Security:
        return Security(TLS(*[str(tmp_path / file) for file in (f"{name}.pem", f"{name}.key", "ca.pem")]), name)

    a = Node(world, "a", security=security("a"))
    b = Node(world, "b", (a.address,), security=security("b"))
    world.until(lambda: ("up", "a") in b.told)
    liar = Node(world, "c", (a.address,), security=security("b"))
    world.until(lambda: liar.told)
    assert liar.told[0][:2] == ("refused", "certificate")
    assert "'c'" in liar.told[0][2] and "'b'" in liar.told[0][2]
    assert ("rejected", "c", "certificate") in a.told
    for node in (a, b, liar):
        node.close()
