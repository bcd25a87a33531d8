"""nexus-state: three voters, each in a process that its callers share with it, every disk written with fsync.

An update increments a counter, sets one of twenty keys of a map, and returns the counter: it reads what it changes.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import replication
from benchmarks.cluster import Shared, free_ports, loop_factory
from benchmarks.replicated.cases import Case, Figures, measure
from benchmarks.replicated.leader_killed import first_success
from benchmarks.replicated.processes import Group, Worker

NAMES = ("n0", "n1", "n2")
CALL_SECONDS = 30.0
T = TypeVar("T")


class NexusState(Group):
    """The three of them. `at` says where callers are: "leader" or "follower"."""

    def __init__(self, path: Path, at: str = "leader", election_timeout: float = 1.0) -> None:
        self._at = at
        addresses = free_ports(len(NAMES))
        super().__init__(
            [
                Worker(open_voter, place, addresses, str(path / NAMES[place]), election_timeout)
                for place in range(len(NAMES))
            ]
        )

    def measure(self, case: Case, seconds: float) -> Figures:
        asked = self.leader if self._at == "leader" else self.follower
        figures: Figures = asked.call("measure", case, seconds)
        return figures


@contextmanager
def open_voter(place: int, addresses: list[str], path: str, election_timeout: float) -> Iterator["Voter"]:
    with replication.open(
        path,
        schema=Shared,
        name=NAMES[place],
        listen=addresses[place],
        peers=[address for address in addresses if address != addresses[place]],
        bootstrap=NAMES,
        election_timeout=election_timeout,
        heartbeat_interval=election_timeout / 10,
    ) as node:
        yield Voter(node)


class Voter:
    """One of the three, in its process."""

    def __init__(self, node: replication.Node) -> None:
        self._node = node

    def leads(self) -> bool:
        """Whether it does, once all three have met and somebody leads. TimeoutError if they do not meet."""
        end = time.monotonic() + CALL_SECONDS
        while sum(member.state == "alive" for member in self._node.members()) < len(NAMES):
            if time.monotonic() > end:
                raise TimeoutError(f"the three did not meet within {CALL_SECONDS} s")
            time.sleep(0.02)
        self._node.update_state("warm", touch(0), "replicated", timeout=CALL_SECONDS)
        return bool(self._node.status()["replicated"]["leader"] == self._node.name)

    def measure(self, case: Case, seconds: float) -> Figures:
        return run(self._measure(case, seconds))

    def write_again(self, killed_at: float) -> float:
        return run(first_success(killed_at, lambda number: self._update(number, number)))

    async def _measure(self, case: Case, seconds: float) -> Figures:
        for key in range(case.keys if case.reads else 0):
            await self._update(key, 0)
        return await measure(case, seconds, self._read if case.reads else self._update)

    async def _update(self, key: int, number: int) -> None:
        await self._node.aupdate_state(f"agent-{key}", touch(number), "replicated", timeout=CALL_SECONDS)

    async def _read(self, key: int, _number: int) -> None:
        await self._node.aread_state(f"agent-{key}", hits, consistency="replicated", timeout=CALL_SECONDS)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(coroutine)


def touch(number: int) -> Callable[[Any], int]:
    def update(state: Any) -> int:
        state.hits.increment()
        state.notes[f"k{number % 20}"] = number
        return hits(state)

    return update


def hits(state: Any) -> int:
    value: int = state.hits.value
    return value
