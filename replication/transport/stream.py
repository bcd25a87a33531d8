"""One connection as a link: a stream of bytes at one end, frames at the other.

What waits to be written is bounded, a peer that takes nothing of it is dropped, what came is handed
on at once, and who has not shown who it is may send a few kilobytes in a few seconds.

Knows nothing of how the connection came about, nor of what is in a frame.
"""

import asyncio
import fcntl
import socket
import ssl
import sys
import termios
from contextlib import suppress
from typing import Any, Protocol, cast

from replication.config import Config
from replication.transport import FRAME_BYTES_MAX, LinkEvents
from replication.transport.frames import FrameError, FrameParser, header_of
from replication.transport.tls import BROKEN_OFF, certified_names, explain

# A frame of somebody who has not shown who it is: a Hello fits.
STRANGER_FRAME_BYTES_MAX = 4096


class Owner(Protocol):
    """The transport of a link."""

    loop: asyncio.AbstractEventLoop
    limits: Config
    events: LinkEvents

    def opened(self, link: "StreamLink") -> None:
        """It is ready for frames."""

    def welcomed(self, link: "StreamLink") -> None:
        """Its other end has shown who it is."""

    def linger(self, link: "StreamLink", transport: asyncio.Transport) -> None:
        """It was closed by this end, and may have a moment for what is queued."""

    def gone(self, link: "StreamLink") -> None:
        """Its socket is closed."""


class StreamLink(asyncio.Protocol):
    """One connection, made by a transport that is told of its life."""

    def __init__(self, owner: Owner, address: str, dialled: bool) -> None:
        self.address = address
        self.dialled = dialled
        self.certified: tuple[str, ...] | None = None
        self.made = False
        self.welcomed = False
        self._owner = owner
        self._parser = FrameParser(STRANGER_FRAME_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._queue: list[bytes] = []
        self._queued = 0
        self._heard = False
        self._given = 0  # bytes ever handed to the transport
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    # ---- the port

    def send(self, frame: bytes) -> bool:
        if self._transport is None:
            return False
        waiting = self._queued + self._transport.get_write_buffer_size()
        # A frame goes into an empty queue however large it is, or it would never go.
        if waiting and waiting + len(frame) > self._owner.limits.link_queue_bytes_max:
            return False
        if not self._queue:
            self._owner.loop.call_soon(self._flush)
        self._queue += (header_of(frame), frame)
        self._queued += len(frame)
        return True

    def welcome(self) -> None:
        if self._transport is None or self.welcomed:
            return
        self.welcomed = True
        self._parser.limit = FRAME_BYTES_MAX
        self._cancel_timers()
        self._owner.welcomed(self)

    def close(self, reason: str) -> None:
        transport = self._transport
        if transport is not None:
            self._flush()
            self._forget()
            transport.close()
            self._owner.linger(self, transport)

    @property
    def own_host(self) -> str | None:
        """The address of this end, in numbers; None if the link goes through the file system."""
        place = None if self._transport is None else self._transport.get_extra_info("sockname")
        return str(place[0]) if isinstance(place, tuple) else None

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have all the methods and do not say so.
        self._transport = cast(asyncio.Transport, transport)
        self.made = True
        if (connection := transport.get_extra_info("ssl_object")) is not None:
            self.certified = certified_names(connection)
        _tune(transport.get_extra_info("socket"), self._owner.limits)
        self._timer = self._owner.loop.call_later(
            self._owner.limits.link_handshake_timeout, self._end, "handshake", "it did not show who it is in time"
        )
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        self._heard = True
        try:
            for frame in self._parser.feed(data):
                self._owner.events.received(self, frame)
                if self._transport is None:  # closed by what came
                    return
        except FrameError as error:
            self._end(error.reason, error.detail)
        except OSError as error:
            # Of what was done with a frame. The loop would take it for the connection's, and tell nobody.
            why = "what a frame led to failed"
            self._owner.loop.call_exception_handler({"message": why, "exception": error, "protocol": self})

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            self._end(*self._why(error))
        self._owner.gone(self)

    def _why(self, error: Exception | None) -> tuple[str, str]:
        if isinstance(error, ssl.SSLError):
            return "tls", explain(error)
        if self.certified is not None and self.dialled and not self._heard:
            # In TLS 1.3 a client is ready before the server has looked at its certificate.
            return "tls", BROKEN_OFF
        if error is not None:
            return "lost", str(error)
        return ("truncated", "it ended within a frame") if self._parser.waiting else ("closed", "")

    # ---- writing

    def _flush(self) -> None:
        """Everything of one round of the loop leaves in one call to the system."""
        queue, self._queue = self._queue, []
        if self._transport is None or not queue:
            return
        self._given += self._queued
        self._queued = 0
        # TLS makes a record, and some loops a call to the system, of each piece they are given.
        self._transport.write(b"".join(queue))
        if self._stall is None and self._transport.get_write_buffer_size():
            self._watch(self._taken(), self._owner.loop.time())

    def _taken(self) -> int:
        """What the other end's system has taken; of use to see whether it becomes more.

        What waits in this end's system counts as not taken: that can be megabytes, and a loop hears of
        room in it only when a third has become free.
        """
        assert self._transport is not None
        waiting = self._transport.get_write_buffer_size()
        with suppress(OSError):
            waiting += _waiting_in_system(self._transport.get_extra_info("socket").fileno())
        return self._given - waiting

    def _watch(self, taken: int, since: float) -> None:
        timeout = self._owner.limits.link_stall_timeout
        self._stall = self._owner.loop.call_later(timeout / 4, self._look, taken, since)

    def _look(self, taken: int, since: float) -> None:
        """See whether the other end has taken anything since it last did."""
        assert self._transport is not None
        self._stall = None
        now = self._owner.loop.time()
        waiting = self._transport.get_write_buffer_size()
        if not waiting:
            return
        if self._taken() != taken:
            self._watch(self._taken(), now)
        elif now - since < self._owner.limits.link_stall_timeout:
            self._watch(taken, since)
        else:
            self._end("stalled", f"it took none of {waiting} bytes for {now - since:.1f} seconds")

    # ---- the end

    def _end(self, reason: str, detail: str) -> None:
        """Nothing can be had of it any more."""
        if self._transport is not None:
            transport = self._transport
            self._forget()
            transport.abort()
            self._owner.events.closed(self, reason, detail)

    def _forget(self) -> None:
        self._transport = None
        self._queue = []
        self._queued = 0
        self._cancel_timers()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _cancel_timers(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end_now(self) -> None:
        """The node ends: what the system takes at once may leave, and nobody is told."""
        transport = self._transport
        if transport is not None:
            self._flush()
            self._forget()
            if transport.get_write_buffer_size() or self.certified is not None:
                transport.abort()
            else:
                transport.close()


def _tune(connection: Any, limits: Config) -> None:
    """Small messages leave at once, and a host that is gone is noticed."""
    if connection.family == socket.AF_UNIX:
        return
    with suppress(OSError):  # it may be closed already
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(limits.link_stall_timeout * 2000))


def _waiting_in_system(file: int) -> int:
    """Bytes written to a socket that the other end has not taken (tcp(7), unix(7): SIOCOUTQ)."""
    answer = fcntl.ioctl(file, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(answer, sys.byteorder)
