"""Links over TCP and Unix sockets, with mutual TLS if it is given.

Connections are taken one by one and counted before anything is spent on them, a TLS handshake
above all, so that strangers have a bounded number of places. What a connection may then do is in
`stream`, how frames lie in it is in `frames`.

Knows nothing of names, clusters or messages.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Coroutine
from typing import Any

from replication.config import Config
from replication.transport import LinkEvents
from replication.transport.addresses import Tcp, Unix, parse
from replication.transport.own_hosts import EVERYWHERE, OwnHosts
from replication.transport.sockets import UnixListener, connect_unix, listen_tcp
from replication.transport.stream import StreamLink
from replication.transport.tls import Security, explain

# Seconds in which what is queued may still leave after `close`.
CLOSE_SECONDS = 1.0
# Connections taken in one go before anything else has its turn.
_ACCEPTS_AT_ONCE = 64
# The system has no more room for connections; it is asked again after so many seconds.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_EXHAUSTED_SECONDS = 0.5


class TcpTransport:
    """Links at `host:port` and `unix:/path`. Lives on one event loop, and is called in its thread only.

    `security` is used for all of TCP and for no Unix socket, whose file only this user may open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, security: Security | None, limits: Config) -> None:
        self.loop, self.limits = loop, limits
        self.events: LinkEvents
        self._security = security
        self._unix: list[UnixListener] = []
        self._listening: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        # Ordered, so that closing is the same every time.
        self._links: dict[StreamLink, None] = {}
        self._lingering: dict[StreamLink, tuple[asyncio.Transport, asyncio.TimerHandle]] = {}
        self._admitting: dict[socket.socket, None] = {}  # taken, and not the loop's yet
        self._inbound = self._strangers = 0
        self._own_hosts = OwnHosts()
        self._closed = False

    def start(self, events: LinkEvents) -> None:
        self.events = events

    def listen(self, address: str) -> str:
        place = parse(address)
        if isinstance(place, Unix):
            listener = UnixListener(place)
            self._unix.append(listener)
            self._take_from(listener.socket, address, secured=False)
            return address
        sockets = listen_tcp(place)
        for each in sockets:
            self._take_from(each, address, secured=self._security is not None)
        host, port = sockets[0].getsockname()[:2]
        return str(Tcp(host if host in EVERYWHERE else place.host, port))

    def reached_at(self, bound: str) -> str:
        place = parse(bound)
        return bound if isinstance(place, Unix) else self._own_hosts.reached_at(place)

    def dial(self, address: str) -> None:
        self._run(self._dial(address))

    def close(self) -> None:
        self._closed = True
        for each in self._listening:
            self.loop.remove_reader(each)
        for listener in self._unix:
            listener.close()
        for each in self._listening:
            each.close()
        for task in list(self._tasks):
            task.cancel()
        for link in list(self._links):
            link.end_now()
        for transport, _ in list(self._lingering.values()):
            transport.abort()
        for connection in self._admitting:
            connection.close()
        self._listening, self._unix, self._admitting = [], [], {}

    # ---- what links tell

    def opened(self, link: StreamLink) -> None:
        if self._closed:
            link.end_now()
            return
        self._links[link] = None
        self.events.opened(link)

    def welcomed(self, link: StreamLink) -> None:
        if not link.dialled:
            self._strangers -= 1
        if link.own_host is not None:
            self._own_hosts.see(link.own_host)

    def linger(self, link: StreamLink, transport: asyncio.Transport) -> None:
        """A link was closed: it may have a moment for what is queued."""
        self._lingering[link] = transport, self.loop.call_later(CLOSE_SECONDS, transport.abort)

    def gone(self, link: StreamLink) -> None:
        self._links.pop(link, None)
        if link in self._lingering:
            self._lingering.pop(link)[1].cancel()
        if not link.dialled:
            self._left(link)

    def _left(self, link: StreamLink) -> None:
        self._inbound -= 1
        if not link.welcomed:
            self._strangers -= 1

    # ---- others come

    def _take_from(self, listening: socket.socket, address: str, *, secured: bool) -> None:
        self._listening.append(listening)
        self.loop.add_reader(listening, self._accept, listening, address, secured)

    def _accept(self, listening: socket.socket, address: str, secured: bool) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                connection, place = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # It may stay ready to be taken from, so looking again at once would be all this loop does. What ails a
                # connection that is not taken yet comes out here, too (accept(2)), and is no reason to end the node.
                self.loop.remove_reader(listening)
                self.loop.call_later(_EXHAUSTED_SECONDS, self._resume, listening, address, secured)
                self.events.turned_away(address, "exhausted" if error.errno in _EXHAUSTED else "lost", str(error))
                return
            self._take(connection, str(Tcp(*place[:2])) if isinstance(place, tuple) else address, secured)

    def _resume(self, listening: socket.socket, address: str, secured: bool) -> None:
        if not self._closed:
            self.loop.add_reader(listening, self._accept, listening, address, secured)

    def _take(self, connection: socket.socket, address: str, secured: bool) -> None:
        limits = self.limits
        if self._inbound >= limits.links_max or self._strangers >= limits.link_strangers_max:
            connection.close()
            self.events.turned_away(address, "crowded", f"{self._inbound} links, {self._strangers} of them unknown")
            return
        self._inbound += 1
        self._strangers += 1
        connection.setblocking(False)
        self._admitting[connection] = None
        self._run(self._admit(connection, StreamLink(self, address, dialled=False), secured))

    async def _admit(self, connection: socket.socket, link: StreamLink, secured: bool) -> None:
        try:
            del self._admitting[connection]
            if secured:
                assert self._security is not None
                await self.loop.connect_accepted_socket(
                    lambda: link,
                    connection,
                    ssl=self._security.server,
                    ssl_handshake_timeout=self.limits.link_handshake_timeout,
                    ssl_shutdown_timeout=CLOSE_SECONDS,
                )
            else:
                await self.loop.connect_accepted_socket(lambda: link, connection)
        except OSError as error:  # ssl.SSLError is one
            connection.close()
            if not link.made:
                self._left(link)
                self._tell_turned_away(link.address, error, secured)

    def _tell_turned_away(self, address: str, error: OSError, secured: bool) -> None:
        if not self._closed:
            reason = "tls" if secured else "lost"
            self.events.turned_away(address, reason, explain(error))

    # ---- going to others

    async def _dial(self, address: str) -> None:
        link = StreamLink(self, address, dialled=True)
        try:
            async with asyncio.timeout(self.limits.link_handshake_timeout):
                await self._connect(parse(address), link)
            return
        except TimeoutError:
            reason, detail = "timeout", "no answer in time"
        except ssl.SSLError as error:
            reason, detail = "tls", explain(error)
        except OSError as error:
            broken = self._security is not None and isinstance(error, ConnectionResetError)
            reason, detail = ("tls", explain(error)) if broken else ("unreachable", str(error))
        except ValueError as error:  # no address, or a host name that cannot be one
            reason, detail = "address", str(error)
        if not link.made and not self._closed:
            self.events.unreachable(address, reason, detail)

    async def _connect(self, place: Tcp | Unix, link: StreamLink) -> None:
        if isinstance(place, Unix):
            connection = connect_unix(place)
            try:
                await self.loop.create_unix_connection(lambda: link, sock=connection)
            except BaseException:
                connection.close()
                raise
            return
        if self._security is None:
            await self.loop.create_connection(lambda: link, place.host, place.port)
        else:
            await self.loop.create_connection(
                lambda: link,
                place.host,
                place.port,
                ssl=self._security.client,
                server_hostname="",
                ssl_handshake_timeout=self.limits.link_handshake_timeout,
                ssl_shutdown_timeout=CLOSE_SECONDS,
            )

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.loop.call_exception_handler({"message": "a link failed to open", "exception": error})
