"""`update_state` on a node with a disk: calls a second, and what one call takes."""

import tempfile
import time

import replication
from benchmarks.measure import row
from crdt import Composite, GCounter, LWWMap

CALLS = 300_000


class State(Composite):
    counters: GCounter
    config: LWWMap


def increment(state):
    state.counters.increment()


def put(state):
    state.config["k"] = 1


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, replication.open(directory, schema=State) as node:
        for name, change in (("an increment", increment), ("a map write", put)):
            row(f"update_state, {name}, calls a second", rate(node, change), "1/s")
            p50, p95 = latency(node, change)
            row(f"update_state, {name}, p50", p50, "µs")
            row(f"update_state, {name}, p95", p95, "µs")
        start = time.perf_counter()
        for _ in range(200):
            node.update_state("a", increment, durable=True)
        row("update_state, durable=True, one thread", (time.perf_counter() - start) / 200 * 1e3, "ms")


def rate(node, change) -> float:
    update, fastest = node.update_state, 0.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(CALLS):
            update("a", change)
        fastest = max(fastest, CALLS / (time.perf_counter() - start))
    return fastest


def latency(node, change) -> tuple[float, float]:
    update, clock, times = node.update_state, time.perf_counter_ns, []
    for _ in range(CALLS):
        start = clock()
        update("a", change)
        times.append(clock() - start)
    times.sort()
    return times[CALLS // 2] / 1e3, times[CALLS * 95 // 100] / 1e3
