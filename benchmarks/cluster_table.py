"""What three processes on loopback do, over several numbers of agents: the table that the pages quote.

    python -m benchmarks.cluster_table [--rounds 3] [--seconds 8] [--save]

Cases take turns. Each is a run of `benchmarks.cluster`, in an empty directory, with every disk written with fsync.
"""

import argparse
import os
import platform
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import cluster

RESULTS = Path(__file__).parent / "results" / "cluster.md"
AGENTS = (1, 30, 300)
Runs = list[dict[str, Any]]


class Figure(NamedTuple):
    """One row: what to run, and what of it to show."""

    name: str
    what: str
    mode: str
    of: Callable[[Runs], float]
    form: str


FIGURES = (
    Figure("merged everywhere, a second", "throughput", "crdt_enhanced", cluster.merged_per_second, ",.0f"),
    Figure("the same by gossip, a second", "throughput", "eventually_consistent", cluster.merged_per_second, ",.0f"),
    Figure("at 10,000 a second, heard elsewhere: p50, ms", "latency", "crdt_enhanced",
           lambda runs: cluster.percentile(runs, 0.5), ".1f"),
    Figure("p95, ms", "latency", "crdt_enhanced", lambda runs: cluster.percentile(runs, 0.95), ".1f"),
)  # fmt: skip


def measure(rounds: int, seconds: float) -> dict[tuple[str, str, int], list[Runs]]:
    """The runs of each case; RuntimeError if one lost anything."""
    found: dict[tuple[str, str, int], list[Runs]] = defaultdict(list)
    cases = list(dict.fromkeys((each.what, each.mode) for each in FIGURES))
    for _ in range(rounds):
        for what, mode in cases:
            for agents in AGENTS:
                given = [what, "--mode", mode, "--agents", str(agents), "--seconds", str(seconds)]
                options = cluster.arguments().parse_args(given)
                runs = cluster.run(options)
                if not cluster.is_complete(runs):
                    raise RuntimeError(f"not everything is everywhere after {' '.join(given)}")
                found[what, mode, agents].append(runs)
                print(" ".join(given), file=sys.stderr)
    return found


def table(found: dict[tuple[str, str, int], list[Runs]]) -> str:
    lines = ["| | " + " | ".join(f"{agents:,} agents" if agents > 1 else "1 agent" for agents in AGENTS) + " |",
             "| --- |" + " --- |" * len(AGENTS)]  # fmt: skip
    for figure in FIGURES:
        row = [figure.name]
        for agents in AGENTS:
            values = [figure.of(runs) for runs in found[figure.what, figure.mode, agents]]
            middle, low, high = (
                format(each, figure.form) for each in (statistics.median(values), min(values), max(values))
            )
            row.append(f"{middle} ({low} to {high})")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    loop = "uvloop" if cluster.loop_factory() is not None else "asyncio's event loop"
    text = table(measure(options.rounds, options.seconds))
    print(text)
    if options.save:
        machine = f"CPython {platform.python_version()}, {loop}, {os.cpu_count()} processors"
        RESULTS.write_text(
            "# Three processes on loopback\n\n"
            "Each has its own disk, written with fsync, and changes all agents as fast as it can, or at a third of "
            f"10,000 a second, by coroutines in its own process. {machine} that callers and nodes of all three share, "
            f"with a load of {load:.1f} by others before. {options.rounds} rounds of {options.seconds:.0f} s; medians, "
            "and the lowest to the highest. Made by `python -m benchmarks.cluster_table --save`.\n\n" + text
        )


if __name__ == "__main__":
    main()
