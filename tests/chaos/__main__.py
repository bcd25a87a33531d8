"""`python -m tests.chaos --seconds 600 [--nodes 4] [--seed N] [--mode crdt_enhanced] [--faults kill,stop]`

Real processes with real disks under SIGKILL, SIGSTOP, full disks, and a network that is cut, delayed, throttled, reset
and damaged. In the end all are equal, and everything that was promised is there, once. With `--mode replicated`, clocks
jump, voters change, leaders are killed, stopped and cut off more than others, and all answers are those of one copy.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.child import Broken
from tests.chaos.plan import BETWEEN, STRONG_BETWEEN, STRONG_WEIGHTS, WEIGHTS
from tests.chaos.planted import PLANTED, STRONG_PLANTED
from tests.chaos.run import Options, Run
from tests.chaos.strong import StrongRun

# Of the calls that need no other node, so many are answered well within a second.
AVAILABLE = 0.999
NODES = "the last two share a directory; with --mode replicated none do, 3 or 5 vote, and a fourth learns"
MODES = ("mixed", "reactive", "eventually_consistent", "crdt_enhanced", "replicated")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument(
        "--nodes",
        type=int,
        default=4,
        choices=(3, 4, 5),
        help="in weaker modes, the last two share a directory; in replicated, a fourth learns",
    )
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--mode", default="mixed", choices=MODES)
    parser.add_argument("--faults", help="which, with commas; empty for none (default: all that the mode has)")
    parser.add_argument("--rate", type=float, help="calls a second of each process, about (60, replicated: 20)")
    parser.add_argument("--between", type=float, help="seconds from one fault to the next, in the mean")
    parser.add_argument("--quiet", type=float, default=180.0, help="seconds in which all must agree in the end")
    parser.add_argument("--path", help="a directory that does not exist yet; it is kept (default: a temporary one)")
    parser.add_argument(
        "--plant", default="", choices=("", *PLANTED, *STRONG_PLANTED), help="a mistake for the processes to make"
    )
    options = parser.parse_args()
    is_strong = options.mode == "replicated"
    weights = STRONG_WEIGHTS if is_strong else WEIGHTS
    options.rate = options.rate or (20.0 if is_strong else 60.0)
    options.between = options.between or (STRONG_BETWEEN if is_strong else BETWEEN)
    options.faults = ",".join(weights) if options.faults is None else options.faults
    kinds = [kind.strip() for kind in options.faults.split(",") if kind.strip()]
    if unknown := set(kinds) - weights.keys():
        parser.error(f"no faults: {', '.join(sorted(unknown))}; there are {', '.join(weights)}")
    path = options.path or tempfile.mkdtemp(prefix="chaos-")
    Path(path).mkdir(parents=True, exist_ok=True)
    run = Options(
        path,
        options.seconds,
        options.nodes,
        options.seed,
        {kind: weights[kind] for kind in kinds},
        options.mode,
        options.rate,
        options.quiet,
        options.plant,
        options.between,
    )
    try:
        print("\n".join(asyncio.run(_live(run))))
    except Broken as broken:
        print(f"BROKEN: {broken}\nevents and directories: {path}\nagain: {again(options)}")
        return 1
    if not options.path:
        shutil.rmtree(path)
    return 0


async def _live(options: Options) -> list[str]:
    is_strong = options.mode == "replicated"
    run = StrongRun(options) if is_strong else Run(options)
    await run.live()
    if not is_strong and options.seconds >= 60 and run.books.available() < AVAILABLE:
        print("\n".join(run.report()))
        raise Broken(f"{100 * run.books.available():.3f} % of the calls that need no other node were answered in time")
    return run.report()


def again(options: argparse.Namespace) -> str:
    return (
        f"python -m tests.chaos --seconds {options.seconds:.0f} --nodes {options.nodes} --seed {options.seed} "
        f"--mode {options.mode} --rate {options.rate:.0f} --between {options.between} --faults {options.faults!r}"
    )


if __name__ == "__main__":
    sys.exit(main())
