"""`python -m tests.chaos --seconds 600 [--nodes 4] [--seed N] [--mode crdt_enhanced] [--faults kill,stop]`

Real processes with real disks under SIGKILL, SIGSTOP, full disks, and a network that is cut, delayed, throttled, reset
and damaged. In the end all are equal, and everything that was promised is there, once.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.child import Broken
from tests.chaos.plan import WEIGHTS
from tests.chaos.planted import PLANTED
from tests.chaos.run import Options, Run

# Of the calls that need no other node, so many are answered well within a second.
AVAILABLE = 0.999
MODES = ("mixed", "reactive", "eventually_consistent", "crdt_enhanced")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--nodes", type=int, default=4, choices=(3, 4, 5), help="the last two share a directory")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--mode", default="mixed", choices=MODES)
    parser.add_argument("--faults", default=",".join(WEIGHTS), help="which, with commas; empty for none")
    parser.add_argument("--rate", type=float, default=60.0, help="updates a second of each process, about")
    parser.add_argument("--quiet", type=float, default=180.0, help="seconds in which all must agree in the end")
    parser.add_argument("--path", help="a directory that does not exist yet; it is kept (default: a temporary one)")
    parser.add_argument("--plant", default="", choices=("", *PLANTED), help="a mistake for the processes to make")
    options = parser.parse_args()
    kinds = tuple(kind.strip() for kind in options.faults.split(",") if kind.strip())
    if unknown := set(kinds) - WEIGHTS.keys():
        parser.error(f"no faults: {', '.join(sorted(unknown))}; there are {', '.join(WEIGHTS)}")
    path = options.path or tempfile.mkdtemp(prefix="chaos-")
    Path(path).mkdir(parents=True, exist_ok=True)
    run = Options(
        path,
        options.seconds,
        options.nodes,
        options.seed,
        kinds,
        options.mode,
        options.rate,
        options.quiet,
        options.plant,
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
    run = Run(options)
    await run.live()
    if options.seconds >= 60 and run.books.available() < AVAILABLE:
        print("\n".join(run.report()))
        raise Broken(f"{100 * run.books.available():.3f} % of the calls that need no other node were answered in time")
    return run.report()


def again(options: argparse.Namespace) -> str:
    return (
        f"python -m tests.chaos --seconds {options.seconds:.0f} --nodes {options.nodes} --seed {options.seed} "
        f"--mode {options.mode} --rate {options.rate:.0f} --faults {options.faults!r}"
    )


if __name__ == "__main__":
    sys.exit(main())
