"""A process of the cluster as its parent has it: started, killed, stopped, and listened to line by line."""

import asyncio
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.chaos.process import Role

# Seconds for which a process may need to open its directory, and for a call, before it is said to hang.
OPENING_MAX, CALL_MAX = 60.0, 40.0
_PIPE_BYTES = 1 << 20
_PAGE = resource.getpagesize()


class Broken(Exception):
    """A promise that was not kept."""


class Child:
    """One life of a process, which runs the module `program`.

    `hear` is called with every whole line that it says, in the thread of the event loop.
    """

    def __init__(self, program: str, role: Role, errors: Path, hear: Callable[["Child", list[str]], None]) -> None:
        self.role, self.label, self.errors = role, role.label, errors
        self.has_opened = False
        self.name = ""
        self.started = time.monotonic()
        self.killed = 0.0
        # Moments in which it could not do what it was asked, by no fault of its own: since, until.
        self.disturbed: list[tuple[float, float]] = []
        self.disk_full_since = 0.0
        self.calls: dict[int, float] = {}
        self._stops = 0
        self._stopped_at = 0.0
        self.resumed = 0.0
        self._hear = hear
        self._text = b""
        with errors.open("w") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", program],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, start_new_session=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        self.pipe = self._process.stdout.fileno()
        fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.set_blocking(self.pipe, False)
        asyncio.get_running_loop().add_reader(self.pipe, self._read)
        self.order(json.dumps(role._asdict()))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """It has opened its directory, and nobody has killed or stopped it, or taken its disk away."""
        return self.has_opened and not self.killed and not self._stops and not self.disk_full_since

    def order(self, word: str) -> None:
        """A line for it: the name of a method, and perhaps JSON."""
        assert self._process.stdin is not None
        if self.killed:
            return
        with suppress(OSError):  # it has just ended
            self._process.stdin.write(f"{word}\n".encode())
            self._process.stdin.flush()

    def kill(self) -> None:
        if self.killed:
            return
        self.killed = time.monotonic()
        os.kill(self.pid, signal.SIGKILL)
        asyncio.get_running_loop().remove_reader(self.pipe)
        self._process.wait()
        os.set_blocking(self.pipe, True)
        while data := os.read(self.pipe, _PIPE_BYTES):
            self._take(data)
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()
        self.resume(for_good=True)

    def stop(self) -> None:
        """SIGSTOP, as often as it is resumed afterwards."""
        if not self.killed:
            os.kill(self.pid, signal.SIGSTOP)
            self._stopped_at = self._stopped_at or time.monotonic()
            self._stops += 1

    def resume(self, for_good: bool = False) -> None:
        """SIGCONT, once it has been asked for as often as to stop."""
        self._stops = 0 if for_good else max(0, self._stops - 1)
        if not self._stops and self._stopped_at:
            if not self.killed:
                os.kill(self.pid, signal.SIGCONT)
            self.resumed = time.monotonic()
            self.disturbed.append((self._stopped_at, self.resumed))
            self._stopped_at = 0.0

    def fill_disk(self, bytes_left: int) -> None:
        """Let its files grow no further than this: a write beyond fails. There is no way back but a new life."""
        if self.has_opened and not self.killed:
            hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (bytes_left, hard))
            self.disk_full_since = time.monotonic()

    def was_disturbed(self, since: float, until: float) -> bool:
        if self._stopped_at or (self.disk_full_since and until >= self.disk_full_since):
            return True
        return any(since <= end and until >= start for start, end in self.disturbed)

    def resident_bytes(self) -> int:
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    def check(self, now: float) -> None:
        """Broken if it hangs."""
        if self.killed or self._stops or self.disk_full_since:
            return
        since = max(self.resumed, self.started if not self.has_opened else min(self.calls.values(), default=now))
        if now - since > (CALL_MAX if self.has_opened else OPENING_MAX):
            os.kill(self.pid, signal.SIGUSR1)  # it writes down where all its threads are
            time.sleep(1.0)
            what = f"call {min(self.calls, key=lambda n: self.calls[n])}" if self.has_opened else "opening"
            raise Broken(f"{self.label} hangs: {what} has lasted {now - since:.0f} s:\n{self.last_words()}")

    def last_words(self) -> str:
        return self.errors.read_text()[-6000:]

    def _read(self) -> None:
        try:
            data = os.read(self.pipe, _PIPE_BYTES)
        except BlockingIOError:
            return
        if data:
            self._take(data)
        else:
            asyncio.get_running_loop().remove_reader(self.pipe)
            self._hear(self, ["gone"])

    def _take(self, data: bytes) -> None:
        *lines, self._text = (self._text + data).split(b"\n")
        self._hear(self, [line.decode() for line in lines])


def fields(line: str) -> tuple[str, list[Any]]:
    """The word a line begins with, and the others."""
    kind, _, rest = line.partition(" ")
    return kind, [rest] if kind in ("wrong", "log", "status", "digests", "came_to") else rest.split(" ")
