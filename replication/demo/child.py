"""A process of the demonstration as its parent has it: starts it, gives orders, keeps what it reports."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from threading import Thread
from typing import Any

from replication.demo.process import Role

# Reports of each process that are kept, to find those of one moment.
_REPORTS_KEPT = 40
# Reports over which the latency is taken that is shown while it happens.
_REPORTS_LATEST = 4


class Failed(Exception):
    """The demonstration cannot go on; the text says why."""


class Child:
    """One process. What it says comes in by `take`, in the caller's thread."""

    def __init__(self, role: Role) -> None:
        self.name, self.run = role.name, role.run
        self.condition = "starting"
        self.address: str | None = None
        self.has_opened = False
        self.shown: dict[str, Any] = {}
        self._reports: dict[int, dict[str, Any]] = {}
        self._said: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._errors = Path(role.directory) / f"{role.name}.{role.run}.errors"
        program = f"from replication.demo.process import Role, main; main(Role(*{tuple(role)!r}))"
        with self._errors.open("w") as errors:
            # A session of its own, so that Ctrl-C is for the parent alone.
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._listener = Thread(target=self._hear, daemon=True)
        self._listener.start()

    def order(self, word: str) -> None:
        """Have it do something; Failed if it is not there any more."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
        except OSError:
            raise Failed(self._last_words()) from None

    def take(self) -> list[dict[str, Any]]:
        """The reports that came since; Failed if it has ended and was not killed."""
        fresh = []
        while not self._said.empty():
            said = self._said.get()
            if "moment" in said:
                self._reports[said["moment"]] = said
                fresh.append(said)
            elif "contents" in said:
                self.shown = said
            else:
                self.address, self.has_opened = said["address"], True
        for old in list(self._reports)[:-_REPORTS_KEPT]:
            del self._reports[old]
        if self.condition != "killed" and self._process.poll() is not None:
            raise Failed(self._last_words())
        return fresh

    def kill(self) -> None:
        """SIGKILL; it has no time for anything."""
        self.condition = "killed"
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    @property
    def moment(self) -> int:
        """Of its last report; 0 if there was none."""
        return max(self._reports, default=0)

    @property
    def last(self) -> dict[str, Any]:
        """Its last report, empty if there was none."""
        return self._reports.get(self.moment, {})

    @property
    def latency(self) -> float | None:
        """Seconds from the call to the moment it was seen here, of the others' latest probes, in the median."""
        latest = [self._reports[moment]["latencies"] for moment in sorted(self._reports)[-_REPORTS_LATEST:]]
        seen = [each for latencies in latest for one_mode in latencies.values() for each in one_mode]
        return median(seen) if seen else None

    def held(self, moment: int) -> dict[str, int]:
        """How many updates it held at a moment, by writer; what it last reported if it did not report then."""
        known = max((each for each in self._reports if each <= moment), default=0)
        return dict(self._reports[known]["held"]) if known else {}

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):  # else it was cut short by a kill
                self._said.put(json.loads(line))

    def _last_words(self) -> str:
        words = self._errors.read_text().strip() or "it said nothing"
        return f"{self.name} ended by itself, exit code {self._process.wait()}: {words}"
