"""The directory of a store: made, checked to be usable, and shared out among processes.

A directory holds numbered replicas. The first is the directory itself, the others lie in `replicas/2`,
`replicas/3`, ...; each is a complete store, held by one process at a time, which takes links from the others
at the socket `1.sock`, `2.sock`, ... in the directory. A process takes the lowest number that is free.

The lock of a replica is a POSIX record lock on its file `lock`: the operating system releases it with the
process, however it dies, and a forked child does not inherit it. Such locks do not exclude the
process that holds them, so the directories this process holds are also kept in a table; it is
asked before the file is opened, because closing a second descriptor would drop the lock.

Knows nothing of what lies in the directory but the names of the files.
"""

import fcntl
import json
import os
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from replication.errors import StoreError

DATABASE, MARK, LOCK = "store.db", "mark", "lock"
REPLICAS = "replicas"
# Processes that may share a directory.
REPLICAS_MAX = 100
# Seconds that whoever has taken a lock may need to write into it who it is.
_REMARK_SECONDS = 1.0
# Seconds that a process which comes waits for a replica that another is about to empty and to let go.
_EMPTIED_SECONDS = 2.0

# `struct flock` of Linux with 64 bits: type, whence, start, length, process.
_FLOCK = struct.Struct("hhqqi4x")

_Key = tuple[int, int]  # device, inode
_held: dict[_Key, int] = {}  # replicas -> process id
_homes: set[_Key] = set()  # directories of which this process holds a replica as its own
_inherited: set[_Key] = set()  # replicas that the parent held when this process was forked
_held_lock = threading.Lock()


class InUse(StoreError):
    """Another process holds the replica; `remark` is what it wrote into the lock."""

    def __init__(self, message: str, *, path: str | None = None, remark: str = "") -> None:
        super().__init__(message, path=path)
        self.remark = remark


class Directory:
    """One replica, which this node alone may use until `release`. `remark` is for those who find it locked."""

    def __init__(self, path: str | os.PathLike[str], remark: str = "") -> None:
        self.path = Path(path).absolute()
        self._make()
        self._key = _key_of(self.path)
        with _held_lock:
            if _held.get(self._key) == os.getpid():
                raise _already_open(self.path)
            self._file = self._lock(remark or f"process {os.getpid()}")
            _held[self._key] = os.getpid()
        self._home: _Key | None = None

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
                if self._home is not None:
                    _homes.discard(self._home)
                os.close(self._file)

    def _make(self) -> None:
        try:
            if self.path.exists() and not self.path.is_dir():
                raise StoreError(
                    f"{self.path} is a file, not a directory: a store is a directory that the node makes; "
                    "give the path of one, or of nothing",
                    path=str(self.path),
                )
            missing = [each for each in (self.path, *self.path.parents) if not each.exists()]
            for each in reversed(missing):
                each.mkdir(exist_ok=True)  # another process may be making it, too
                sync_directory(each.parent)
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

    def _lock(self, remark: str) -> int:
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
            holder = os.pread(file, 2000, 0).decode("utf-8", "replace")
            os.close(file)
            if not isinstance(error, BlockingIOError | PermissionError):
                raise StoreError(
                    f"cannot lock {name}: {error.strerror}. The file system must support POSIX locks",
                    path=str(self.path),
                ) from error
            raise InUse(
                f"{self.path} is in use by another process ({_who(holder)}): "
                "close it there, or give this node its own directory",
                path=str(self.path),
                remark=holder,
            ) from None
        with suppress(OSError):  # for whoever finds it locked; a full disk is told by what matters
            os.ftruncate(file, 0)
            os.pwrite(file, remark.encode(), 0)
        return file


class Home:
    """A directory that processes share, and the replica that this one took; it is given back by `directory.release`.

    StoreError if the directory cannot be used, or if those who use it belong to another cluster.
    """

    def __init__(self, path: str | os.PathLike[str], cluster: str) -> None:
        self.path = Path(path).absolute()
        self._cluster = cluster
        with _held_lock, suppress(OSError):  # why it cannot be looked at, making it says
            if self.path.exists() and _key_of(self.path) in _homes:
                raise _already_open(self.path)
        self.number, self.directory = self._take_lowest()
        with _held_lock:
            self.directory._home = _key_of(self.path)
            _homes.add(self.directory._home)

    def place(self, number: int) -> Path:
        """Where a replica lies."""
        return self.path if number == 1 else self.path / REPLICAS / str(number)

    def socket(self, number: int) -> Path:
        """Where the process that holds a replica takes links."""
        return self.path / f"{number}.sock"

    def others(self) -> list[int]:
        """The replicas that others have or had, the highest first."""
        numbers = _numbers(self.path / REPLICAS, "")
        if numbers or self.number != 1:
            numbers.append(1)
        return sorted((number for number in numbers if number != self.number), reverse=True)

    def listening(self) -> list[int]:
        """The other replicas whose process takes links, or died while it did."""
        return sorted(number for number in _numbers(self.path, ".sock") if number != self.number)

    def take(self, number: int) -> Directory | None:
        """Hold another replica, too, to empty it; None if a process has it."""
        try:
            return Directory(self.place(number), self._remark(empties=True))
        except InUse:
            return None

    def is_free(self, number: int) -> bool:
        """Whether no other process has it at this moment. Only asks, so that nobody finds it locked meanwhile."""
        with _held_lock:
            if _key_of(self.place(number)) in _held:
                return True
            try:
                file = os.open(self.place(number) / LOCK, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return True
            try:
                asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
                answer: int = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))[0]
            finally:
                os.close(file)
            return answer == fcntl.F_UNLCK

    def is_inherited(self, number: int) -> bool:
        """Whether a fork brought it here: SQLite must not open it in this process."""
        return _key_of(self.place(number)) in _inherited

    def _take_lowest(self) -> tuple[int, Directory]:
        for number in range(1, REPLICAS_MAX + 1):
            directory = self._take_if_free(number)
            if directory is not None:
                return number, directory
        raise StoreError(
            f"{self.path} is in use by {REPLICAS_MAX} processes, which is as many as may share one directory: "
            "end some, or give this node its own directory and peers=",
            path=str(self.path),
        )

    def _take_if_free(self, number: int) -> Directory | None:
        """A replica that no process has, or one that will be let go in a moment."""
        deadline = time.monotonic() + _EMPTIED_SECONDS
        while True:
            try:
                return Directory(self.place(number), self._remark())
            except InUse as refusal:
                terms = self._check_can_join(number, refusal)
            if not terms.get("empties") or time.monotonic() >= deadline:
                return None
            time.sleep(0.01)

    def _remark(self, empties: bool = False) -> str:
        terms = {"cluster": self._cluster, "empties": empties}
        return f"process {os.getpid()}\n{json.dumps(terms)}\n"

    def _check_can_join(self, number: int, refusal: InUse) -> dict[str, Any]:
        """What whoever has this replica says of it; StoreError unless it shares the directory with this process."""
        remark = refusal.remark
        deadline = time.monotonic() + _REMARK_SECONDS
        while not remark and time.monotonic() < deadline:  # it has the lock, and writes into it next
            time.sleep(0.005)
            with suppress(OSError):
                remark = (self.place(number) / LOCK).read_text("utf-8", "replace")
        if not remark:
            return {}
        try:
            terms: dict[str, Any] = json.loads(remark.split("\n")[1])
            cluster = terms["cluster"]
        except (IndexError, KeyError, TypeError, ValueError):
            raise refusal from None  # by a command that wants it alone, or a version that does not share
        if cluster != self._cluster:
            raise StoreError(
                f"{self.path} is in use by another process ({_who(remark)}) as part of the cluster {cluster!r}, and "
                f"this node is to belong to {self._cluster!r}: give both one cluster=, or this one its own directory",
                path=str(self.path),
            )
        return terms


def _numbers(directory: Path, suffix: str) -> list[int]:
    """The numbers among the names in a directory that end so."""
    try:
        names = [entry.name for entry in directory.iterdir()]
    except FileNotFoundError:
        return []
    stems = [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
    return [int(stem) for stem in stems if stem.isascii() and stem.isdigit() and stem == str(int(stem))]


def _key_of(path: Path) -> _Key:
    status = path.stat()
    return status.st_dev, status.st_ino


def _who(remark: str) -> str:
    return remark.split("\n", 1)[0].strip() or "which did not say its number"


def _already_open(path: Path) -> StoreError:
    return StoreError(
        f"{path} is already open in this process: share that node between threads and event loops, or close it first",
        path=str(path),
    )


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
    _inherited.update(_held)
    _held.clear()
    _homes.clear()


os.register_at_fork(after_in_child=_after_fork)
