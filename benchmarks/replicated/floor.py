"""What the machine takes for the parts of which no update can do without.

An update is on two disks before its caller is told, and goes to another process and back. Two writes with fdatasync,
one after the other, and two round trips, stand for that. A leader and its followers write at the same time, but here
to one disk, which has less to do while the floor is measured.
"""

import os
import socket
import statistics
import threading
import time
from pathlib import Path
from typing import NamedTuple

WRITTEN = 4096


class Floor(NamedTuple):
    """Medians, in milliseconds."""

    fsync_ms: float
    round_trip_ms: float

    @property
    def update_ms(self) -> float:
        return 2 * (self.fsync_ms + self.round_trip_ms)


def measure_floor(path: Path, count: int = 200) -> Floor:
    return Floor(_fsync(path / "floor", count), _round_trip(count))


def _fsync(path: Path, count: int) -> float:
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    took = []
    for _ in range(count):
        began = time.perf_counter()
        os.write(file, bytes(WRITTEN))
        os.fdatasync(file)
        took.append(time.perf_counter() - began)
    os.close(file)
    return 1000 * statistics.median(took)


def _round_trip(count: int) -> float:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        for each in (client, peer):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        echo = threading.Thread(target=lambda: [peer.send(peer.recv(64)) for _ in range(count)])
        echo.start()
        took = []
        for _ in range(count):
            began = time.perf_counter()
            client.send(b"x" * 64)
            client.recv(64)
            took.append(time.perf_counter() - began)
        echo.join()
        peer.close()
    return 1000 * statistics.median(took)
