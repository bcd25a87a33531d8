"""Editing histories that texts are measured on.

Real ones are read from a directory: the editing-traces collection by Joseph Gentle and others (CC BY 4.0), gzipped
JSON. Without them there is the one that `replication.typing_trace` makes up.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from replication.typing_trace import Patch, TraceError, load, type_text

# Figures are asked of these by name.
NAMED = ("automerge-paper", "sveltecomponent", "friendsforever")


class History(NamedTuple):
    name: str
    patches: list[Patch]

    def inserted(self) -> int:
        """Bytes of all text that was ever typed."""
        return sum(len(text.encode()) for _, _, text in self.patches)


def typing(edits: int) -> History:
    return History("typing, made up", list(type_text(edits, seed=1)))


def files(directory: Path | None) -> list[Path]:
    return sorted(directory.glob("*.json.gz")) if directory else []


def missing(directory: Path | None) -> list[str]:
    """Those that figures are asked of and that are not there."""
    there = {name_of(path) for path in files(directory)}
    return [name for name in NAMED if name not in there]


def name_of(path: Path) -> str:
    return path.name.removesuffix(".json.gz")


def sequential(directory: Path | None) -> Iterator[History]:
    """The histories of one writer, each as it comes up."""
    for path in files(directory):
        try:
            patches, _ = load(path)
        except TraceError:
            continue  # of several writers
        yield History(name_of(path), patches)


def find(name: str, directory: Path | None, edits: int) -> History:
    """One by its name; of the made-up one, so many edits."""
    return next((each for each in sequential(directory) if each.name == name), None) or typing(edits)


# --- histories of several writers

EDIT, DELIVER = "edit", "deliver"


class Concurrent(NamedTuple):
    """What `writers` replicas do, in an order in which each has what it builds on.

    Steps are (EDIT, writer, patches), which makes the next transaction, and (DELIVER, writer, transaction).
    """

    name: str
    writers: int
    steps: list[tuple[str, int, Any]]
    transactions: int
    end: str


def concurrent(directory: Path | None) -> Iterator[Concurrent]:
    """The histories of several writers, with every transaction brought to every writer."""
    for path in files(directory):
        trace = json.loads(gzip.decompress(path.read_bytes()))
        if trace.get("kind") == "concurrent":
            yield exchange(name_of(path), trace)


def exchange(name: str, trace: dict[str, Any]) -> Concurrent:
    """Have each writer receive what a transaction of his was made on, just before he makes it.

    Positions fit only if a writer then holds exactly the ancestors of the transaction.
    """
    transactions, writers = trace["txns"], trace["numAgents"]
    holds: list[set[int]] = [set() for _ in range(writers)]
    steps: list[tuple[str, int, Any]] = []

    def receive(writer: int, number: int) -> None:
        """A transaction and all below it that the writer lacks, oldest first."""
        wanted, waiting = [], [number]
        while waiting:
            each = waiting.pop()
            if each not in holds[writer]:
                holds[writer].add(each)
                wanted.append(each)
                waiting += transactions[each]["parents"]
        steps.extend((DELIVER, writer, each) for each in sorted(wanted))

    for number, transaction in enumerate(transactions):
        writer = transaction["agent"]
        for parent in transaction["parents"]:
            receive(writer, parent)
        steps.append((EDIT, writer, [tuple(patch) for patch in transaction["patches"]]))
        holds[writer].add(number)
    for writer in range(writers):
        receive(writer, len(transactions) - 1)
        for number in range(len(transactions)):
            receive(writer, number)
    return Concurrent(name, writers, steps, len(transactions), trace["endContent"])
