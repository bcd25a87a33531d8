"""Memberships in virtual time, over a network that loses, delays, doubles and cuts.

One seed, one history. A link is made by the first message between two nodes that reach each other
both ways, and only then are both told that they met; it ends when one of them is restarted.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from replication.config import Config
from replication.core import Send
from replication.gossip.membership import Membership
from replication.gossip.roster import Event
from replication.messages import Message

TICK = 0.2


class Host:
    """One node, and what the world does to it."""

    def __init__(self, membership: Membership, incarnation: int, notes: bytes) -> None:
        self.membership = membership
        self.incarnation = incarnation
        self.up = True
        self.asleep_until = 0.0
        self.inbox: list[tuple[str, Message]] = []  # what came while it was asleep
        self.events: list[tuple[float, Event]] = []
        self.notes = notes
        self.notes_written = 0


class World:
    """Hosts by name, events in a heap, and what was seen on the way."""

    def __init__(self, seed: int, *, loss: float = 0.0, doubling: float = 0.0, config: Config | None = None) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.loss, self.doubling = loss, doubling
        self.config = config or Config()
        self.hosts: dict[str, Host] = {}
        self.links: set[tuple[str, str]] = set()
        self.cut: Callable[[str, str], bool] = lambda source, target: False
        self.slow: dict[str, float] = {}  # seconds that what a node is sent waits before it is read
        self.sent: Counter[str] = Counter()
        self.watch: Callable[[str, str, Message], None] | None = None
        self.trace: list[str] | None = None
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0

    # What a test does

    def add(self, name: str, seed: str | None = None, *, incarnation: int = 1, **meta: str) -> Membership:
        """Open a node, which dials the seed."""
        notes = self.hosts[name].notes if name in self.hosts else b""
        rng = Random(f"{self.rng.random()}")
        membership = Membership(name, f"{name}:1", incarnation, self.config, rng, meta, notes or None)
        self.hosts[name] = Host(membership, incarnation, notes)
        self._at(self.rng.random() * TICK, lambda: self._tick(name, membership))
        if seed is not None:
            self._dial(name, seed)
        return membership

    def start(self, count: int) -> list[str]:
        """So many nodes, all joined through the first."""
        names = [f"n{number:02}" for number in range(count)]
        for name in names:
            self.add(name, None if name == names[0] else names[0])
        return names

    def crash(self, name: str) -> None:
        self.hosts[name].up = False

    def restart(self, name: str, *, higher: int = 1) -> Membership:
        """Open it again with what it had noted; it dials nobody but those it remembers."""
        self.links = {link for link in self.links if name not in link}
        return self.add(name, incarnation=self.hosts[name].incarnation + higher)

    def sleep(self, name: str, seconds: float) -> None:
        """Stop the process, as SIGSTOP does; what comes for it waits."""
        host = self.hosts[name]
        host.asleep_until = self.now + seconds
        self._at(seconds, lambda: self._wake(name, host))

    def partition(self, *sides: list[str]) -> None:
        side = {name: number for number, names in enumerate(sides) for name in names}
        self.cut = lambda source, target: side[source] != side[target]

    def heal(self) -> None:
        self.cut = lambda source, target: False

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            self.now, _, act = heapq.heappop(self._heap)
            act()
        self.now = end

    def run_until(self, holds: Callable[[], bool], within: float) -> float:
        """Seconds until it held; fails if that took too long."""
        started = self.now
        while not holds():
            assert self.now - started < within, f"not within {within} s: {self.views()}"
            self.run(0.5)
        return self.now - started

    # What a test sees

    def views(self) -> dict[str, dict[str, str]]:
        """How each running node sees each, where that is not alive."""
        return {
            name: {view.name: view.state for view in host.membership.members() if view.state != "alive"}
            for name, host in self.hosts.items()
            if host.up
        }

    def all_alive(self) -> bool:
        everybody = tuple(sorted(self.hosts))
        return all(
            tuple(view.name for view in host.membership.members()) == everybody
            and host.membership.alive() == tuple(name for name in everybody if name != own)
            for own, host in self.hosts.items()
        )

    def all_hold(self, name: str, state: str) -> bool:
        return all(
            any(view.name == name and view.state == state for view in host.membership.members())
            for other, host in self.hosts.items()
            if other != name and host.up
        )

    def events(self, *kinds: str, about: str | None = None) -> list[tuple[str, float, Event]]:
        """Who saw what, when."""
        return [
            (name, when, event)
            for name, host in self.hosts.items()
            for when, event in host.events
            if event.kind in kinds and about in (None, event.name)
        ]

    def total(self, counter: str) -> int:
        return sum(host.membership.status()[counter] for host in self.hosts.values())

    # How it goes

    def _at(self, delay: float, act: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (self.now + delay, self._serial, act))

    def _tick(self, name: str, membership: Membership) -> None:
        host = self.hosts[name]
        if host.membership is not membership or not host.up:
            return
        if self.now >= host.asleep_until:
            membership.tick(self.now)
            self._act(name)
        self._at(TICK, lambda: self._tick(name, membership))

    def _wake(self, name: str, host: Host) -> None:
        host.membership.tick(self.now)  # a timer that is due may well come before what waits in sockets
        self._act(name)
        waiting, host.inbox = host.inbox, []
        for peer, message in waiting:
            host.membership.step(peer, message, self.now)
        self._act(name)

    def _act(self, name: str) -> None:
        host = self.hosts[name]
        ready = host.membership.ready()
        for note in ready.persist:
            host.notes = note.data
            host.notes_written += 1
        for send in ready.send:
            assert isinstance(send, Send)
            self._post(name, send.peer, send.message)
        for event in host.membership.take_events():
            host.events.append((self.now, event))
            self._log("event", name, event)

    def _post(self, source: str, target: str, message: Message) -> None:
        self.sent[type(message).__name__] += 1
        if self.watch is not None:
            self.watch(source, target, message)
        if target not in self.hosts or self.cut(source, target):
            return
        for _ in range(2 if self.rng.random() < self.doubling else 1):
            if self.rng.random() >= self.loss:
                delay = 0.001 + self.rng.random() * 0.02 + self.slow.get(target, 0.0)
                self._at(delay, lambda: self._arrive(source, target, message))

    def _arrive(self, source: str, target: str, message: Message) -> None:
        host = self.hosts[target]
        if not host.up or not self._linked(source, target):
            return
        self._log(source, target, message)
        if self.now < host.asleep_until:
            host.inbox.append((source, message))
            return
        host.membership.step(source, message, self.now)
        self._act(target)

    def _dial(self, source: str, target: str) -> None:
        if not self._linked(source, target):
            self._at(0.5, lambda: self._dial(source, target))

    def _linked(self, source: str, target: str) -> bool:
        link = min(source, target), max(source, target)
        if link in self.links:
            return True
        if self.cut(source, target) or self.cut(target, source):
            return False
        if any(not self.hosts[name].up or self.now < self.hosts[name].asleep_until for name in link):
            return False
        self.links.add(link)
        for name, other in (link, link[::-1]):
            self.hosts[name].membership.met(other, f"{other}:1", self.hosts[other].incarnation, self.now)
            self._act(name)
        return True

    def _log(self, *what: Any) -> None:
        if self.trace is not None:
            self.trace.append(repr((self.now, what)))
