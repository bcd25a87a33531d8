"""Many runs, each from its seed: python -m tests.strong --seeds 1000 [--first 0]."""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.strong.runs import run


def verdict(seed: int) -> tuple[int, str, dict[str, int]]:
    try:
        return seed, "", run(seed)
    except Exception as error:
        return seed, f"{type(error).__name__}: {error}", {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    failed, total = 0, Counter[str]()
    with ProcessPoolExecutor(options.jobs) as pool:
        for seed, problem, outcomes in pool.map(verdict, range(options.first, options.first + options.seeds)):
            total.update(outcomes)
            if problem:
                failed += 1
                print(f"python -m tests.strong --seeds 1 --first {seed}   # {problem[:1500]}", flush=True)
    print(f"{options.seeds} seeds, {failed} failed: {dict(total)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
