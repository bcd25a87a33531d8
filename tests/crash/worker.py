"""The process that is killed: opens the store, checks what was promised, then changes it in every way at once.

It tells the parent everything through a pipe, one line in one write, so that a line is there
whole or not at all, whenever the kill comes:

    ready                            the store is open and holds what was promised
    wrong <what>                     it does not
    start <thread> <i>               this update is about to be made
    acked <thread> <i>               it returned with durable=True
    dot <agent> <writer> <seq>       this dot was given out
    delta <agent> <hex>              these bytes left the node
"""

import asyncio
import os
import random
import threading
from dataclasses import dataclass, field
from typing import Any

import replication
from crdt import Composite, GCounter, GSet, LWWMap

AGENTS = 6
THREADS = 3


class State(Composite):
    counters: GCounter
    flags: GSet
    config: LWWMap


@dataclass
class Promises:
    """What the parent knows of all earlier rounds."""

    round: int = 0
    # "round.thread" -> the last i that was acknowledged as durable.
    acked: dict[str, int] = field(default_factory=dict)
    # op_ids that were acknowledged, and the last that was begun.
    operations_acked: int = 0
    operations_begun: int = 0


LIMITS: dict[str, Any] = {
    "flush_interval": 0.002,
    # Small enough that agents come and go, logs are folded and deltas compacted all the time.
    "max_agents_in_memory": 4,
    "checkpoint_bytes": 128 << 10,
    "compaction_bytes_min": 256,
    "operations_max": 50,
}


def agent_of(thread: int, i: int) -> str:
    return f"agent-{(thread + i) % AGENTS}"


def missing(node: replication.Node, promises: Promises) -> str | None:
    """The first promise that the store does not keep."""
    found: dict[str, int] = {}
    for agent in range(AGENTS):
        state = node.read_state(f"agent-{agent}")
        state.check_invariants()
        for key, value in state.config.items():
            found[key] = max(value, found.get(key, 0))
    for key, i in promises.acked.items():
        if found.get(key, 0) < i:
            return f"update {i} of {key} was acknowledged and the newest is {found.get(key, 0)}"
    served = node.read_state("operations", lambda s: s.counters.value)
    if not promises.operations_acked <= served <= promises.operations_begun:
        return f"{served} operations served; {promises.operations_acked} acknowledged of {promises.operations_begun}"
    return None


class Worker:
    """One round of load on an open node; ends only by being killed."""

    def __init__(self, node: replication.Node, promises: Promises, pipe: int, seed: int) -> None:
        self.node = node
        self.promises = promises
        self.pipe = pipe
        self.seed = seed
        self.writer = node.status()["writer"]

    def tell(self, line: str) -> None:
        if len(line) < 4000:  # a longer write to a pipe may be cut
            os.write(self.pipe, f"{line}\n".encode())

    def change(self, thread: int, i: int) -> Any:
        key = f"{self.promises.round}.{thread}"

        def update(state: Any) -> None:
            state.config[key] = max(i, state.config.get(key, 0))
            state.counters.increment()
            if i % 7 == 0:
                state.flags.add(i % 91)

        return update

    def told(self, agent: str, result: replication.UpdateResult) -> None:
        self.tell(f"dot {agent} {self.writer} {result.version[self.writer]}")

    def durable_updates(self, thread: int) -> None:
        i = 0
        while True:
            i += 1
            agent = agent_of(thread, i)
            result = self.node.update_state(agent, self.change(thread, i), durable=True)
            self.tell(f"acked {thread} {i}")
            self.told(agent, result)

    def lazy_updates(self, thread: int) -> None:
        """Updates that promise nothing, shown to the outside before they are on disk."""
        rng = random.Random(self.seed)
        i = 0
        while True:
            i += 1
            agent = agent_of(thread, rng.randrange(AGENTS))
            before = self.node.read_state(agent, lambda s: s.version)
            self.told(agent, self.node.update_state(agent, self.change(thread, i)))
            if rng.random() < 0.3:
                delta = self.node.read_state(agent, lambda s, before=before: s.delta(before))
                self.tell(f"delta {agent} {delta.hex()}")

    def operations(self) -> None:
        """Updates with an op_id; the last one of the round before is asked again, as after a crash."""
        i = max(0, self.promises.operations_begun - 1)
        while True:
            i += 1
            self.tell(f"start operations {i}")
            result = self.node.update_state(
                "operations", lambda s: s.counters.increment(), op_id=f"operation-{i}", durable=True
            )
            if i <= self.promises.operations_acked and not result.replayed:
                self.tell(f"wrong operation {i} was acknowledged and has been applied again")
            self.tell(f"acked operations {i}")

    async def event_loop(self, thread: int) -> None:
        async def one(lane: int) -> None:
            i = 0
            while True:
                i += 1
                agent = agent_of(lane, i)
                result = await self.node.aupdate_state(agent, self.change(lane, i), durable=True)
                self.tell(f"acked {lane} {i}")
                self.told(agent, result)

        await asyncio.gather(one(thread), one(thread + 1))

    def run(self) -> None:
        lanes = [threading.Thread(target=self.durable_updates, args=(thread,)) for thread in range(THREADS)]
        lanes.append(threading.Thread(target=self.lazy_updates, args=(THREADS,)))
        lanes.append(threading.Thread(target=self.operations))
        lanes.append(threading.Thread(target=lambda: asyncio.run(self.event_loop(THREADS + 1))))
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()


def work(path: str, promises: Promises, pipe: int, seed: int) -> None:
    """The whole life of the process that is killed."""
    node = replication.open(path, schema=State, **LIMITS)
    worker = Worker(node, promises, pipe, seed)
    wrong = missing(node, promises)
    if wrong:
        worker.tell(f"wrong {wrong}")
        return
    worker.tell("ready")
    worker.run()
