"""Listening sockets and connections to the file system's: what asyncio leaves to the caller.

A Unix socket's file outlives a process that was killed. Whoever wants the path then finds that
nobody answers there and replaces the file; a lock on the directory keeps two who do so at the same
time apart, and whoever looks from taking a socket that is bound but does not listen yet for dead.

Knows nothing of frames or event loops. Everything here is over in milliseconds.
"""

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from replication.transport.addresses import Tcp, Unix

BACKLOG = 512
# What `sockaddr_un` has room for, without the zero at the end.
_SUN_PATH_BYTES_MAX = 107
_LOCK_SECONDS = 2.0


def listen_tcp(address: Tcp) -> list[socket.socket]:
    """Listening sockets on every address of a host, all on one port; OSError if none can be had."""
    found = socket.getaddrinfo(address.sought, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    port = address.port
    for family, kind, protocol, _, place in dict.fromkeys(found):
        try:
            made = _listen_at(family, kind, protocol, (place[0], port, *place[2:]))
        except OSError as error:
            # A host may have an address of a family that is switched off here.
            failure = error
            continue
        port = port or made.getsockname()[1]
        sockets.append(made)
    if failure is not None and (not sockets or failure.errno != errno.EADDRNOTAVAIL):
        for each in sockets:
            each.close()
        raise OSError(failure.errno, f"cannot listen at {address}: {failure.strerror}") from failure
    return sockets


def _listen_at(family: int, kind: int, protocol: int, place: tuple[str | int, ...]) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(place)
        made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


class UnixListener:
    """A listening socket of the file system. Only this user may connect; a dead process's file is replaced."""

    def __init__(self, address: Unix) -> None:
        self._path = Path(address.path).absolute()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.setblocking(False)
            # On Linux the file gets the mode that its socket has when it is bound: there is no moment
            # at which somebody else could connect.
            os.fchmod(self.socket.fileno(), 0o600)
            with _directory_of(self._path) as (directory, name), _locked(directory, self._path.parent):
                if _is_dead(name, self._path):
                    os.unlink(name)  # noqa: PTH108 - a path below a descriptor
                self.socket.bind(name)
                self.socket.listen(BACKLOG)
                status = os.stat(name)  # noqa: PTH116
            self._key = (status.st_dev, status.st_ino)
        except BaseException:
            self.socket.close()
            raise

    def close(self) -> None:
        """Take the file away, if it is still this socket's, then the socket: nobody finds it dead in between."""
        with suppress(OSError):
            status = self._path.lstat()
            if (status.st_dev, status.st_ino) == self._key:
                self._path.unlink()
        self.socket.close()


def connect_unix(address: Unix) -> socket.socket:
    """A connection to a socket of the file system; OSError at once if nobody listens there, or too many wait."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        with _directory_of(Path(address.path).absolute()) as (_, name):
            made.connect(name)
    except BaseException:
        made.close()
        raise
    return made


@contextmanager
def _directory_of(path: Path) -> Iterator[tuple[int, str]]:
    """A descriptor of a socket's directory, and a name for the socket that is short enough to be used."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = len(os.fsencode(path)) <= _SUN_PATH_BYTES_MAX
        name = str(path) if short else f"/proc/self/fd/{directory}/{path.name}"
        if len(os.fsencode(name)) > _SUN_PATH_BYTES_MAX:
            raise OSError(errno.ENAMETOOLONG, f"the name of the socket {path} is too long: shorten its last part")
        yield directory, name
    finally:
        os.close(directory)


@contextmanager
def _locked(directory: int, path: Path) -> Iterator[None]:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OSError(errno.EAGAIN, f"another process keeps a lock (flock) on the directory {path}") from None
            time.sleep(0.005)
    try:
        yield
    finally:
        fcntl.flock(directory, fcntl.LOCK_UN)


def _is_dead(name: str, path: Path) -> bool:
    """Whether a socket's file is there and nobody listens; OSError if somebody does, or it is no socket."""
    try:
        mode = os.lstat(name).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, f"{path} is not a socket: name another path, or move that file away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        visitor.setblocking(False)
        try:
            visitor.connect(name)
        except ConnectionRefusedError:
            return True
        except BlockingIOError:
            pass  # so many wait there that it must be alive
    raise OSError(errno.EADDRINUSE, f"another process listens at {path}: name another path, or end that process")
