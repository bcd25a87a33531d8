"""PySyncObj: three nodes, each in a process that its callers share with it.

Its journal is a file, but is never synced: it waits for no disk. An update adds to an entry of a dict and returns the
sum. Calls are asynchronous: a caller makes its next one when it is called back for the one before, in the library's own
thread. Nothing less can be asked of it. It has no linearizable reads.

Entries that are sent at once serve one caller best, entries that are sent in batches serve many: each case gets what
suits it, with shorter periods than by default, which bring more calls a second.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from benchmarks.cluster import free_ports
from benchmarks.replicated.cases import WARM_SECONDS, Case, Figures, Samples
from benchmarks.replicated.leader_killed import CALL_EVERY, GIVE_UP_AFTER
from benchmarks.replicated.nexus_state import NAMES
from benchmarks.replicated.processes import Group, Worker

AT_ONCE: dict[str, Any] = {"appendEntriesUseBatch": False}
IN_BATCHES: dict[str, Any] = {"autoTickPeriod": 0.001, "appendEntriesPeriod": 0.005}


class PySyncObj(Group):
    def __init__(self, path: Path, callers: int = 1) -> None:
        addresses = free_ports(len(NAMES))
        options = AT_ONCE if callers == 1 else IN_BATCHES
        super().__init__(
            [Worker(open_peer, place, addresses, str(path / NAMES[place]), options) for place in range(len(NAMES))]
        )

    def measure(self, case: Case, seconds: float) -> Figures:
        figures: Figures = self.leader.call("measure", case, seconds)
        return figures


@contextmanager
def open_peer(place: int, addresses: list[str], path: str, options: dict[str, Any]) -> Iterator["Peer"]:
    from pysyncobj import SyncObj, SyncObjConf, replicated

    # When entries overtake each other, as they do all the time, followers say of each that they drop what was applied
    # and that states may differ. That is as critical as it sounds, but here it would only slow them down.
    logging.disable(logging.CRITICAL)

    class Sums(SyncObj):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            others = [address for address in addresses if address != addresses[place]]
            files = {"journalFile": f"{path}.journal", "fullDumpFile": f"{path}.dump"}
            super().__init__(addresses[place], others, SyncObjConf(**files, **options))
            self._sums: dict[str, int] = {}

        @replicated  # type: ignore[untyped-decorator, unused-ignore]
        def add(self, key: str, number: int) -> int:
            self._sums[key] = self._sums.get(key, 0) + number
            return self._sums[key]

    sums = Sums()
    try:
        yield Peer(sums, addresses[place])
    finally:
        sums.destroy_synchronous()


class Peer:
    """One of the three, in its process."""

    def __init__(self, sums: Any, address: str) -> None:
        self._sums = sums
        self._address = address

    def leads(self) -> bool:
        """Whether it does, once somebody leads and a first call has been served."""
        done = Event()
        self._sums.add("warm", 1, callback=lambda _sum, _error: done.set())
        if not done.wait(GIVE_UP_AFTER):
            raise TimeoutError(f"no call was served within {GIVE_UP_AFTER} s")
        return str(self._sums.getStatus()["leader"]) == self._address

    def measure(self, case: Case, seconds: float) -> Figures:
        for counted in (WARM_SECONDS, seconds):
            samples = Samples(counted)
            ended = [Event() for _ in range(case.callers)]
            for place in range(case.callers):
                self._chain(samples, f"key-{place % case.keys}", ended[place])
            for each in ended:
                each.wait()
        return samples.figures()

    def _chain(self, samples: Samples, key: str, ended: Event) -> None:
        began = time.perf_counter()

        def served(_sum: object, error: object) -> None:
            nonlocal began
            began = samples.add(began, counts=not error)
            if began < samples.end:
                self._sums.add(key, 1, callback=served)
            else:
                ended.set()

        self._sums.add(key, 1, callback=served)

    def write_again(self, killed_at: float) -> float:
        """As `leader_killed.first_success`."""
        succeeded_at: list[float] = []
        first = Event()

        def served(_sum: object, error: object) -> None:
            if not error:
                succeeded_at.append(time.monotonic())
                first.set()

        for number in range(int(GIVE_UP_AFTER / CALL_EVERY)):
            self._sums.add(f"key-{number}", 1, callback=served)
            if first.wait(CALL_EVERY):
                return succeeded_at[0] - killed_at
        raise TimeoutError(f"no write succeeded within {GIVE_UP_AFTER} s after the kill")
