"""What an entry takes, of every type, beside the plain Python container that holds the same.

Each figure is the growth in resident memory of a process of its own, which makes keys and values anew, so that every
container pays for what it keeps; where a shape says that the program keeps the keys, they were there before. Small
containers are built many times. `sys.getsizeof` is held against that growth.

Metadata is what is left when the bytes of keys and values are taken away: 8 for a number, one for each character. A
plain container has it too: headers of objects, pointers, a table with room to grow.
"""

from collections.abc import Iterator
from typing import Any

import replication
from benchmarks.fresh import grown, return_freed
from benchmarks.memory_cases import CASES, COMPOSITE, WRITERS, Agent, Case, write_agent
from benchmarks.peers import loro
from benchmarks.report import Report
from benchmarks.settings import Settings

# Together, the copies of a small container have so many entries.
TOGETHER = 100_000


def sizes_of(case: Case, settings: Settings) -> list[int]:
    return {
        "all": [5, 10, *settings.sizes],
        "middle": [settings.middle],
        "nested": [min(settings.largest, 500_000)],
        "one": [1],
        "writers": [WRITERS],
    }[case.sizes]


def copies_of(n: int, most: int) -> int:
    """How many containers a process has."""
    return max(1, min(TOGETHER, most) // n)


def kept(contender: str, number: int, n: int, copies: int, rehearsal: bool = False) -> Iterator[Any]:
    """Containers of a case."""
    case = CASES[number]
    if contender == "loro":
        yield
        yield case.loro(10 if rehearsal else n)
        return
    make, fill = case.ours if contender == "ours" else case.plain
    if rehearsal:
        n, copies = min(n, 10), 1
    given = [case.before(n)] if case.before else []
    yield
    containers = []
    for _ in range(copies):
        container = make()
        fill(container, n, *given)
        containers.append(container)
    yield containers


def node_with_agents(n: int, rehearsal: bool = False) -> Iterator[Any]:
    """A node that keeps all agents, most of them as the bytes they would have on a disk."""
    with replication.open(None, schema=Agent) as node:
        node.update_state("first", lambda agent: write_agent(agent, 1))
        yield
        for number in range(10 if rehearsal else n):
            node.update_state(f"agent-{number}", lambda agent: write_agent(agent, 1))
        node.flush()
        return_freed()
        yield node


def main(report: Report, settings: Settings) -> None:
    for number, case in enumerate(CASES):
        for n in sizes_of(case, settings):
            entries(report, settings, number, n)
    agents = settings.largest
    at_rest = grown(node_with_agents, agents).resident / agents
    report.amount(
        COMPOSITE, "bytes an agent", at_rest, judged="bound", asked=400 if agents >= 1_000_000 else None,
        on="at rest in a node in memory", n=agents,
    )  # fmt: skip


def entries(report: Report, settings: Settings, number: int, n: int) -> None:
    """A row; beside the figures, what of them is metadata, and whether Python is told the truth."""
    case = CASES[number]
    copies = copies_of(n, settings.largest)
    ours, plain = (grown(kept, which, number, n, copies) for which in ("ours", "plain"))
    each, beside = (one.resident / n / copies for one in (ours, plain))
    extra = {
        "metadata, ours": f"{each - case.data:.1f}",
        "metadata, peer": f"{beside - case.data:.1f}",
        "sys.getsizeof by resident": f"{ours.told / ours.resident:.2f}" if ours.resident else "",
    }
    unit = "bytes an entry" if case.sizes != "one" else "bytes"
    asked, judged = case.asked(n), "share"
    if case.what == COMPOSITE:
        asked, judged = 400, "bound"
    report.amount(
        case.what, unit, each, beside, peer=case.peer, judged=judged, asked=asked, on=case.shape, n=n, extra=extra
    )  # fmt: skip
    if loro and case.loro and n == max(sizes_of(case, settings)):
        beside = grown(kept, "loro", number, n, 1).resident / n
        asked = 0.3 if case.what == "LWWMap" and n >= 1_000_000 else None
        report.amount(case.what, unit, each, beside, peer="loro", asked=asked, on=case.shape, n=n)
