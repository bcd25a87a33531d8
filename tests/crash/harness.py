"""Kills a working process again and again, and checks after each kill that every promise was kept.

The parent forks a worker, lets it work for a random moment, sends SIGKILL, and reads from the pipe what
the worker had been promised and had shown to the outside. It keeps a replica of its own of all that
left the node, also of what the crash then lost: if a dot were given out twice, for different changes,
the parent's replica and the store would hold different content under one name and never agree.
"""

import os
import random
import select
import signal
import sys
import time
import traceback
from collections import Counter

import replication
from tests.crash.worker import AGENTS, Promises, State, missing, work

# A worker that is not killed while it opens the store tells up to so many lines first.
LINES_OF_WORK_MAX = 150


class Broken(Exception):
    """A promise that was not kept."""


class Harness:
    """All rounds on one store."""

    def __init__(self, path: str, seed: int) -> None:
        self.path = path
        self.seed = seed
        self.rng = random.Random(seed)
        self.promises = Promises()
        self.counts: Counter[str] = Counter()
        self.outside = {f"agent-{agent}": State("outside") for agent in range(AGENTS)}
        self.lost_outside = 0
        # (agent, writer) -> the highest sequence number of all earlier rounds.
        self.given_out: dict[tuple[str, str], int] = {}

    def round(self) -> None:
        """One life and death of a worker."""
        self.promises.round += 1
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._be_the_worker(writing)
        os.close(writing)
        try:
            lines = self._live_and_kill(child, reading)
        finally:
            os.close(reading)
        self._take(lines)
        self.counts["kills"] += 1

    def _be_the_worker(self, pipe: int) -> None:
        try:
            work(self.path, self.promises, pipe, self.rng.getrandbits(32))
        except BaseException:
            os.write(pipe, f"wrong {traceback.format_exc()[-2000:]!r}\n".encode())
        finally:
            os._exit(1)

    def _live_and_kill(self, child: int, pipe: int) -> list[str]:
        """Some die while they open and check the store, most after so many lines of work, and a moment."""
        early = self.rng.random() < 0.15
        deadline = time.monotonic() + (self.rng.uniform(0, 0.05) if early else 60)
        lines_of_work = self.rng.randrange(LINES_OF_WORK_MAX)
        data = b""
        while time.monotonic() < deadline:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if ready:
                chunk = os.read(pipe, 1 << 20)
                if not chunk:
                    break
                data += chunk
                if b"ready\n" in data and data.partition(b"ready\n")[2].count(b"\n") >= lines_of_work:
                    deadline = min(deadline, time.monotonic() + self.rng.uniform(0, 0.004))
        os.kill(child, signal.SIGKILL)
        while chunk := os.read(pipe, 1 << 20):
            data += chunk
        _, status = os.waitpid(child, 0)
        if not early and b"ready\n" not in data and b"wrong" not in data:
            raise Broken(f"the worker did not get ready (status {status}): {data[-2000:]!r}")
        return data.decode().splitlines()

    def _take(self, lines: list[str]) -> None:
        """Note what this life was promised and what it showed."""
        promises = self.promises
        newest: dict[tuple[str, str], int] = {}
        seen: set[tuple[str, str, int]] = set()
        for line in lines:
            kind, _, rest = line.partition(" ")
            self.counts[kind] += 1
            if kind == "wrong":
                raise Broken(rest)
            words = rest.split()
            if kind == "start":
                promises.operations_begun = max(promises.operations_begun, int(words[1]))
            elif kind == "acked" and words[0] == "operations":
                promises.operations_acked = max(promises.operations_acked, int(words[1]))
            elif kind == "acked":
                key = f"{promises.round}.{words[0]}"
                promises.acked[key] = max(int(words[1]), promises.acked.get(key, 0))
            elif kind == "dot":
                agent, writer, sequence = words[0], words[1], int(words[2])
                before = self.given_out.get((agent, writer), 0)
                if sequence <= before or (agent, writer, sequence) in seen:
                    raise Broken(f"dot {writer}:{sequence} of {agent} was given out twice")
                seen.add((agent, writer, sequence))
                newest[agent, writer] = max(sequence, newest.get((agent, writer), 0))
            elif kind == "delta":
                self.outside[words[0]].merge(bytes.fromhex(words[1]))
        self.given_out.update(newest)

    def finish(self) -> None:
        """Open the store once more and compare it with everything that ever left it."""
        with replication.open(self.path, schema=State) as node:
            wrong = missing(node, self.promises)
            if wrong:
                raise Broken(wrong)
            for agent, outside in self.outside.items():
                inside = node.read_state(agent).fork("judge")
                if not outside.version <= inside.version:
                    self.lost_outside += 1
                # What the outside holds back builds on changes it was never shown; the store has those it kept.
                outside.merge(inside.to_bytes())
                inside.merge(outside.to_bytes())
                if inside.digest() != outside.digest():
                    raise Broken(f"{agent}: one dot has two contents, inside and outside the store")
            self.counts["writers"] = len({writer for _, writer in self.given_out})
            self.counts["bytes"] = node.status()["bytes_on_disk"]


def run(path: str, kills: int, seed: int, progress: bool = False) -> Harness:
    """So many kills; Broken at the first promise that was not kept."""
    harness = Harness(path, seed)
    for number in range(1, kills + 1):
        harness.round()
        if progress and (number % 50 == 0 or number == kills):
            print(f"{number} kills, {harness.counts['acked']} durable updates", file=sys.stderr)
    harness.finish()
    return harness
