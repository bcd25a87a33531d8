"""Three processes on one directory, killed at random and started again: in the end all that was promised is there."""

import os
import random
import select
import signal
import time
from collections import Counter

import replication
import replication.event_loop
import replication.siblings
import replication.transport.tcp
import replication.transport.tls
from tests.siblings.worker import AGENTS, State, live

# A process that is not killed early and has not opened the directory by then hangs.
OPENING_SECONDS_MAX = 60.0


class Broken(Exception):
    """A promise that was not kept."""


class Lane:
    """A process that is killed and comes back."""

    def __init__(self) -> None:
        self.child = 0
        self.pipe = -1
        self.text = b""
        self.started = self.kill_at = self.start_at = 0.0


class Killing:
    """All of it; `run` raises Broken."""

    def __init__(self, path: str, seed: int, processes: int = 3) -> None:
        self.path = path
        self.rng = random.Random(seed)
        self.lanes = [Lane() for _ in range(processes)]
        self.acked: set[str] = set()
        self.last_acked: str | None = None
        self.lives = 0
        self.counts: Counter[str] = Counter()

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                now = time.monotonic()
                for lane in self.lanes:
                    if lane.child and now >= lane.kill_at:
                        if now - lane.started > OPENING_SECONDS_MAX:
                            raise Broken("a process did not open the directory")
                        self._kill(lane)
                    elif not lane.child and now >= lane.start_at:
                        self._start(lane)
                self._listen(0.01)
        finally:
            for lane in self.lanes:
                self._kill(lane)
        self._check()

    def _start(self, lane: Lane) -> None:
        reading, writing = os.pipe()
        self.lives += 1
        retry = self.last_acked if self.rng.random() < 0.2 else None
        seed = self.rng.getrandbits(32)
        lane.started = time.monotonic()
        lane.child = os.fork()
        if lane.child == 0:
            os.close(reading)
            live(self.path, self.lives, seed, writing, retry)
        os.close(writing)
        lane.pipe = reading
        # Some die while they open the directory and take in what others left.
        early = self.rng.random() < 0.25
        lane.kill_at = time.monotonic() + (self.rng.uniform(0, 0.2) if early else OPENING_SECONDS_MAX)

    def _kill(self, lane: Lane) -> None:
        if not lane.child:
            return
        os.kill(lane.child, signal.SIGKILL)
        while data := os.read(lane.pipe, 1 << 16):
            lane.text += data
        os.close(lane.pipe)
        os.waitpid(lane.child, 0)
        self._take(lane)
        lane.child, lane.text = 0, b""
        lane.start_at = time.monotonic() + self.rng.uniform(0, 0.4)
        self.counts["kills"] += 1

    def _listen(self, seconds: float) -> None:
        pipes = {lane.pipe: lane for lane in self.lanes if lane.child}
        for pipe in select.select(list(pipes), [], [], seconds)[0]:
            lane = pipes[pipe]
            data = os.read(pipe, 1 << 16)
            lane.text += data
            self._take(lane)
            if not data:
                raise Broken("a process ended by itself")

    def _take(self, lane: Lane) -> None:
        *lines, lane.text = lane.text.split(b"\n")
        for line in lines:
            kind, _, rest = line.decode().partition(" ")
            self.counts[kind] += 1
            if kind == "wrong":
                raise Broken(rest)
            if kind == "open":
                lane.kill_at = min(lane.kill_at, time.monotonic() + self.rng.uniform(0, 0.8))
            if kind == "acked":
                self.acked.add(rest)
                self.last_acked = rest

    def _check(self) -> None:
        """One process alone finds everything that was acknowledged, each update once."""
        with replication.open(self.path, schema=State) as node:
            seen: set[str] = set()
            for k in range(AGENTS):
                state = node.read_state(f"agent-{k}")
                state.check_invariants()
                if state.n.value != len(state.seen):
                    raise Broken(f"agent-{k}: {state.n.value} counted, {len(state.seen)} noted")
                seen |= set(state.seen)
            self.counts["problems"] = len(node.status()["problems"])
            if node.status()["problems"]:
                raise Broken(repr(node.status()["problems"]))
        missing = sorted(self.acked - seen)
        if missing:
            raise Broken(f"{len(missing)} acknowledged updates are lost, such as {missing[:5]}")
        newest = Counter[str]()
        for mark in self.acked:
            life, _, i = mark.partition(".")
            newest[life] = max(newest[life], int(i))
        surplus = [mark for mark in seen if int(mark.partition(".")[2]) > newest[mark.partition(".")[0]] + 1]
        if surplus:
            raise Broken(f"updates that nobody made: {surplus[:5]}")
        self.counts["seen"] = len(seen)
