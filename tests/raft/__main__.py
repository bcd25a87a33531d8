"""`python -m tests.raft --seeds 1000 [--first 0]`: a world of pure cores for each seed, until one fails."""

import argparse
import sys
import time
import traceback

from tests.raft.world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.raft", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    started, events, acknowledged, served, leaders = time.perf_counter(), 0, 0, 0, 0
    for seed in range(options.first, options.first + options.seeds):
        world = World(seed)
        try:
            world.run()
        except Exception:
            traceback.print_exc()
            print(f"{world.faults}\n{world.options}\nat {world.now:.3f} s, event {world.events}")
            print(f"again: python -m tests.raft --seeds 1 --first {seed}")
            return 1
        events += world.events
        acknowledged += world.acknowledged
        served += world.served
        leaders += len(world.invariants.leaders)
    took = time.perf_counter() - started
    print(
        f"{options.seeds} seeds, {events:,} events, {events / took:,.0f} a second; {leaders:,} elections, "
        f"{acknowledged:,} writes acknowledged, {served:,} reads served; nothing broken"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
