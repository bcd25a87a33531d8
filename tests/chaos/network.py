"""The network between the processes: every connection passes through here, and suffers what the weather is.

Each process dials each other one at a gate of its own, so that who talks to whom is known. The weather
is of one direction between two processes, whichever of them has dialled: a connection that A opened
to B carries bytes from A to B through the weather there, and bytes from B to A through the other.

Knows nothing of what the bytes are.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from random import Random
from typing import Any, NamedTuple

Pair = tuple[str, str]  # who sends, and to whom

_PIECE = 1 << 14
# Pieces on their way between two ends; then the sender has to wait, as for a full window.
_PIECES_MAX = 64


class Weather(NamedTuple):
    """What becomes of bytes that go one way.

    blocked  "hold": they wait, as if every packet were sent again until one comes through; "swallow": they
             are gone, and neither end is told; "refuse": so too, and new connections are turned away
    delay    seconds at most that a piece takes, at random; those behind it wait
    rate     bytes a second
    corrupt  how likely it is that a bit of a piece is turned over
    """

    blocked: str = ""
    delay: float = 0.0
    rate: float = math.inf
    corrupt: float = 0.0


CALM = Weather()


class Connection:
    """One that came to a gate, and the one that was opened for it to whom it was meant for."""

    def __init__(self, network: "Network", dialler: str, target: str, near: asyncio.StreamWriter) -> None:
        self.network, self.dialler, self.target = network, dialler, target
        self.writers = [near]
        # Bytes were lost in the middle of it.
        self.has_hole = False

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()

    async def live(self, reader: asyncio.StreamReader) -> None:
        there, back = (self.dialler, self.target), (self.target, self.dialler)
        try:
            await self._wait_for_both(reader, there, back)
            far_reader, far = await asyncio.open_connection(*self.network.places[self.target])
            self.writers.append(far)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far, there))
                group.create_task(self._pass(far_reader, self.writers[0], back))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.abort()

    async def _wait_for_both(self, reader: asyncio.StreamReader, there: Pair, back: Pair) -> None:
        """A connection is made only when both directions are open; until then what is said on it is lost."""
        weather = self.network.weather
        while blocked := weather(there).blocked or weather(back).blocked:
            if blocked == "refuse":
                raise ConnectionRefusedError
            if blocked == "swallow" and not await self.network.first(reader.read(_PIECE)):
                raise ConnectionResetError
            if blocked == "hold":
                await self.network.change()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: Pair) -> None:
        """Until either end closes; then both are, for frames that have lost their way back are of no use."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_PIECES_MAX)
        sender = asyncio.create_task(self._send(pieces, writer))
        network, due = self.network, 0.0
        try:
            while piece := await reader.read(_PIECE):
                weather = network.weather(pair)
                while weather.blocked == "hold":
                    await network.change()
                    weather = network.weather(pair)
                if weather.blocked:
                    self.has_hole = True
                    network.counts["pieces lost"] += 1
                    continue
                due = max(due, network.time()) + len(piece) / weather.rate
                due = max(due, network.time() + weather.delay * network.random.random())
                await pieces.put((due, network.spoil(piece, weather)))
            while network.weather(pair).blocked:  # nobody hears of an end that nothing comes from
                await network.change()
        finally:
            sender.cancel()
        raise ConnectionResetError

    async def _send(self, pieces: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        while True:
            due, piece = await pieces.get()
            if (wait := due - self.network.time()) > 0:
                await asyncio.sleep(wait)
            try:
                writer.write(piece)
                await writer.drain()
            except OSError:
                self.abort()
                return


class Network:
    """All gates, and the faults that hold now. Belongs to one event loop."""

    def __init__(self, places: dict[str, tuple[str, int]], random: Random) -> None:
        self.places, self.random = places, random
        self.time = asyncio.get_running_loop().time
        self.counts: Counter[str] = Counter()
        self._faults: dict[int, tuple[frozenset[Pair], Weather]] = {}
        self._next_fault = 0
        self._now: dict[Pair, Weather] = {}
        self._changed = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        # dialler -> where another one is -> the gate in front of it
        self.gates: dict[str, dict[str, str]] = {name: {} for name in places}

    async def open(self) -> None:
        for dialler in self.places:
            for target, (host, port) in self.places.items():
                if target != dialler:
                    server = await asyncio.start_server(self._taker(dialler, target), "127.0.0.1", 0)
                    self._servers.append(server)
                    gate = server.sockets[0].getsockname()[1]
                    self.gates[dialler][f"{host}:{port}"] = f"127.0.0.1:{gate}"

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        tasks = list(self._connections.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _taker(self, dialler: str, target: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = Connection(self, dialler, target, writer)
            task = self._connections[connection] = asyncio.create_task(connection.live(reader))
            task.add_done_callback(lambda _: self._connections.pop(connection))
            self.counts["connections"] += 1

        return take

    # ---- faults

    def begin(self, pairs: Iterable[Pair], weather: Weather) -> int:
        """Let this weather be between these, besides what is there already; a number to end it with."""
        self._next_fault += 1
        self._faults[self._next_fault] = frozenset(pairs), weather
        self._look()
        return self._next_fault

    def end(self, number: int) -> None:
        """Connections that lost bytes are closed, most of them: the ends of the others must find out for themselves."""
        pairs = self._faults.pop(number, (frozenset(), CALM))[0]
        self._look()
        for connection in list(self._connections):
            if connection.has_hole and {(connection.dialler, connection.target)} & pairs and self.random.random() < 0.7:
                connection.abort()

    def end_all(self) -> None:
        for number in list(self._faults):
            self.end(number)

    def reset(self, pairs: Iterable[Pair]) -> None:
        """Break the connections that were opened by the first of a pair to the second."""
        broken = set(pairs)
        for connection in list(self._connections):
            if (connection.dialler, connection.target) in broken:
                self.counts["resets"] += 1
                connection.abort()

    def weather(self, pair: Pair) -> Weather:
        return self._now.get(pair, CALM)

    def spoil(self, piece: bytes, weather: Weather) -> bytes:
        if self.random.random() >= weather.corrupt:
            return piece
        self.counts["pieces corrupted"] += 1
        at, bit = self.random.randrange(len(piece)), 1 << self.random.randrange(8)
        return piece[:at] + bytes([piece[at] ^ bit]) + piece[at + 1 :]

    def _look(self) -> None:
        self._now = {}
        for pairs, weather in self._faults.values():
            for pair in pairs:
                was = self.weather(pair)
                self._now[pair] = Weather(
                    was.blocked or weather.blocked,
                    max(was.delay, weather.delay),
                    min(was.rate, weather.rate),
                    max(was.corrupt, weather.corrupt),
                )
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Wait until the weather is another."""
        await self._changed.wait()

    async def first(self, read: Coroutine[Any, Any, bytes]) -> bytes:
        """What is read, or one byte of nothing when the weather changes before."""
        reading, change = asyncio.ensure_future(read), asyncio.ensure_future(self.change())
        try:
            await asyncio.wait((reading, change), return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else b"\0"
        finally:
            reading.cancel()
            change.cancel()
