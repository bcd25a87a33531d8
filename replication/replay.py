"""A workload to watch: agents in one process change durable state, the process is killed, nothing promised is lost.

An editing history is replayed through `Node.update_state`, one call a patch. Other agents live on
the same stream: each finished word is a flag, a setting, a line in a log and a change of a balance.
A child process does the work and says over a pipe what it was promised; the parent kills it midway
(SIGKILL), opens the directory, and compares every agent with a model in plain Python that is built
from the history alone. A second child continues from what was found.

`run` is the parent, `work` the child; `nexus-state replay` calls the first.
"""

import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import replication
from crdt import Composite, GCounter, GSet, LWWMap, OpBasedList, PNCounter, Text
from replication import typing_trace
from replication.replay_report import Progress, Report, agent_memory
from replication.typing_trace import Patch

DURABLE_EVERY = 5_000  # one call in so many waits for the disk
FLUSH_EVERY = 50_000  # and so often the whole node is flushed
REPORT_EVERY = 4_000
LATENCY_SAMPLE = 8  # one latency in so many travels to the parent
COUNT_EVERY = 16  # the editor counts its updates in steps, so as not to break up its runs of typing


class Workspace(Composite):
    """What each agent keeps. `counters` counts the agent's own updates, the editor's in steps."""

    counters: GCounter
    flags: GSet
    config: LWWMap
    logs: OpBasedList
    text: Text
    balance: PNCounter


# (agent, arguments of its change)
Event = tuple[str, tuple[Any, ...]]
AGENTS = ("editor", "lexicon", "settings", "journal", "ledger")


def events(patches: Iterable[Patch]) -> Iterator[Event]:
    """The stream of updates that a history gives: a patch for the editor, each word for the others."""
    word, expected, balance = "", -1, 0
    for number, (position, deleted, inserted) in enumerate(patches, 1):
        yield "editor", (position, deleted, inserted, 0 if number % COUNT_EVERY else COUNT_EVERY)
        balance += len(inserted) - deleted
        if position == expected and not deleted and len(inserted) == 1 and inserted.isalnum():
            word += inserted
        else:
            if len(word) > 1:
                yield "lexicon", (word,)
                yield "settings", (word, position)
                yield "journal", (number, word)
                yield "ledger", (balance,)
                balance = 0
            word = inserted if inserted.isalnum() else ""
        expected = position + len(inserted)
    yield "ledger", (balance,)


# --- the two sides that must agree: the state, and a model that knows nothing of it


def change(event: Event) -> Callable[[Workspace], None]:
    """The `update_fn` of an event."""
    agent, arguments = event

    def apply(state: Workspace) -> None:
        match agent:
            case "editor":
                state.text.apply((arguments[:3],))
                if arguments[3]:
                    state.counters.increment(arguments[3])
                return
            case "lexicon":
                state.flags.add(arguments[0])
            case "settings":
                state.config[arguments[0]] = arguments[1]
            case "journal":
                state.logs.append(list(arguments))
            case "ledger":
                (state.balance.increment if arguments[0] >= 0 else state.balance.decrement)(abs(arguments[0]))
        state.counters.increment()

    return apply


class Model:
    """The same agents in plain Python containers, as of the first `limits[agent]` updates of each."""

    def __init__(self, stream: Iterable[Event], limits: dict[str, int] | None = None) -> None:
        self.updates: Counter[str] = Counter()
        self.flags: set[str] = set()
        self.config: dict[str, int] = {}
        self.logs: list[list[Any]] = []
        self.balance = 0
        # Two stacks with the cursor between them: an edit costs its distance from the last one.
        before: list[str] = []
        after: list[str] = []
        for agent, arguments in stream:
            if limits is not None and self.updates[agent] >= limits[agent]:
                continue
            self.updates[agent] += 1
            match agent:
                case "editor":
                    splice(before, after, *arguments[:3])
                case "lexicon":
                    self.flags.add(arguments[0])
                case "settings":
                    self.config[arguments[0]] = arguments[1]
                case "journal":
                    self.logs.append(list(arguments))
                case "ledger":
                    self.balance += arguments[0]
        self.text = "".join(before) + "".join(reversed(after))

    def value(self, agent: str) -> dict[str, Any]:
        """What `read_state(agent).value` must be."""
        step = COUNT_EVERY if agent == "editor" else 1
        value: dict[str, Any] = {"flags": set(), "config": {}, "logs": [], "text": "", "balance": 0}
        value["counters"] = self.updates[agent] // step * step
        return value | self.content(agent)

    def content(self, agent: str) -> dict[str, Any]:
        contents: dict[str, dict[str, Any]] = {
            "editor": {"text": self.text},
            "lexicon": {"flags": self.flags},
            "settings": {"config": self.config},
            "journal": {"logs": self.logs},
            "ledger": {"balance": self.balance},
        }
        return contents[agent]


def splice(before: list[str], after: list[str], position: int, deleted: int, inserted: str) -> None:
    if (distance := len(before) - position) > 0:
        after.extend(reversed(before[position:]))
        del before[position:]
    elif distance < 0:
        before.extend(reversed(after[distance:]))
        del after[distance:]
    if deleted:
        del after[-deleted:]
    before.extend(inserted)


def found_updates(stream: Iterable[Event], values: dict[str, dict[str, Any]]) -> dict[str, int]:
    """How many updates of each agent these values hold. Of the editor's, as many as give its text."""
    found: dict[str, int] = {agent: value["counters"] for agent, value in values.items()}
    counted, text = found["editor"], values["editor"]["text"]
    before: list[str] = []
    after: list[str] = []
    patches = (arguments for agent, arguments in stream if agent == "editor")
    for made, patch in enumerate(patches, 1):
        splice(before, after, *patch[:3])
        if made >= counted and len(before) + len(after) == len(text) and text == "".join(before + after[::-1]):
            found["editor"] = made
        if made == counted + COUNT_EVERY:
            break
    return found


# --- the child


def work(directory: str, held: dict[str, int], trace: str | None, edits: int, seed: int) -> None:
    """Carry on with the stream after what is `held` of each agent; one JSON line for each thing to report.

    `promised` says how many updates of each agent are durable: it is written only after the call
    that promised it has returned, and before the next update is made.
    """
    patches, _ = history(trace, edits, seed)
    seen = dict.fromkeys(AGENTS, 0)
    # All made before the first is measured, and kept away from the garbage collector.
    updates = [(event[0], change(event)) for event in left(events(patches), held, seen)]
    gc.freeze()
    clock = time.perf_counter_ns
    made = 0
    with replication.open(directory, schema=Workspace, name="replay") as node:
        for first in range(0, len(updates), REPORT_EVERY):
            chunk = updates[first : first + REPORT_EVERY]
            reactive: list[int] = []
            durable: list[int] = []
            began = clock()
            for agent, update in chunk:
                seen[agent] += 1
                made += 1
                wait = made % DURABLE_EVERY == 0
                start = clock()
                node.update_state(agent, update, durable=wait)
                (durable if wait else reactive).append(clock() - start)
                if wait:
                    say(promised={agent: seen[agent]})
                if made % FLUSH_EVERY == 0:
                    node.flush()
                    say(promised=seen)
            took = clock() - began
            say(made=len(chunk), nanoseconds=took, reactive=reactive[::LATENCY_SAMPLE], durable=durable)
        node.flush()
        say(promised=seen)


def left(stream: Iterable[Event], held: dict[str, int], seen: dict[str, int]) -> Iterator[Event]:
    """The events after those that are held, which are noted in `seen`."""
    for event in stream:
        if seen[event[0]] < held[event[0]]:
            seen[event[0]] += 1
        else:
            yield event


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


def history(trace: str | None, edits: int, seed: int) -> tuple[Iterable[Patch], str | None]:
    """The patches, and the text they must end in where the history's own file says it."""
    return typing_trace.load(trace) if trace else (typing_trace.type_text(edits, seed), None)


# --- the parent


class Child:
    """A `work` process, and everything it has said so far."""

    def __init__(self, arguments: list[Any]) -> None:
        program = f"from replication.replay import work; work(*{arguments!r})"
        self.process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.output = self.process.stdout

    def reports(self) -> Iterator[dict[str, Any]]:
        """What it says, until its end. A line cut short by the kill was not said."""
        for line in self.output:
            if line.endswith("\n"):
                yield json.loads(line)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)


def run(
    trace: str | None = None, *, edits: int = 250_000, seed: int = 1, keep: str | None = None, out: TextIO = sys.stdout
) -> int:
    """The whole replay; 0 if everything promised was found and every agent equals the model, else 1."""
    if keep is not None:
        return _run(Path(keep), trace, edits, seed, out)
    with tempfile.TemporaryDirectory(prefix="nexus-state-replay-") as directory:
        return _run(Path(directory) / "state", trace, edits, seed, out)


def _run(directory: Path, trace: str | None, edits: int, seed: int, out: TextIO) -> int:
    patches, end_text = history(trace, edits, seed)
    stream = list(events(patches))
    report = Report(source=trace or f"a typist made from seed {seed}", updates=len(stream), out=out)
    progress = Progress(len(stream), out)
    child = Child([str(directory), dict.fromkeys(AGENTS, 0), trace, edits, seed])
    rng = random.Random()  # the moment of the kill is meant to differ from run to run
    kill_at, killed = int(len(stream) * rng.uniform(0.4, 0.6)), False
    for said in child.reports():
        report.add(said)
        progress.show(report.made, "working")
        if report.made >= kill_at and not killed:
            time.sleep(rng.uniform(0, 0.1))
            child.kill()
            killed = True
    child.process.wait()
    if not killed:
        report.problems.append(f"the first process ended by itself, with exit code {child.process.returncode}")
        return report.print()

    promised = dict(report.promised)
    found = check(directory, stream, promised, report)
    report.after_kill(promised, found)
    progress.show(sum(found.values()), "killed and reopened")

    child = Child([str(directory), found, trace, edits, seed])
    made_before = report.made
    for said in child.reports():
        report.add(said)
        progress.show(sum(found.values()) + report.made - made_before, "continuing")
    if child.process.wait() != 0:
        report.problems.append(f"the second process failed with exit code {child.process.returncode}")
        return report.print()
    progress.done()
    finish(directory, stream, end_text, report)
    return report.print()


def check(directory: Path, stream: list[Event], promised: dict[str, int], report: Report) -> dict[str, int]:
    """Reopen, and compare each agent with the model of as many updates as it says it holds."""
    with replication.open(directory, schema=Workspace, name="replay") as node:
        values = {agent: node.read_state(agent).value for agent in AGENTS}
    found = found_updates(stream, values)
    model = Model(stream, found)
    for agent in AGENTS:
        if found[agent] < promised.get(agent, 0):
            report.problems.append(f"{agent}: {promised[agent]} updates were promised durable, {found[agent]} found")
        if values[agent] != model.value(agent):
            report.problems.append(f"{agent}: its state is not that of its first {found[agent]} updates")
    return found


def finish(directory: Path, stream: list[Event], end_text: str | None, report: Report) -> None:
    """Compare the end with the whole stream, and measure what it occupies."""
    model = Model(stream)
    with replication.open(directory, schema=Workspace, name="replay") as node:
        for agent in AGENTS:
            state = node.read_state(agent)
            if state.value != model.value(agent):
                report.problems.append(f"{agent}: its end state is not that of its {model.updates[agent]} updates")
            report.agents.append(agent_memory(agent, state, model.content(agent)))
            report.digests[agent] = state.digest().hex()
        text = node.read_state("editor", lambda state: str(state.text))
    if end_text is not None and text != end_text:
        report.problems.append("editor: its text is not the endContent of the history")
    report.store_bytes = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
