"""Runs the benchmarks named on the command line, or all."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import maps, node, sync, text
from benchmarks.report import Report
from benchmarks.settings import FULL, QUICK

PARTS = {"text": text.main, "maps": maps.main, "node": node.main, "sync": sync.main}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which: {', '.join(PARTS)}; all if left out")
    parser.add_argument("--quick", action="store_true", help="up to 100,000 entries, fewer rounds")
    parser.add_argument("--traces", type=Path, default=os.environ.get("NEXUS_TRACES"), metavar="DIR")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.parts if name not in PARTS]:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(PARTS)}")
    settings = replace(QUICK if chosen.quick else FULL, traces=chosen.traces and Path(chosen.traces))
    report = Report()
    for name in chosen.parts or PARTS:
        report.part = name
        print(f"\n{name}")
        PARTS[name](report, settings)
    return 0


sys.exit(main())
