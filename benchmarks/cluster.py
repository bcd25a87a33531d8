"""Three processes on loopback that share state over TCP, every disk written with fsync.

    python -m benchmarks.cluster throughput [--seconds 10] [--mode crdt_enhanced] [--agents 300]
    python -m benchmarks.cluster latency    [--seconds 10] [--rate 10000] ...

throughput   every process updates as fast as it can, `--in-flight` calls at a time; counted are the
             updates of all three until all three are equal, over the time until then
latency      every process updates at a third of `--rate`, however long that takes; some of the
             updates carry the time of their call in an agent that the others watch: from the call
             to the moment another process hears of it
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import replication
from crdt import Composite, GCounter, LWWMap, LWWRegister

PROCESSES = 3
# Of so many updates one is measured, in so many agents of each process by turns, so that no two of them meet.
PROBE_EVERY = 101
PROBES = 50


class Shared(Composite):
    hits: GCounter
    notes: LWWMap
    stamp: LWWRegister


def free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def open_node(place: int, addresses: list[str], path: str) -> replication.Node:
    """One of the three, once it has met the others."""
    others = [address for address in addresses if address != addresses[place]]
    node = replication.open(f"{path}/{place}", schema=Shared, name=f"n{place}", listen=addresses[place], peers=others)
    while sum(member.state == "alive" for member in node.members()) < len(addresses):
        time.sleep(0.02)
    return node


def one_process(
    place: int, addresses: list[str], path: str, options: argparse.Namespace, barrier: Any, out: Any
) -> None:
    with open_node(place, addresses, path) as node:
        barrier.wait()
        measure = throughput if options.what == "throughput" else paced
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            run = runner.run(measure(node, place, options))
        barrier.wait()
        run |= {"rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "cpu": time.process_time(), "status": node.status()}  # fmt: skip
        out.put((place, run))
        barrier.wait()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, if it is installed: nodes use it then, too."""
    try:
        from uvloop import new_event_loop  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", new_event_loop)


def touch(place: int, number: int) -> Any:
    def update(state: Shared) -> None:
        state.hits.increment()
        state.notes[f"k{number % 20}"] = number

    return update


def probe(called: float) -> Any:
    def update(state: Shared) -> None:
        state.hits.increment()
        state.stamp.set(called)

    return update


async def throughput(node: replication.Node, place: int, options: argparse.Namespace) -> dict[str, Any]:
    started = time.monotonic()
    end = started + options.seconds
    done = 0

    async def worker(first: int) -> None:
        nonlocal done
        number = first
        while time.monotonic() < end:
            agent_id = f"agent-{number % options.agents}"
            await node.aupdate_state(agent_id, touch(place, number), options.mode)
            number += options.in_flight
            done += 1

    await asyncio.gather(*(worker(k) for k in range(options.in_flight)))
    written = time.monotonic() - started
    total = await settled(node, options)
    return {"updates": done, "seconds_writing": written, "seconds": time.monotonic() - started, "seen": total}


async def settled(node: replication.Node, options: argparse.Namespace) -> int:
    """The updates of all that this node has, once that number has not changed for a second. Waits are taken off."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < 1.0:
        total = sum(node.read_state(agent_id, lambda s: s.hits.value) for agent_id in node.agents())
        if total != last:
            last, since = total, time.monotonic()
        await asyncio.sleep(0.02)
    return last


class Paced:
    """Updates at a rate, by coroutines that live on: one more whenever all others wait."""

    def __init__(self, node: replication.Node, place: int, options: argparse.Namespace) -> None:
        self._node, self._place, self._options = node, place, options
        self._idle: list[asyncio.Future[int]] = []
        self._workers: list[asyncio.Task[None]] = []
        self._sent = 0
        self._due = 0.0

    async def run(self, started: float) -> int:
        """The number of updates made, all of which have returned."""
        share = self._options.rate / PROCESSES
        while (now := time.monotonic()) - started < self._options.seconds:
            self._due = (now - started) * share
            while self._sent < self._due:
                if self._idle:
                    self._idle.pop().set_result(self._next())
                else:
                    self._workers.append(asyncio.create_task(self._work(self._next())))
            await asyncio.sleep(0.001)
        self._due = 0.0
        while len(self._idle) < len(self._workers):
            await asyncio.sleep(0.001)
        for worker in self._workers:
            worker.cancel()
        return self._sent

    def _next(self) -> int:
        self._sent += 1
        return self._sent - 1

    async def _work(self, number: int) -> None:
        node, place, options = self._node, self._place, self._options
        while True:
            if number % PROBE_EVERY:
                agent_id, update = f"agent-{number % options.agents}", touch(place, number)
            else:
                agent_id = f"probe-{place}-{number // PROBE_EVERY % PROBES}"
                update = probe(time.monotonic())
            await node.aupdate_state(agent_id, update, options.mode)
            if self._sent < self._due:
                number = self._next()
            else:
                turn = asyncio.get_running_loop().create_future()
                self._idle.append(turn)
                number = await turn


async def paced(node: replication.Node, place: int, options: argparse.Namespace) -> dict[str, Any]:
    """A third of the rate, in bursts of a millisecond."""
    latencies: list[float] = []
    watch = node.watch(f"probe-[!{place}]-*")
    watcher = threading.Thread(target=look, args=(watch, latencies))
    watcher.start()
    started = time.monotonic()
    sent = await Paced(node, place, options).run(started)
    written = time.monotonic() - started
    total = await settled(node, options)
    watch.close()
    await asyncio.to_thread(watcher.join)
    return {"updates": sent, "seconds_writing": written, "latencies": latencies, "seen": total}


def look(watch: Any, latencies: list[float]) -> None:
    for change in watch:
        if change.field == "stamp":
            latencies.append(time.monotonic() - change.after)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("throughput", "latency"))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--mode", default="crdt_enhanced")
    parser.add_argument("--agents", type=int, default=300)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--rate", type=float, default=10_000)
    parser.add_argument("--json", type=Path)
    return parser


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What each of the three processes saw."""
    context = multiprocessing.get_context("spawn")
    addresses = free_ports(PROCESSES)
    with tempfile.TemporaryDirectory() as path:
        barrier, out = context.Barrier(PROCESSES), context.Queue()
        given = (addresses, path, options, barrier, out)
        processes = [context.Process(target=one_process, args=(k, *given)) for k in range(PROCESSES)]
        for process in processes:
            process.start()
        runs = [each for _, each in sorted((out.get() for _ in processes), key=lambda pair: pair[0])]
        for process in processes:
            process.join()
    return runs


def main() -> None:
    options = arguments().parse_args()
    runs = run(options)
    report(options, runs)
    if options.json:
        options.json.write_text(json.dumps(runs, indent=1))


def is_complete(runs: list[dict[str, Any]]) -> bool:
    """Whether every process has the updates of all."""
    return all(run["seen"] == sum(each["updates"] for each in runs) for run in runs)


def merged_per_second(runs: list[dict[str, Any]]) -> float:
    """Updates of all over the time until all were equal, without what `settled` waits to be sure."""
    return float(sum(run["updates"] for run in runs) / (max(run["seconds"] for run in runs) - 1.0))


def percentile(runs: list[dict[str, Any]], share: float) -> float:
    """Of the times from a call to when another process heard of it, in milliseconds."""
    latencies = sorted(latency for run in runs for latency in run["latencies"])
    return float(latencies[int(share * (len(latencies) - 1))] * 1000)


def report(options: argparse.Namespace, runs: list[dict[str, Any]]) -> None:
    updates = sum(run["updates"] for run in runs)
    writing = max(run["seconds_writing"] for run in runs)
    print(f"{options.what} {options.mode}: {updates} updates, everything everywhere: {is_complete(runs)}")
    if options.what == "throughput":
        until_equal = max(run["seconds"] for run in runs) - 1.0
        print(
            f"  {merged_per_second(runs):,.0f} updates a second, merged everywhere "
            f"({writing:.1f} s writing, equal after {until_equal:.1f} s)"
        )
    else:
        latencies = [latency for run in runs for latency in run["latencies"]]
        mean = statistics.fmean(latencies) * 1000
        shown = [f"p{int(q * 100)} {percentile(runs, q):.2f} ms" for q in (0.5, 0.9, 0.95, 0.99, 1.0)]
        print(f"  {updates / writing:,.0f} updates a second; {len(latencies)} samples, mean {mean:.2f} ms")
        print(f"  {', '.join(shown)}")
    for place, run in enumerate(runs):
        flush, direct = run["status"]["flush"], run["status"]["direct"]
        print(
            f"  n{place}: {run['rss_mb']:.0f} MB, {run['cpu']:.1f} s CPU, "
            f"{flush['rounds']} flushes of {1000 * flush['mean_seconds']:.2f} ms, "
            f"{direct['sent_messages']} messages, {direct['sent_items']} items, {direct['unanswered']} unanswered, "
            f"{run['status']['sync']['asked']} asked in repair"
        )


if __name__ == "__main__":
    main()
