"""What stands between one process and another: it passes bytes on, until it is cut.

While it is cut, whatever comes is thrown away and nobody is told, as when a cable is pulled: both ends
keep their connection and wait. When it is joined, the connections that lost something are closed,
for there is a hole in their streams.
"""

import socket
import threading
from contextlib import suppress

_PIECE = 1 << 16


class Proxy:
    """Passes connections to its own address on to `target`, "host:port"."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._is_cut = False
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_cut = True

    def join(self) -> None:
        with self._lock:  # what came while it was cut is closed, what comes from now on is passed on
            self._close_connections()
            self._is_cut = False

    def close(self) -> None:
        self._end(self._listener)
        with self._lock:
            self._close_connections()

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        """Have a connection of its own for one that came; while cut, one that leads nowhere."""
        with self._lock:
            self._connections.append(near)
            is_cut = self._is_cut
        if is_cut:
            self._pass(near, None)
            return
        try:
            far = socket.create_connection(self._target)
        except OSError:
            self._drop(near)
            return
        with self._lock:
            self._connections.append(far)
        threading.Thread(target=self._pass, args=(far, near), daemon=True).start()
        self._pass(near, far)

    def _pass(self, source: socket.socket, target: socket.socket | None) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                if target is not None and not self._is_cut:
                    target.sendall(piece)
        self._drop(source)
        if target is not None:
            self._drop(target)

    def _drop(self, connection: socket.socket) -> None:
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)
        self._end(connection)

    def _close_connections(self) -> None:
        for connection in self._connections:
            self._end(connection)
        self._connections.clear()

    @staticmethod
    def _end(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
        connection.close()
