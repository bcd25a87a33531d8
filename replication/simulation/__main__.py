"""`python -m replication.simulation`: many seeds, or one of them in words.

python -m replication.simulation --seeds 1000              seeds 0 to 999
python -m replication.simulation --seeds 1000 --first 5000 --jobs 2
python -m replication.simulation --seed 12345 --trace      one seed, every event of it
"""

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from logging import NullHandler, getLogger
from multiprocessing import get_context
from time import perf_counter

from replication.simulation.run import Outcome, run
from replication.simulation.world import Trace

# A failing seed's events that are shown.
_LAST_EVENTS = 30


class Result:
    """What became of a seed, in a form that another process can hand over."""

    def __init__(self, seed: int, outcome: Outcome | None, error: str) -> None:
        self.seed = seed
        self.outcome = outcome
        self.error = error


def attempt(seed: int, trace: Trace | None = None) -> Result:
    """Run a seed; what went wrong in it is in the result."""
    try:
        return Result(seed, run(seed, trace=trace), "")
    except Exception as error:  # whatever it is, it is what was looked for
        return Result(seed, None, f"{type(error).__name__}: {error}")


def attempt_all(seeds: range, jobs: int) -> Iterator[Result]:
    if jobs == 1:
        yield from map(attempt, seeds)
        return
    with get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(attempt, seeds, chunksize=8)


def explain(result: Result) -> str:
    """A failure with its reproduction and its last events, for which the seed is run again."""
    trace = Trace(keep=_LAST_EVENTS)
    again = attempt(result.seed, trace)
    lines = [
        f"seed {result.seed}: {result.error}",
        f"  python -m replication.simulation --seed {result.seed} --trace",
        *(f"  | {line}" for line in trace.last),
    ]
    if again.error != result.error:
        lines.append(
            f"  run again it ended otherwise, so something is not decided by the seed: {again.error or 'well'}"
        )
    return "\n".join(lines)


def run_many(options: Namespace) -> int:
    started, failures = perf_counter(), 0
    total: Counter[str] = Counter()
    recovered: list[float] = []
    seeds = range(options.first, options.first + options.seeds)
    for done, result in enumerate(attempt_all(seeds, options.jobs), 1):
        if result.outcome is None:
            failures += 1
            print(explain(result), flush=True)
            if failures >= options.failures_max:
                break
        else:
            _add_up(total, result.outcome)
            recovered.append(result.outcome.recovered_within)
        if done % 100 == 0 or done == len(seeds):
            rate = done / (perf_counter() - started)
            print(f"{done} seeds, {failures} failed, {rate:.1f} a second", flush=True)
    _print_total(total, sorted(recovered))
    return 1 if failures else 0


def _add_up(total: Counter[str], outcome: Outcome) -> None:
    total.update(events=outcome.events, frames=outcome.frames, operations=outcome.operations)
    for words in (outcome.outcomes, outcome.strikes, outcome.looks):
        total.update(words)


def _print_total(total: Counter[str], recovered: list[float]) -> None:
    print("  ".join(f"{word} {count}" for word, count in total.items()))
    if recovered:
        p50, p99 = recovered[len(recovered) // 2], recovered[len(recovered) * 99 // 100]
        print(f"all agreed {p50:.2f} s after the last fault in half of the runs, {p99:.2f} s in 99 of 100")


def run_one(options: Namespace) -> int:
    trace = Trace(keep=0 if options.trace else _LAST_EVENTS, show=print if options.trace else None)
    result = attempt(options.seed, trace)
    if result.outcome is not None:
        print(result.outcome)
        return 0
    for line in trace.last:
        print(line)
    print(f"seed {result.seed}: {result.error}")
    return 1


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="python -m replication.simulation", description="simulate clusters under faults")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the work")
    parser.add_argument("--failures-max", type=int, default=5, help="failing seeds after which to stop")
    parser.add_argument("--seed", type=int, help="run this seed alone")
    parser.add_argument("--trace", action="store_true", help="with --seed: print every event")
    options = parser.parse_args(arguments)
    # What nodes log is about faults that are meant to be; the trace has what matters.
    getLogger("replication").addHandler(NullHandler())
    return run_many(options) if options.seed is None else run_one(options)


if __name__ == "__main__":
    sys.exit(main())
