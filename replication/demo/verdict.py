"""What was acknowledged against what is there: reads the journals, and what each process says it holds.

Pure but for reading the journals. What an outcome in a journal promises:

    acknowledged  on the disks of this process and of another one
    durable       on the disk of this process, and told to others
    kept          on the disk of this process; no other one said in time that it has it, too
    unknown       nothing: in memory of this process, its disk was slow
    refused       that nothing was applied
    called        nothing: the process was killed before the call returned
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

PROMISED = ("acknowledged", "durable", "kept")

# Of one process: agent id -> {"log": [names of updates], "tally": {writer: count}}.
Contents = Mapping[str, Mapping[str, Any]]


class Call(NamedTuple):
    """An update that was called for, and the last that is known of it."""

    agent_id: str
    mode: str
    outcome: str


def read_journals(directory: Path) -> dict[str, Call]:
    """All calls by the names of their updates. A line cut short by a kill was not said."""
    calls: dict[str, Call] = {}
    for path in sorted(directory.glob("*.journal")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                update, *call = line.split()
                calls[update] = Call(*call)
    return calls


def logs(contents: Contents) -> Counter[tuple[str, str]]:
    """How often each (agent id, update) is there."""
    return Counter((agent_id, update) for agent_id, held in contents.items() for update in held["log"])


def missing_while_dead(calls: Mapping[str, Call], run: str, survivors: Iterable[Contents]) -> tuple[int, int]:
    """Of a killed run's updates that another disk had acknowledged: how many, and how many no survivor can read."""
    there: set[tuple[str, str]] = set()
    for contents in survivors:
        there.update(logs(contents))
    acknowledged = [
        (call.agent_id, update)
        for update, call in calls.items()
        if update.startswith(run) and call.outcome == "acknowledged"
    ]
    return len(acknowledged), sum(each not in there for each in acknowledged)


class Verdict(NamedTuple):
    """The figures, and what is wrong."""

    outcomes: Counter[tuple[str, str]]  # (mode, outcome)
    found: dict[str, int]  # by process: promised updates that are there
    promised: int
    unpromised: int  # called, and promised nothing
    unpromised_found: int
    problems: list[str]


def judge(
    calls: Mapping[str, Call], contents: Mapping[str, Contents], digests: Mapping[str, Mapping[str, str]]
) -> Verdict:
    """Compare; `contents` and `digests` are by process."""
    promised = {(call.agent_id, update) for update, call in calls.items() if call.outcome in PROMISED}
    open_ended = {(call.agent_id, update) for update, call in calls.items() if call.outcome in ("unknown", "called")}
    found: dict[str, int] = {}
    unpromised_found = 0
    problems: list[str] = []
    for name, held in contents.items():
        there = logs(held)
        found[name] = sum(each in there for each in promised)
        unpromised_found = sum(each in there for each in open_ended)
        problems += _of_one(name, there, held, promised, open_ended)
    problems += _of_all(digests)
    outcomes = Counter((call.mode, call.outcome) for call in calls.values())
    return Verdict(outcomes, found, len(promised), len(open_ended), unpromised_found, problems)


def _of_one(
    name: str,
    there: Counter[tuple[str, str]],
    held: Contents,
    promised: set[tuple[str, str]],
    open_ended: set[tuple[str, str]],
) -> Iterable[str]:
    missing = sorted(promised - set(there))
    if missing:
        yield f"{name} lacks {len(missing):,} updates that were promised, such as {missing[0][1]}"
    twice = sorted(each for each, times in there.items() if times > 1)
    if twice:
        yield f"{name} has {len(twice):,} updates more than once, such as {twice[0][1]}"
    strange = sorted(set(there) - promised - open_ended)
    if strange:
        yield f"{name} has {len(strange):,} updates that were refused or never made, such as {strange[0][1]}"
    for agent_id, fields in held.items():
        noted = Counter(update.partition(".")[0] for update in fields["log"])
        if noted != Counter(fields["tally"]):
            yield f"{name}: the log of {agent_id} has {dict(noted)}, its tally {fields['tally']}: half an update"


def _of_all(digests: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    for agent_id in sorted({agent_id for each in digests.values() for agent_id in each}):
        held = {name: each.get(agent_id, "nothing") for name, each in digests.items()}
        if len(set(held.values())) > 1:
            yield f"{agent_id} is not the same everywhere: {held}"
