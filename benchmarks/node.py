"""`update_state` on a node with a disk: calls a second, and what one call takes."""

import tempfile
import time

import replication
from benchmarks.report import Report
from benchmarks.settings import Settings
from crdt import Composite, GCounter, LWWMap

CALLS = 300_000


class State(Composite):
    counters: GCounter
    config: LWWMap


def increment(state):
    state.counters.increment()


def put(state):
    state.config["k"] = 1


def main(report: Report, settings: Settings) -> None:
    calls = min(CALLS, settings.largest)
    with tempfile.TemporaryDirectory() as directory, replication.open(directory, schema=State) as node:
        for name, change in (("an increment", increment), ("a map write", put)):
            report.amount("calls a second", "1/s", rate(node, change, calls), on=name, n=calls)
            p50, p95 = latency(node, change, calls)
            report.amount("a call, p50", "µs", p50, on=name, n=calls)
            report.amount("a call, p95", "µs", p95, on=name, n=calls)
        waited = min(calls, 200)
        start = time.perf_counter()
        for _ in range(waited):
            node.update_state("a", increment, durable=True)
        each = (time.perf_counter() - start) / waited * 1e3
        report.amount("a call with durable=True, one thread", "ms", each, on="an increment", n=waited)


def rate(node, change, calls) -> float:
    update, fastest = node.update_state, 0.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(calls):
            update("a", change)
        fastest = max(fastest, calls / (time.perf_counter() - start))
    return fastest


def latency(node, change, calls) -> tuple[float, float]:
    update, clock, times = node.update_state, time.perf_counter_ns, []
    for _ in range(calls):
        start = clock()
        update("a", change)
        times.append(clock() - start)
    times.sort()
    return times[calls // 2] / 1e3, times[calls * 95 // 100] / 1e3
