"""Measures the parts named on the command line, or all, beside every peer that is installed."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import counters, curves, lists, maps, memory, node, peers, publish, sets, sync, text, worst_cases
from benchmarks.report import Report
from benchmarks.settings import FULL, QUICK

PARTS = {
    "text": text.main, "maps": maps.main, "sets": sets.main, "lists": lists.main, "counters": counters.main,
    "memory": memory.main, "curves": curves.main, "worst_cases": worst_cases.main,
    "node": node.main, "sync": sync.main,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all if none is named")
    parser.add_argument("--quick", action="store_true", help="up to 100,000 entries, fewer rounds")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results and the pages that quote them")
    parser.add_argument(
        "--traces", metavar="DIR", default=os.environ.get("NEXUS_TRACES"),
        help="where editing histories lie, as *.json.gz; or by the environment, NEXUS_TRACES",
    )  # fmt: skip
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.parts if name not in PARTS]:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(PARTS)}")
    settings = replace(QUICK if chosen.quick else FULL, traces=Path(chosen.traces).resolve() if chosen.traces else None)
    print(", ".join(f"{name} {version}" for name, version in peers.versions().items()))
    for name in chosen.parts or PARTS:
        report, about = Report(name), publish.environment(settings)
        print(f"\n{name}")
        PARTS[name](report, settings)
        if chosen.save:
            publish.save(name, report.rows, about)
    if chosen.save:
        publish.publish()
    return 0


sys.exit(main())
