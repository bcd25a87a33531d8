"""An event loop that is driven by the test, and a listener that writes down what it is told."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from replication.config import Config
from replication.transport import Link
from replication.transport.tcp import TcpTransport
from replication.transport.tls import Security

HURRY = Config(link_handshake_timeout=2.0, link_stall_timeout=0.4)


def new_loop() -> asyncio.AbstractEventLoop:
    """The loop that nodes use: uvloop's, where it is installed and not switched off."""
    if not os.environ.get("NO_UVLOOP"):
        with suppress(ImportError):
            import uvloop

            loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
            return loop
    return asyncio.new_event_loop()


class World:
    """One loop, any number of transports; what goes wrong in a callback fails the test."""

    def __init__(self) -> None:
        self.loop = new_loop()
        self.faults: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self.time = self.loop.time
        self.random = Random(1)
        self._transports: list[TcpTransport] = []

    def end(self, security: Security | None = None, limits: Config = HURRY, welcome: bool = True) -> "End":
        return End(self, self.transport(security, limits), welcome)

    def transport(self, security: Security | None = None, limits: Config = HURRY) -> TcpTransport:
        """One that is closed with the world."""
        transport = TcpTransport(self.loop, security, limits)
        self._transports.append(transport)
        return transport

    def until(self, condition: Callable[[], Any], seconds: float = 5.0) -> None:
        """Run the loop until it holds."""

        async def wait() -> None:
            async with asyncio.timeout(seconds):
                while not condition() and not self.faults:
                    await asyncio.sleep(0.001)

        self.loop.run_until_complete(wait())
        assert self.faults == []

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        self.run(asyncio.sleep(0.01))
        left = asyncio.all_tasks(self.loop)
        self.loop.close()
        assert not left
        assert self.faults == []


class End:
    """A transport and what it told."""

    def __init__(self, world: World, transport: TcpTransport, welcome: bool) -> None:
        self.world, self.transport, self._welcome = world, transport, welcome
        self.links: list[Link] = []
        self.frames: list[bytes] = []
        self.ends: list[tuple[str, str]] = []
        self.failures: list[tuple[str, str, str]] = []
        self.refusals: list[tuple[str, str]] = []
        self.answer: Callable[[Link, bytes], None] = lambda link, frame: None
        transport.start(self)

    def opened(self, link: Link) -> None:
        self.links.append(link)
        if self._welcome:
            link.welcome()

    def received(self, link: Link, frame: bytes) -> None:
        self.frames.append(frame)
        self.answer(link, frame)

    def closed(self, link: Link, reason: str, detail: str = "") -> None:
        self.ends.append((reason, detail))

    def unreachable(self, address: str, reason: str, detail: str = "") -> None:
        self.failures.append((address, reason, detail))

    def turned_away(self, address: str, reason: str, detail: str = "") -> None:
        self.refusals.append((reason, detail))

    @property
    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.ends]


def linked(world: World, address: str = "127.0.0.1:0", **options: Any) -> tuple[End, End, Link, Link]:
    """Two ends and the link between them, as each sees it: the one that listens first."""
    here, there = world.end(**options), world.end(**options)
    there.transport.dial(here.transport.listen(address))
    world.until(lambda: here.links and there.links)
    return here, there, here.links[0], there.links[0]
