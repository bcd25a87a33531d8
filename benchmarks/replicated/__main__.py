"""Strong updates in three processes on loopback, beside etcd and PySyncObj.

    python -m benchmarks.replicated [--rounds 5] [--seconds 4] [--systems nexus-state etcd] [--cases one] [--save]

Every system runs alone: it is started for a case, measured and ended, and then the next one is. All of that is done
again and again, so that what else the machine does meets all of them. A system that is not installed is named, and
left out.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from contextlib import closing
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.replicated import etcd
from benchmarks.replicated.cases import CASES, ONE_CALLER, Case
from benchmarks.replicated.etcd import Etcd
from benchmarks.replicated.floor import measure_floor
from benchmarks.replicated.nexus_state import NexusState
from benchmarks.replicated.pysyncobj_peer import PySyncObj
from benchmarks.replicated.report import Results, save, table

ROOT = Path(__file__).parents[2]
# Between the start of a system and the death of its leader.
SETTLE_SECONDS = 1.0
OURS, ETCD, PYSYNCOBJ = "nexus-state", "etcd", "PySyncObj"


class System(NamedTuple):
    """start   in a directory, to have up to so many callers
    reads   whether it has linearizable reads
    """

    name: str
    of: str
    start: Callable[[Path, int], Any]
    reads: bool = True


SYSTEMS = (
    System("nexus-state, at the leader", OURS, lambda path, _: NexusState(path, "leader")),
    System("nexus-state, at a follower", OURS, lambda path, _: NexusState(path, "follower")),
    System("etcd", ETCD, lambda path, _: Etcd(path)),
    System("PySyncObj", PYSYNCOBJ, PySyncObj, reads=False),
)
# To have their leaders killed: the defaults, and what elects sooner.
KILLED = (
    System("nexus-state, election timeout 1.0 s (default)", OURS, lambda path, _: NexusState(path)),
    System("etcd, election timeout 1.0 s (default)", ETCD, lambda path, _: Etcd(path)),
    System("PySyncObj, 0.4 to 1.4 s (default)", PYSYNCOBJ, PySyncObj),
    System("nexus-state, election timeout 0.3 s", OURS, lambda path, _: NexusState(path, election_timeout=0.3)),
    System("etcd, election timeout 0.3 s", ETCD, lambda path, _: Etcd(path, election_timeout=0.3)),
)


def installed(wanted: list[str]) -> tuple[dict[str, str], list[str]]:
    """The versions of what was asked for, and what of it is missing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found, missing = {OURS: project["version"]}, []
    for name, look, what in (
        (ETCD, lambda: f"{etcd.version()}, aetcd {version('aetcd')}", "the package etcd-server, and the extra"),
        (PYSYNCOBJ, lambda: version("pysyncobj"), "the extra"),
    ):
        try:
            found[name] = look()
        except (OSError, subprocess.CalledProcessError, PackageNotFoundError) as error:
            if name in wanted:
                missing.append(f"{name} ({type(error).__name__}: {error}); install {what} bench-replication")
    return {name: each for name, each in found.items() if name in wanted}, missing


def attempt(results: Results, system: System, what: str, run: Callable[[Path], None]) -> None:
    """In a directory of its own. What fails is said, and does not end the others."""
    with tempfile.TemporaryDirectory() as path:
        try:
            run(Path(path))
        except (RuntimeError, EOFError, TimeoutError) as error:
            results.failed.append(f"{system.name}, {what}: {type(error).__name__}: {error}")
            print(f"FAILED {results.failed[-1]}", file=sys.stderr, flush=True)


def measure(results: Results, system: System, case: Case, seconds: float, path: Path) -> None:
    floor = measure_floor(path) if case is ONE_CALLER else None
    with closing(system.start(path, case.callers)) as started:
        started.wait_until_led()
        figures = started.measure(case, seconds)
    results.figures[case.name, system.name].append(figures)
    if floor is not None:
        results.floors[system.name].append(floor)
    print(f"{case.name:27} {system.name:28} {figures.per_second:9,.0f}/s {figures.median_ms:8.2f} ms", file=sys.stderr)


def kill(results: Results, system: System, path: Path) -> None:
    with closing(system.start(path, 1)) as started:
        started.wait_until_led()
        time.sleep(SETTLE_SECONDS)
        started.wait_until_led()  # by another perhaps
        seconds = started.kill_leader()
    results.killed[system.name].append(seconds)
    print(f"{'leader killed':27} {system.name:45} {seconds:.2f} s", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often all of it is done")
    parser.add_argument("--seconds", type=float, default=4.0, help="that count, of each run")
    parser.add_argument("--systems", nargs="+", choices=(OURS, ETCD, PYSYNCOBJ), default=[OURS, ETCD, PYSYNCOBJ])
    parser.add_argument("--cases", nargs="+", default=[""], help="words of the names of cases")
    parser.add_argument("--save", action="store_true", help="in benchmarks/results")
    options = parser.parse_args()
    versions, missing = installed(options.systems)
    for each in missing:
        print(f"MISSING {each}", file=sys.stderr)
    results = Results(versions, missing, options.rounds, options.seconds)
    cases = [case for case in CASES if any(word in case.name for word in options.cases)]
    for number in range(options.rounds):
        for case in cases:
            for system in turned(SYSTEMS, number):
                if system.of in versions and (system.reads or not case.reads):
                    attempt(results, system, case.name, partial(measure, results, system, case, options.seconds))
        for system in turned(KILLED, number) if any(word in "leader killed" for word in options.cases) else ():
            if system.of in versions:
                attempt(results, system, "leader killed", partial(kill, results, system))
    print(table(results))
    if options.save:
        save(results, ROOT / "benchmarks" / "results")


def turned(systems: tuple[System, ...], by: int) -> tuple[System, ...]:
    """So that none is always the first."""
    by %= len(systems)
    return systems[by:] + systems[:by]


if __name__ == "__main__":
    main()
