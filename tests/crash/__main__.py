"""`python -m tests.crash --kills 1000 [--seed N] [--path DIRECTORY]`: SIGKILL at random moments under load."""

import argparse
import sys
import tempfile
import time

from tests.crash.harness import Broken, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--path", help="a directory that does not exist yet; it is kept (default: a temporary one)")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        try:
            harness = run(options.path or f"{directory}/store", options.kills, options.seed, progress=True)
        except Broken as broken:
            print(f"BROKEN: {broken}\nagain: python -m tests.crash --kills {options.kills} --seed {options.seed}")
            return 1
    counts = harness.counts
    print(f"seed {options.seed}: {counts['kills']} kills in {time.monotonic() - started:.0f} s, nothing promised lost")
    print(f"  durable updates acknowledged  {counts['acked']}, all found")
    print(f"  dots given out                {counts['dot']} under {counts['writers']} writer names, none twice")
    print(f"  deltas that left the node     {counts['delta']}, all agree with the store")
    print(f"  store in the end              {counts['bytes']} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
