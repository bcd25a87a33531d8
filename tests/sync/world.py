"""Nodes that are nothing but a Sync core over a dict of agents, on a bad network, in virtual time.

An agent's state is its version, so merging is taking maxima and a delta is two versions. It lands only
where its base is held, as a real one does.
"""

import heapq
from bisect import bisect_left, insort
from hashlib import blake2b
from itertools import count
from random import Random

from crdt import VersionVector
from replication.config import Config
from replication.core import Send, Tell
from replication.messages import decode, encode
from replication.storage.buckets import bucket_key, key_of, no_sums
from replication.sync.core import Sync
from replication.sync.summary import Summary

TICK = 0.1
FRAME_BYTES = 18


class Agents:
    """The disk of one node; fills the Catalog port."""

    def __init__(self):
        self.summary = Summary(no_sums())
        self.versions: dict[str, VersionVector] = {}
        self.digests: dict[str, bytes] = {}
        self.keys: list[str] = []
        self.flaws: dict[str, bytes] = {}
        self.roots = {0}  # that there ever were
        self.loads = 0
        self.on_their_way: set[str] = set()

    def write(self, agent_id, version):
        before = self.digests.get(agent_id, b"")
        text = repr(sorted(version.items())).encode() + self.flaws.get(agent_id, b"")
        after = blake2b(text, digest_size=16).digest()
        self.versions[agent_id], self.digests[agent_id] = version, after
        if not before:
            insort(self.keys, key_of(agent_id))
        self.summary.change([(agent_id, before, after)])
        self.roots.add(self.summary.root)

    def heads(self, first, beyond):
        low, high = (bisect_left(self.keys, bucket_key(bucket)) for bucket in (first, beyond))
        for key in self.keys[low:high]:
            yield key[4:], self.digests[key[4:]]

    def digest(self, agent_id):
        return self.digests.get(agent_id, b"")

    def holding(self, agent_id):
        self.loads += 1
        return self.versions.get(agent_id, VersionVector()), self.digest(agent_id)

    def arriving(self, agent_id):
        return agent_id in self.on_their_way


class Delta:
    def __init__(self, agent_id, base, top):
        self.agent_id, self.base, self.top = agent_id, base, top


class Node:
    def __init__(self, world, name, config, seed):
        self.world, self.name = world, name
        self.agents = Agents()
        self.diverged = []
        self.sync = Sync(
            self.agents.summary, self.agents, config, Random(seed), lambda *found: bool(self.diverged.append(found))
        )
        self.refuses = False  # a clock far behind the others': nothing lands
        self.landed = 0

    def update(self, agent_id, times=1):
        version = dict(self.agents.versions.get(agent_id, {}))
        version[self.name] = version.get(self.name, 0) + times
        self.agents.write(agent_id, VersionVector(version))

    def hear(self, peer, thing):
        if isinstance(thing, Delta):
            mine = self.agents.versions.get(thing.agent_id, VersionVector())
            if self.refuses or not thing.base <= mine or thing.top <= mine:
                return
            merged = dict(mine)
            for writer, sequence in thing.top.items():
                merged[writer] = max(sequence, merged.get(writer, 0))
            self.landed += 1
            self.agents.write(thing.agent_id, VersionVector(merged))
        else:
            self.sync.step(peer, thing, self.world.now)
        self.act()

    def act(self):
        for wish in self.sync.ready().send:
            if isinstance(wish, Tell):
                top = self.agents.versions.get(wish.agent_id)
                if top is not None:
                    self.world.carry(self.name, wish.peer, Delta(wish.agent_id, wish.since, top))
            else:
                assert isinstance(wish, Send)
                self.world.carry(self.name, wish.peer, wish.message)


class World:
    """`log` holds each message with when and between whom it was sent; of deltas, none.

    `others` are limits of single nodes, by name.
    """

    def __init__(self, names, seed=0, loss=0.0, doubled=0.0, delay=(0.001, 0.01), others=None, **limits):
        self.random = Random(seed)
        self.loss, self.doubled, self.delay = loss, doubled, delay
        self.now = 0.0
        self.events, self.number = [], count()
        self.log, self.lose = [], lambda sender, receiver, thing: False
        self.deltas = 0
        self.cut_off: set[frozenset[str]] = set()
        own = others or {}
        self.nodes = {name: Node(self, name, Config(**limits | own.get(name, {})), f"{seed} {name}") for name in names}
        for node in self.nodes.values():
            self.at(0.0, self.introduce, node)
            self.at(self.random.random() * TICK, self.tick, node)

    def __getitem__(self, name):
        return self.nodes[name]

    def introduce(self, node):
        node.sync.peers(tuple(sorted(self.nodes.keys() - {node.name})), self.now)
        node.act()

    def tick(self, node):
        node.sync.tick(self.now)
        node.act()
        self.at(TICK, self.tick, node)

    def at(self, delay, fn, *args):
        heapq.heappush(self.events, (self.now + delay, next(self.number), fn, args))

    def carry(self, sender, receiver, thing):
        if isinstance(thing, Delta):
            self.deltas += 1
        else:
            payload = encode(thing)
            self.log.append((self.now, sender, receiver, thing, len(payload) + FRAME_BYTES))
            thing = decode(payload)
        if frozenset((sender, receiver)) in self.cut_off or self.lose(sender, receiver, thing):
            return
        for _ in range(2 if self.random.random() < self.doubled else 1):
            if self.random.random() >= self.loss:
                self.at(self.random.uniform(*self.delay), self.nodes[receiver].hear, sender, thing)

    def run(self, seconds, until=lambda: False):
        """Virtual seconds, or less if it holds earlier; whether it held."""
        end = self.now + seconds
        while self.events[0][0] <= end:
            self.now, _, fn, args = heapq.heappop(self.events)
            fn(*args)
            self.check_agreements()
            if until():
                return True
        self.now = end
        return until()

    def are_equal(self):
        return len({node.agents.summary.root for node in self.nodes.values()}) == 1

    def converge(self, seconds=60):
        """Run until all are equal, and really are."""
        assert self.run(seconds, self.are_equal), {name: len(node.agents.versions) for name, node in self.nodes.items()}
        first, *others = self.nodes.values()
        assert all(node.agents.digests == first.agents.digests for node in others)

    def check_agreements(self):
        """Nobody believes that a peer has what it never had."""
        for node in self.nodes.values():
            for peer, agreement in node.sync.agreed.items():
                assert agreement.root in self[peer].agents.roots, f"{node.name} believes too much of {peer}"

    def heal(self):
        self.loss = self.doubled = 0.0
        self.cut_off.clear()
        self.lose = lambda sender, receiver, thing: False

    def bytes(self, since=0.0):
        return sum(size for at, *_, size in self.log if at >= since)

    def kinds(self):
        return [type(message).__name__ for _, _, _, message, _ in self.log]
