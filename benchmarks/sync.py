"""What it costs two nodes to become equal: bytes and messages on the wire, and seconds of their threads.

Two real nodes in the simulator, where every frame can be counted: all of it, with the length and the
checksum before each frame and the header before each message; but not what membership says meanwhile.
Payload is the bytes of the deltas, or of the messages of entries. An entry that was changed in place
counts as two that only one side has: the old one and the new one.
"""

import time
from collections import Counter
from typing import Any

from benchmarks.report import Report
from benchmarks.settings import Settings
from crdt import Composite, LWWMap
from replication.links.handshake import HEADER_BYTES, is_greeting
from replication.messages import Check, Deltas, InSync, RepairAnswer, RepairEntries, decode
from replication.simulation import Cluster
from replication.storage import Batch, Part

CHANGED = 100
# The length and the checksum before a frame.
_FRAME = 8


class State(Composite):
    config: LWWMap


class Pair:
    """Two nodes that begin with the same agents on their disks."""

    def __init__(self, parts: list[Part], **limits: Any) -> None:
        self.cluster = Cluster(State, "ab", seed=1, max_agents_in_memory=100_000, **limits)
        for name in "ab":
            self.cluster.crash(name)
            self.cluster.hosts[name].disk.write(Batch(parts))
            self.cluster.restart(name)
        self.steps: list[float] = []
        for name in "ab":
            self._time_steps(self.cluster[name]._deliveries)
        self.bytes = self.payload = 0
        self.counts_checks = True
        self.messages: Counter[str] = Counter()
        self.cluster.network.sent.append(self._sent)
        self.cluster.run(5.0)
        assert self.is_in_sync()
        self.forget()

    def _time_steps(self, deliveries: Any) -> None:
        treat = deliveries.treat

        def timed(*arguments: Any) -> bool:
            began = time.thread_time()
            done: bool = treat(*arguments)
            self.steps.append(time.thread_time() - began)
            return done

        deliveries.treat = timed

    def _sent(self, source: str, target: str, frame: bytes) -> None:
        if is_greeting(frame):
            return
        message = decode(frame[HEADER_BYTES:])
        if frame[HEADER_BYTES] < 0x20:  # of membership
            return
        if isinstance(message, Check | InSync) and not self.counts_checks:
            return
        self.bytes += len(frame) + _FRAME
        self.messages[type(message).__name__] += 1
        if isinstance(message, Deltas):
            self.payload += sum(len(item.delta) for item in message.items)
        elif isinstance(message, RepairAnswer | RepairEntries):
            self.payload += len(message.entries)

    def forget(self) -> None:
        self.bytes = self.payload = 0
        self.messages.clear()

    def is_in_sync(self) -> bool:
        a, b = (self.cluster[name]._store.summary.root for name in "ab")
        return a == b

    def until_in_sync(self) -> None:
        self.cluster.run(0.05)  # what was changed a moment ago is on disk now
        while not self.is_in_sync():
            self.cluster.run(0.01)
        self.cluster.run(0.3)  # the last acknowledgement

    def tell(self, report: Report, what: str, n: int) -> None:
        report.amount("payload", "bytes", self.payload, on=what, n=n)
        report.amount("beside it", "bytes", self.bytes - self.payload, on=what, n=n)
        report.amount("messages", "messages", self.messages.total(), on=what, n=n)


def large_agent(entries: int) -> Part:
    state = State("w", clock=lambda: 1)  # long before the simulated time
    state.config.update({f"key {k}": k for k in range(entries)})
    return Part("agent", 0, state.to_bytes(), True, state.digest())


def changes(first: int, count: int, entries: int) -> Any:
    return lambda state: state.config.update({f"key {7919 * k % entries}": -k for k in range(first, first + count)})


def one_large_agent(report: Report, entries: int) -> None:
    pair = Pair([large_agent(entries)])
    cluster = pair.cluster
    cluster.run(20.0)
    checks = pair.messages[Check.__name__]
    report.amount("each check, both ways", "bytes", pair.bytes / max(1, checks), on="in sync", n=entries)
    pair.forget()
    pair.counts_checks = False  # the figure above is theirs
    cluster["a"].update_state("agent", changes(1, CHANGED, entries), "reactive")
    cluster["a"].flush()
    # As when it is known that b lacks something: it asks with its version. What finds that out is in the last part.
    cluster["b"]._others.sync.repair("a", ["agent"], cluster.world.now)
    cluster["b"]._driver.run_soon()
    pair.until_in_sync()
    pair.tell(report, f"{CHANGED} entries changed, by versions", entries)
    for what, key in (("only one side has, without", "new {}"), ("changed, without", "key {}")):
        pair.forget()
        for name, first in (("a", 0), ("b", CHANGED)):
            keys = [key.format(k) for k in range(first, first + CHANGED // 2)]
            cluster.damage(name, "agent", lambda state, keys=keys: state.config.update(dict.fromkeys(keys, "damaged")))
        pair.until_in_sync()
        pair.tell(report, f"{CHANGED} entries {what}", entries)
    steps, on = sorted(pair.steps), "of the node's thread"
    report.amount("a step of a repair, p50", "ms", 1e3 * steps[len(steps) // 2], on=on, n=entries)
    report.amount("the longest step", "ms", 1e3 * steps[-1], on=on, n=entries)
    cluster.close()


def many_agents(report: Report, agents: int) -> None:
    state = State("w", clock=lambda: 1)  # long before the simulated time
    state.config["k"] = 1
    data, digest = state.to_bytes(), state.digest()
    pair = Pair([Part(f"agent-{k}", 0, data, True, digest) for k in range(agents)])
    cluster = pair.cluster
    for k in range(10):
        cluster["ab"[k % 2]].update_state(f"agent-{k * agents // 10}", changes(k, 1, agents), "reactive")
        cluster["ab"[k % 2]].flush()
    pair.forget()
    pair.until_in_sync()
    pair.tell(report, "10 agents changed", agents)
    cluster.close()


def main(report: Report, settings: Settings) -> None:
    one_large_agent(report, settings.largest)
    many_agents(report, settings.largest)
