"""Measures, models and draws.

python -m benchmarks.dissemination                       all of it: tables, results/dissemination.json, a chart
python -m benchmarks.dissemination measure --nodes 3,10  real nodes in the simulator only
python -m benchmarks.dissemination model --nodes 10,1000 the model only
python -m benchmarks.dissemination soak --nodes 1000     many nodes, 20 % of messages lost: real ones, once
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from random import Random
from resource import RUSAGE_SELF, getrusage
from time import perf_counter
from typing import Any

from benchmarks.dissemination import chart, measure, model

RESULTS = Path(__file__).parent.parent / "results"
CHART = Path(__file__).parent.parent.parent / "docs" / "explanation" / "dissemination.svg"
LOSSES = (0.0, 0.2)
MEASURED = (3, 5, 10, 30, 100)
MODELLED = (3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
# Arrivals that a modelled cluster is looked at for, in as many updates as that takes.
ARRIVALS = 20_000


def measured(counts: Iterable[int], updates: int) -> dict[str, list[dict[str, Any]]]:
    rows, background = [], []
    for count in counts:
        bench = measure.Bench(count)
        for loss in LOSSES:
            bench.set_loss(loss)
            quiet = bench.background()
            background.append({"nodes": count, "loss": loss, **quiet._asdict()})
            say(background[-1])
            for mode in measure.MODES:
                rows.append(measure.row_of(count, mode, loss, bench.spread(mode, updates)))
                say(rows[-1])
        bench.close()
    return {"measured": rows, "background": background}


def modelled(counts: Iterable[int]) -> list[dict[str, Any]]:
    frame = measure.rumour_bytes()
    rows = []
    for count in counts:
        for loss in LOSSES:
            random = Random(count)
            told = [model.tell(count, loss, random) for _ in range(max(3, ARRIVALS // count))]
            rounds = sorted(each for one in told for each in one.rounds)
            messages = sum(one.messages for one in told) / len(told) / count
            rows.append({
                "nodes": count, "loss": loss, "updates": len(told), "node_messages": messages,
                "node_bytes": messages * frame, "missed": sum(one.missed for one in told) / len(told),
                "p50": measure.quantile(rounds, 0.5), "p99": measure.quantile(rounds, 0.99), "max": rounds[-1],
            })  # fmt: skip
            say(rows[-1])
    return rows


def soak(count: int, updates: int) -> dict[str, Any]:
    """Many nodes that lose every fifth message; links are made as they are needed."""
    started = perf_counter()
    bench = measure.Bench(count, all_linked=False)
    say({"nodes": count, "met after virtual seconds": bench.cluster.world.now, "seconds": perf_counter() - started})
    bench.set_loss(0.2)
    quiet = bench.background()
    mode = "eventually_consistent"
    row = measure.row_of(count, mode, 0.2, bench.spread(mode, updates))
    row |= {
        "background_bytes": quiet.bytes,
        "links": bench.cluster.network.open_links,
        "virtual_seconds": bench.cluster.world.now,
        "seconds": perf_counter() - started,
        "peak_mb": getrusage(RUSAGE_SELF).ru_maxrss / 1024,
    }
    say(row)
    return row


def say(row: dict[str, Any]) -> None:
    print("  ".join(f"{name} {each:.2f}" if type(each) is float else f"{name} {each}" for name, each in row.items()),
          flush=True)  # fmt: skip


def table(rows: list[dict[str, Any]], columns: dict[str, str]) -> str:
    """Markdown: a column for each key, under its title."""
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(row[key]) for key in columns) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


PER_UPDATE = {
    "nodes": "nodes", "mode": "mode", "loss": "loss", "messages": "messages in all", "bytes": "bytes in all",
    "writer_messages": "by the writer", "busiest_messages": "by the busiest", "node_messages": "by a node, mean",
    "node_bytes": "bytes by a node, mean", "node_repair_bytes": "bytes of repair by a node",
}  # fmt: skip
ROUNDS = {"nodes": "nodes", "loss": "loss", "updates": "updates", "p50": "p50", "p99": "p99", "max": "max"}
QUIET = {"nodes": "nodes", "loss": "loss", "messages": "messages", "bytes": "bytes"}


def report(results: dict[str, Any]) -> str:
    gossip = [row for row in results["measured"] if row["mode"] == "eventually_consistent"]
    per_node = ROUNDS | {"node_messages": "messages by a node", "node_bytes": "bytes by a node"}
    parts = {
        "An update": table(results["measured"], PER_UPDATE),
        "Delay in gossip rounds, real nodes": table(gossip, per_node),
        "Delay in gossip rounds, model": table(results["model"], per_node),
        "Without updates, sent by a node in a second": table(results["background"], QUIET),
    }
    return "\n\n".join(f"## {title}\n\n{body}" for title, body in parts.items()) + "\n"


def main() -> int:
    parser = ArgumentParser(prog="python -m benchmarks.dissemination")
    parser.add_argument("what", nargs="?", default="all", choices=("all", "measure", "model", "soak", "chart"))
    parser.add_argument("--nodes", help="cluster sizes, with commas")
    parser.add_argument("--updates", type=int, default=10, help="in each measurement")
    options = parser.parse_args()
    counts = [int(count) for count in options.nodes.split(",")] if options.nodes else None
    if options.what == "soak":
        for count in counts or (1000,):
            soak(count, options.updates)
        return 0
    path = RESULTS / "dissemination.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if options.what in ("all", "measure"):
        results |= measured(counts or MEASURED, options.updates)
    if options.what in ("all", "model"):
        results["model"] = modelled(counts or MODELLED)
    if counts is None:
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n")
        if len(results) == 3:
            (RESULTS / "dissemination.md").write_text(report(results))
            CHART.write_text(chart.dissemination(results))
    return 0


sys.exit(main())
