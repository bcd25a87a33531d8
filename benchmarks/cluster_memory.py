"""Three processes on loopback that update at a steady rate: do their memory and their files stay as they are?

    python -m benchmarks.cluster_memory [--seconds 600] [--rate 10000] [--agents 100] [--mode crdt_enhanced]

All agents are bounded: a counter, and a map whose hundred keys are overwritten. So whatever grows, grows by
the history, and must not. Every `--every` seconds the resident memory of each process and the bytes of its
directory are printed, and in the end the slope of a line through the second half of them. A process of which
`--in-flight` calls wait falls behind its rate, rather than hold more of them. `--trace` shows what Python
allocated most between the middle and the end, and makes everything slower.
"""

import argparse
import asyncio
import multiprocessing
import os
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import replication
from benchmarks.cluster import PROCESSES, Shared, free_ports, open_node

KEYS = 100
_PAGE = os.sysconf("SC_PAGE_SIZE")

Sample = tuple[float, float, float, int]  # seconds, resident kB, kB on disk, updates


def resident_kb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1024


def disk_kb(directory: Path) -> float:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1024


def one_process(
    place: int, addresses: list[str], path: str, options: argparse.Namespace, barrier: Any, out: Any
) -> None:
    with open_node(place, addresses, path) as node:
        barrier.wait()
        asyncio.run(update(node, place, Path(f"{path}/{place}"), options, out))
        barrier.wait()


def touch(number: int, agents: int) -> Any:
    def change(state: Shared) -> None:
        state.hits.increment()
        state.notes[f"k{number // agents % KEYS}"] = number

    return change


async def update(node: replication.Node, place: int, directory: Path, options: argparse.Namespace, out: Any) -> None:
    started, sent = time.monotonic(), 0
    tasks: set[asyncio.Task[Any]] = set()
    next_sample, middle, before = 0.0, options.seconds / 2, None
    while (now := time.monotonic() - started) < options.seconds:
        if now >= next_sample:
            out.put((place, (now, resident_kb(), disk_kb(directory), sent), None))
            next_sample += options.every
        if options.trace and before is None and now >= middle:
            tracemalloc.start(5)
            before = tracemalloc.take_snapshot()
        while sent < now * options.rate / PROCESSES and len(tasks) < options.in_flight:
            call = node.aupdate_state(f"agent-{sent % options.agents}", touch(sent, options.agents), options.mode)
            task = asyncio.create_task(call)
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)
    grown = []
    if before is not None:
        grown = [str(each) for each in tracemalloc.take_snapshot().compare_to(before, "lineno")[:25]]
    end = (options.seconds, resident_kb(), disk_kb(directory), sent)
    out.put((place, end, {"status": node.status(), "grown": grown}))


def slope(points: list[tuple[float, float]]) -> float:
    """Of the line nearest to the points, by least squares."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def report(samples: list[list[Sample]], ends: dict[int, Any], seconds: float) -> None:
    for place, mine in enumerate(samples):
        half = [sample for sample in mine if sample[0] >= seconds / 2]
        memory = 60 * slope([(sample[0], sample[1]) for sample in half])
        disk = 60 * slope([(sample[0], sample[2]) for sample in half])
        rate = mine[-1][3] / seconds
        print(
            f"n{place}: {rate:,.0f} updates a second of its own; "
            f"second half: memory {memory:+.0f} kB, files {disk:+.0f} kB a minute"
        )
        for line in ends[place]["grown"]:
            print(f"    {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=10_000, help="updates a second of all three")
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--mode", default="crdt_enhanced")
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--in-flight", type=int, default=500)
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    addresses = free_ports(PROCESSES)
    samples: list[list[Sample]] = [[] for _ in range(PROCESSES)]
    ends: dict[int, Any] = {}
    print("seconds   resident MB of each      files MB of each   updates")
    with tempfile.TemporaryDirectory() as path:
        barrier, out = context.Barrier(PROCESSES), context.Queue()
        processes = [
            context.Process(target=one_process, args=(place, addresses, path, options, barrier, out))
            for place in range(PROCESSES)
        ]
        for process in processes:
            process.start()
        while len(ends) < PROCESSES:
            place, sample, end = out.get()
            samples[place].append(sample)
            if end is not None:
                ends[place] = end
            if len({len(each) for each in samples}) == 1:
                row = [each[-1] for each in samples]
                memory, disk = ("".join(f"{each[k] / 1024:8.2f}" for each in row) for k in (1, 2))
                print(f"{row[0][0]:7.0f} {memory} {disk} {sum(each[3] for each in row):9d}", flush=True)
        for process in processes:
            process.join()
    report(samples, ends, options.seconds)


if __name__ == "__main__":
    main()
