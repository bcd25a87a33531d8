"""Three voters in three processes on loopback, every disk written with fsync, and callers of strong updates at one.

    python -m benchmarks.replicated [--seconds 5] [--node leader|follower]

one caller       one update after the other, of one agent
64 agents        64 callers, each on an agent of its own
one agent        64 callers on one agent, each with its own answer
reads            64 callers, linearizable, of 64 agents

Beside it what the machine takes for the parts of one: a write of 4 kB with fdatasync, and a round trip on loopback.
"""

import argparse
import asyncio
import multiprocessing
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import replication
from benchmarks.cluster import Shared, free_ports, loop_factory

NAMES = ("n0", "n1", "n2")
CALLERS = 64


def voter(place: int, addresses: list[str], path: str, out: Any, stop: Any) -> None:
    """One of the three; the one that is asked to measures."""
    others = [address for address in addresses if address != addresses[place]]
    with replication.open(
        f"{path}/{place}", schema=Shared, name=NAMES[place], listen=addresses[place], peers=others, bootstrap=NAMES
    ) as node:
        while sum(member.state == "alive" for member in node.members()) < len(addresses):
            time.sleep(0.02)
        node.update_state("warm", touch(0), "replicated", timeout=30)
        out.put((place, node.status()["replicated"]["leader"] == node.name))
        while (seconds := stop.get()) is not None:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                out.put(runner.run(measure(node, seconds)))


def touch(number: int) -> Callable[[Any], int]:
    def update(state: Any) -> int:
        state.hits.increment()
        state.notes[f"k{number % 20}"] = number
        value: int = state.hits.value
        return value

    return update


async def measure(node: replication.Node, seconds: float) -> dict[str, Any]:
    async def change(caller: int, number: int) -> None:
        await node.aupdate_state(f"agent-{caller}", touch(number), "replicated", timeout=30)

    async def change_one(caller: int, number: int) -> None:
        await node.aupdate_state("hot", touch(number), "replicated", timeout=30)

    async def read(caller: int, number: int) -> None:
        await node.aread_state(f"agent-{caller}", hits, consistency="replicated", timeout=30)

    single = await many(1, seconds, change)
    return {
        "one caller": single,
        "64 agents": await many(CALLERS, seconds, change),
        "one agent": await many(CALLERS, seconds, change_one),
        "reads": await many(CALLERS, seconds, read),
    }


def hits(state: Any) -> int:
    value: int = state.hits.value
    return value


async def many(callers: int, seconds: float, call: Callable[[int, int], Any]) -> dict[str, float]:
    """Calls of so many callers, each one after the other."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def caller(number: int) -> None:
        count = 0
        while (began := time.perf_counter()) < end:
            await call(number, count)
            took.append(time.perf_counter() - began)
            count += 1

    await asyncio.gather(*(caller(number) for number in range(callers)))
    took.sort()
    return {
        "per_second": len(took) / seconds,
        "median_ms": 1000 * statistics.median(took),
        "p99_ms": 1000 * took[int(0.99 * (len(took) - 1))],
    }


def floor(path: str, count: int = 200) -> dict[str, float]:
    """Medians, in milliseconds, of what no consensus can do without."""
    file = os.open(Path(path) / "floor", os.O_CREAT | os.O_WRONLY)
    syncs, trips = [], []
    for _ in range(count):
        began = time.perf_counter()
        os.write(file, bytes(4096))
        os.fdatasync(file)
        syncs.append(time.perf_counter() - began)
    os.close(file)
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    for each in (client, peer):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    echo = threading.Thread(target=lambda: [peer.send(peer.recv(64)) for _ in range(count)])
    echo.start()
    for _ in range(count):
        began = time.perf_counter()
        client.send(b"x" * 64)
        client.recv(64)
        trips.append(time.perf_counter() - began)
    echo.join()
    for each in (client, peer, server):
        each.close()
    return {"fsync_ms": 1000 * statistics.median(syncs), "round_trip_ms": 1000 * statistics.median(trips)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--node", choices=("leader", "follower"), default="leader")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    addresses = free_ports(len(NAMES))
    with tempfile.TemporaryDirectory() as path:
        parts = floor(path)
        outs = [context.Queue() for _ in NAMES]
        stops = [context.Queue() for _ in NAMES]
        processes = [
            context.Process(target=voter, args=(place, addresses, path, outs[place], stops[place]))
            for place in range(len(NAMES))
        ]
        for process in processes:
            process.start()
        leads = dict(out.get() for out in outs)
        place = next(each for each, is_leader in leads.items() if is_leader == (options.node == "leader"))
        stops[place].put(options.seconds)
        found = outs[place].get()
        for stop in stops:
            stop.put(None)
        for process in processes:
            process.join()
    least = 2 * (parts["fsync_ms"] + parts["round_trip_ms"])
    print(
        f"two fsyncs and two round trips: {least:.2f} ms ({parts['fsync_ms']:.2f}, {parts['round_trip_ms']:.2f} each)"
    )
    for name, figures in found.items():
        print(
            f"{name:12} {figures['per_second']:9,.0f} a second, median {figures['median_ms']:.2f} ms, "
            f"p99 {figures['p99_ms']:.2f} ms"
        )


if __name__ == "__main__":
    main()
