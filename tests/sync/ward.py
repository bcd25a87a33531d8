"""Nodes that are nothing but a Repairs core over the state of one agent, on a bad network, in virtual time."""

import heapq
from itertools import count
from random import Random

from replication.config import Config
from replication.messages import decode, encode
from replication.repair.core import Repairs

AGENT = "agent"
TICK = 0.1
# A frame's length and checksum, and what stands before each message on a link.
FRAME_BYTES = 8 + 9


class Node:
    def __init__(self, ward, name, state, config, seed):
        self.ward, self.name, self.state = ward, name, state
        self.ended = []
        self.repairs = Repairs(name, self.treat, config, Random(seed), lambda *ended: self.ended.append(ended))
        self.is_busy = False
        self.step_seconds = 0.0
        self.steps = []  # when

    def treat(self, agent_id, peer, act):
        if self.is_busy:
            return None
        self.steps.append(self.ward.now)
        act(self.state if agent_id == AGENT else None)
        return self.step_seconds

    def begin(self, peer, agent_id=AGENT):
        began = self.repairs.begin(peer, agent_id, self.ward.now)
        self.act()
        return began

    def hear(self, peer, message):
        self.repairs.step(peer, message, self.ward.now)
        self.act()

    def tick(self):
        self.repairs.tick(self.ward.now)
        self.act()
        self.ward.at(TICK, self.tick)

    def act(self):
        for send in self.repairs.ready().send:
            self.ward.carry(self.name, send.peer, send.message)

    def count(self, word):
        return self.repairs.status()[word]


class Ward:
    """`log` holds each message with when and between whom it was sent, and its bytes on the wire."""

    def __init__(self, states, seed=0, loss=0.0, doubled=0.0, delay=(0.001, 0.01), **limits):
        self.random, self.loss, self.doubled, self.delay = Random(seed), loss, doubled, delay
        self.now = 0.0
        self.events, self.number = [], count()
        self.log = []
        self.lose = lambda sender, receiver, message: False
        config = Config(**{"repair_timeout": 20.0} | limits)
        self.nodes = {
            name: Node(self, name, state, config, f"{seed} {name}")
            for name, state in zip("abcdefgh", states, strict=False)
        }
        for node in self.nodes.values():
            node.repairs.peers(tuple(name for name in self.nodes if name != node.name), 0.0)
            self.at(self.random.random() * TICK, node.tick)

    def __getitem__(self, name):
        return self.nodes[name]

    def at(self, delay, fn, *args):
        heapq.heappush(self.events, (self.now + delay, next(self.number), fn, args))

    def carry(self, sender, receiver, message):
        payload = encode(message)
        self.log.append((self.now, sender, receiver, message, len(payload) + FRAME_BYTES))
        if self.lose(sender, receiver, message):
            return
        for _ in range(2 if self.random.random() < self.doubled else 1):
            if self.random.random() >= self.loss:
                self.at(self.random.uniform(*self.delay), self.nodes[receiver].hear, sender, decode(payload))

    def run(self, seconds, until=lambda: False):
        """Virtual seconds, or less if it holds earlier; whether it held."""
        end = self.now + seconds
        while self.events[0][0] <= end and not until():
            self.now, _, fn, args = heapq.heappop(self.events)
            fn(*args)
        self.now = self.now if until() else end
        return until()

    def differ(self, one, other):
        return self[one].state.digest() != self[other].state.digest()

    def are_equal(self):
        return len({node.state.digest() for node in self.nodes.values()}) == 1

    def compare(self, one, other):
        """What anti-entropy does with the two: if they differ at one version, one of them begins."""
        if self[one].state.version == self[other].state.version and self.differ(one, other):
            self[one].begin(other)

    def kinds(self):
        return [type(message).__name__ for _, _, _, message, _ in self.log]

    def bytes(self):
        return sum(size for *_, size in self.log)
