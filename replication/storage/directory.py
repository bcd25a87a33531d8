"""The directory of a store: made, checked to be usable, and held by one node at a time.

The lock is a POSIX record lock on the file `lock`: the operating system releases it with the
process, however it dies, and a forked child does not inherit it. Such locks do not exclude the
process that holds them, so the directories this process holds are also kept in a table; it is
asked before the file is opened, because closing a second descriptor would drop the lock.

Knows nothing of what lies in the directory but the names of the files.
"""

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path

from replication.errors import StoreError

DATABASE, MARK, LOCK = "store.db", "mark", "lock"

_held: dict[tuple[int, int], int] = {}  # (device, inode) -> process id
_held_lock = threading.Lock()


class Directory:
    """A directory that this node alone may use until `release`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._make()
        status = self.path.stat()
        self._key = (status.st_dev, status.st_ino)
        with _held_lock:
            if _held.get(self._key) == os.getpid():
                raise StoreError(
                    f"{self.path} is already open in this process: "
                    "share that node between threads and event loops, or close it first",
                    path=str(self.path),
                )
            self._file = self._lock()
            _held[self._key] = os.getpid()

    @property
    def database(self) -> str:
        return str(self.path / DATABASE)

    @property
    def mark(self) -> str:
        return str(self.path / MARK)

    def sync(self) -> None:
        """Make the names in the directory durable."""
        sync_directory(self.path)

    def release(self) -> None:
        """Let others have it. Does nothing in a forked child, which never held it."""
        with _held_lock:
            if _held.get(self._key) == os.getpid():
                del _held[self._key]
                os.close(self._file)

    def _make(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(
                f"{self.path} is a file, not a directory: a store is a directory that the node makes; "
                "give the path of one, or of nothing",
                path=str(self.path),
            )
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True)
                sync_directory(self.path.parent)
        except OSError as error:
            raise StoreError(
                f"cannot make the directory {self.path}: {error.strerror}. "
                "Give a path below a directory that this user may write to",
                path=str(self.path),
            ) from error
        strangers = sorted(entry.name for entry in self.path.iterdir() if not entry.name.startswith("."))
        if strangers and LOCK not in strangers and DATABASE not in strangers:
            raise StoreError(
                f"{self.path} is not a store: it holds {strangers[0]!r} and no {DATABASE!r}. "
                "Give an empty directory, a store, or a path that does not exist yet",
                path=str(self.path),
            )

    def _lock(self) -> int:
        name = self.path / LOCK
        try:
            file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"cannot write to the directory {self.path}: {error.strerror}. "
                "A node writes there even if it only reads state; give it the right to, or another path",
                path=str(self.path),
            ) from error
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(file, 100, 0).decode("utf-8", "replace").strip()
            os.close(file)
            if not isinstance(error, BlockingIOError | PermissionError):
                raise StoreError(
                    f"cannot lock {name}: {error.strerror}. The file system must support POSIX locks",
                    path=str(self.path),
                ) from error
            raise StoreError(
                f"{self.path} is in use by another process ({holder or 'which did not say its number'}): "
                "one process at a time may open a store; close it there, or give this node its own directory",
                path=str(self.path),
            ) from None
        with suppress(OSError):  # a remark for whoever finds it locked; a full disk is told by what matters
            os.ftruncate(file, 0)
            os.pwrite(file, f"process {os.getpid()}".encode(), 0)
        return file


def sync_directory(path: Path) -> None:
    """Make a directory's entries durable: a file created or renamed is lost with its name otherwise."""
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _after_fork() -> None:
    """The child holds nothing, and whoever held the lock is not there."""
    global _held_lock
    _held_lock = threading.Lock()
    _held.clear()


os.register_at_fork(after_in_child=_after_fork)
