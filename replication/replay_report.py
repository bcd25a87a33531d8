"""What a replay shows: a progress line while it works, and a table at the end.

On a terminal, one line redrawn in place, with colours unless NO_COLOR is set; anywhere else, plain
lines. Knows nothing of how the figures came about.
"""

import os
import shutil
import sys
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TextIO

GREEN, RED, DIM, BOLD = "32", "31", "2", "1"


class AgentMemory(NamedTuple):
    agent: str
    held: str
    state_bytes: int
    plain_bytes: int


def agent_memory(agent: str, state: Any, content: dict[str, Any]) -> AgentMemory:
    """An agent's memory beside that of the same content in plain containers."""
    [(name, value)] = content.items()
    kind = type(value).__name__
    held = f"{kind} of {len(value):,}" if hasattr(value, "__len__") else kind
    return AgentMemory(f"{agent}.{name}", held, sys.getsizeof(state), plain_bytes(value))


def plain_bytes(value: Any) -> int:
    """What `value` and everything in it occupy, each object once."""
    seen: set[int] = set()
    total, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        if isinstance(item, dict):
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set):
            waiting.extend(item)
    return total


def painted(text: str, colour: str, out: TextIO) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if out.isatty() and not os.environ.get("NO_COLOR") else text


class Progress:
    """A bar on a terminal; elsewhere a line for every tenth, and for each new stage."""

    def __init__(self, total: int, out: TextIO) -> None:
        self.total, self.out = total, out
        self.tenth, self.stage = 0, ""

    def show(self, made: int, stage: str) -> None:
        made = min(made, self.total)
        if self.out.isatty():
            width = max(10, min(40, shutil.get_terminal_size().columns - 50))
            filled = made * width // self.total
            bar = painted("█" * filled, GREEN, self.out) + painted("░" * (width - filled), DIM, self.out)
            self.out.write(f"\r\x1b[K{bar} {made:>9,} of {self.total:,}  {stage}")
        elif made * 10 // self.total > self.tenth or stage != self.stage:
            self.out.write(f"{made:>9,} of {self.total:,} updates  {stage}\n")
        self.tenth, self.stage = max(self.tenth, made * 10 // self.total), stage
        self.out.flush()

    def done(self) -> None:
        if self.out.isatty():
            self.out.write("\r\x1b[K")


@dataclass
class Report:
    """Collects what the worker says and what the checks find; `print` shows it."""

    source: str
    updates: int
    out: TextIO
    made: int = 0
    nanoseconds: int = 0
    reactive: list[int] = field(default_factory=list)
    durable: list[int] = field(default_factory=list)
    promised: dict[str, int] = field(default_factory=dict)
    rows: list[tuple[str, str]] = field(default_factory=list)
    agents: list[AgentMemory] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    store_bytes: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, said: dict[str, Any]) -> None:
        self.promised.update(said.get("promised", {}))
        self.made += said.get("made", 0)
        self.nanoseconds += said.get("nanoseconds", 0)
        self.reactive += said.get("reactive", ())
        self.durable += said.get("durable", ())

    def after_kill(self, promised: dict[str, int], found: dict[str, int]) -> None:
        missing = sum(max(0, promised.get(agent, 0) - count) for agent, count in found.items())
        self.rows = [
            ("promised durable before SIGKILL", f"{sum(promised.values()):,}"),
            ("found after reopening", f"{sum(found.values()):,}   promised and missing: {missing}"),
        ]

    def print(self) -> int:
        """Write the table; the exit code of the replay."""
        rows = [
            ("history", self.source),
            ("updates made", f"{self.updates:,}"),
            ("updates per second", f"{self.made * 1_000_000_000 // max(self.nanoseconds, 1):,}"),
            ("a call, reactive", spread(self.reactive)),
            ("a call, durable=True", spread(self.durable)),
            *self.rows,
            ("on disk", megabytes(self.store_bytes)),
        ]
        self.out.write("\n")
        for name, text in rows:
            self.out.write(f"{name:<34}{painted(text, BOLD, self.out)}\n")
        if self.agents:
            self.out.write(f"\n{'in memory':<34}{'content':<20}{'here':>12}{'plain Python':>15}\n")
        for agent in self.agents:
            figures = f"{megabytes(agent.state_bytes):>12}{megabytes(agent.plain_bytes):>15}"
            self.out.write(f"{agent.agent:<34}{agent.held:<20}{figures}\n")
        for name, digest in self.digests.items():
            self.out.write(f"{'digest of ' + name:<34}{digest}\n")
        self.out.write("\n")
        for problem in self.problems:
            self.out.write(painted(f"FAILED  {problem}\n", RED, self.out))
        if not self.problems:
            verdict = "Nothing that was promised is missing; every agent equals the model.\n"
            self.out.write(painted(verdict, GREEN, self.out))
        self.out.flush()
        return 1 if self.problems else 0


def spread(nanoseconds: list[int]) -> str:
    """p50 and p95, in a unit that suits them."""
    if not nanoseconds:
        return "none"
    ordered = sorted(nanoseconds)
    p50, p95 = ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100]
    unit, name = (1_000_000, "ms") if p50 >= 1_000_000 else (1_000, "µs")
    return f"p50 {p50 / unit:.1f} {name}   p95 {p95 / unit:.1f} {name}"


def megabytes(count: int) -> str:
    return f"{count / 1_000_000:.2f} MB" if count >= 100_000 else f"{count / 1_000:.1f} kB"
