"""What came of all runs: medians, and between which two figures the others are."""

import json
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.replicated.cases import CASES, ONE_CALLER, Figures
from benchmarks.replicated.floor import Floor


class Results:
    """versions  of the systems that were measured
    missing   the systems that were to be, with the reason
    failed    runs that brought nothing, with the reason
    figures   of each run, by case and system
    floors    measured just before the runs of one caller, by system
    killed    seconds until a write succeeded again, by system
    load      processes that others kept busy, in the minute before
    """

    def __init__(self, versions: dict[str, str], missing: list[str], rounds: int, seconds: float) -> None:
        self.versions = versions
        self.missing = missing
        self.rounds = rounds
        self.seconds = seconds
        self.load = os.getloadavg()[0]
        self.failed: list[str] = []
        self.figures: defaultdict[tuple[str, str], list[Figures]] = defaultdict(list)
        self.floors: defaultdict[str, list[Floor]] = defaultdict(list)
        self.killed: defaultdict[str, list[float]] = defaultdict(list)

    @property
    def systems(self) -> list[str]:
        return list(dict.fromkeys(system for _, system in self.figures))

    @property
    def cases(self) -> list[str]:
        return [case.name for case in CASES if any(case.name == name for name, _ in self.figures)]


def spread(values: Sequence[float], form: str) -> str:
    """The median, and the lowest and the highest."""
    if not values:
        return "-"
    middle, low, high = (format(each, form) for each in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"


def table(results: Results) -> str:
    """As Markdown."""
    parts = [_case_rows(results), _floor_rows(results), _killed_rows(results)]
    notes = [f"**MISSING, and not measured:** {each}" for each in results.missing]
    notes += [f"**FAILED:** {each}" for each in results.failed]
    return "\n\n".join([*notes, *(part for part in parts if part)]) + "\n"


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) if rows else ""


def _case_rows(results: Results) -> str:
    """Calls a second; of one caller, milliseconds."""
    rows = []
    for case in results.cases:
        is_one = case == ONE_CALLER.name
        row = [case + (", ms" if is_one else ", a second")]
        for system in results.systems:
            runs = results.figures.get((case, system), [])
            values = [run.median_ms if is_one else run.per_second for run in runs]
            row.append(spread(values, ".2f" if is_one else ",.0f"))
        rows.append(row)
    return _rows(["", *results.systems], rows)


def _floor_rows(results: Results) -> str:
    """One caller beside the floor that was measured just before."""
    rows = []
    for system, floors in results.floors.items():
        took = [run.median_ms for run in results.figures[ONE_CALLER.name, system]]
        times = [each / floor.update_ms for each, floor in zip(took, floors, strict=True)]
        rows.append(
            [
                system,
                spread(took, ".2f"),
                spread([floor.update_ms for floor in floors], ".2f"),
                spread([floor.fsync_ms for floor in floors], ".2f"),
                spread([floor.round_trip_ms for floor in floors], ".3f"),
                spread(times, ".2f"),
            ]
        )
    head = ["one caller", "ms", "two fsyncs and two round trips, ms", "one fsync, ms", "one round trip, ms", "times"]
    return _rows(head, rows)


def _killed_rows(results: Results) -> str:
    rows = [[name, spread(values, ".2f"), str(len(values))] for name, values in results.killed.items()]
    return _rows(["leader killed", "seconds until a write succeeds", "times"], rows)


def save(results: Results, folder: Path) -> None:
    """As replicated.json, every run, and replicated.md."""
    machine = {"processors": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}
    runs = [
        {"case": case, "system": system, **figures._asdict()}
        for (case, system), all_figures in results.figures.items()
        for figures in all_figures
    ]
    floors = [{"system": system, **floor._asdict()} for system, each in results.floors.items() for floor in each]
    content = {
        "machine": machine,
        "load before": results.load,
        "versions": results.versions,
        "missing": results.missing,
        "failed": results.failed,
        "seconds": results.seconds,
        "runs": runs,
        "floors": floors,
        "leader killed": results.killed,
    }
    (folder / "replicated.json").write_text(json.dumps(content, indent=1) + "\n")
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    (folder / "replicated.md").write_text(
        "# Strong updates, three processes on loopback\n\n"
        f"{versions}; Python {machine['python']}, {machine['processors']} processors that callers and all three share, "
        f"with a load of {results.load:.1f} by others before. "
        f"{results.rounds} rounds, {results.seconds} s of each run; medians, and the lowest to the highest. Made by "
        "`make bench-replication`; what is compared, and how fairly, is in [the page on benchmarks](../README.md).\n\n"
        + table(results)
    )
