"""What the demonstration shows: on a terminal a table redrawn in place, elsewhere plain lines.

Colours on a terminal only, and not if NO_COLOR is set. Knows nothing of how the figures came about.
"""

import os
import shutil
import time
from collections.abc import Sequence
from typing import NamedTuple, TextIO

GREEN, YELLOW, RED, DIM, BOLD = "32", "33", "31", "2", "1"
# Seconds between two lines where there is no terminal.
LINE_EVERY = 2.0


class Row(NamedTuple):
    """A process: what became of it, how many updates of each writer and tasks of the board it holds, and how it sees
    the others.

    `latency`: seconds until it saw what others called, lately; None if it saw nothing.
    """

    name: str
    condition: str  # "writing", "cut off", "killed", ...
    held: dict[str, int]
    behind: int
    latency: float | None
    tasks: int
    sees: str


class Display:
    """Shows stages and rows. All text goes to `out`."""

    def __init__(self, out: TextIO, names: Sequence[str]) -> None:
        self._out, self._names = out, names
        self._live = out.isatty()
        self._started = time.monotonic()
        self._drawn = 0
        self._shown: list[Row] = []
        self._line_at = 0.0

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._live and not os.environ.get("NO_COLOR") else text

    def say(self, text: str) -> None:
        """A stage begins: its text stays above the table."""
        self._clear()
        self._out.write(f"{self._seconds()}  {self.paint(text, BOLD)}\n")
        self._out.flush()
        self._line_at = time.monotonic() + LINE_EVERY

    def show(self, rows: list[Row]) -> None:
        """How things are now."""
        if self._live and (rows != self._shown or not self._drawn):
            self._clear()
            self._draw(rows)
            self._shown = list(rows)
        elif not self._live and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + LINE_EVERY
            self._out.write(f"{self._seconds()}    {'; '.join(map(_in_words, rows))}\n")
        self._out.flush()

    def done(self) -> None:
        """The table goes away."""
        self._clear()
        self._out.flush()

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and what there is to say of each."""
        width = max(len(name) for name, _ in rows) + 3
        for name, text in rows:
            self._out.write(f"{name:<{width}}{self.paint(text, BOLD)}\n")
        self._out.flush()

    def verdict(self, text: str, is_good: bool) -> None:
        self._out.write(self.paint(text, GREEN if is_good else RED) + "\n")
        self._out.flush()

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._started:5.1f} s"

    def _clear(self) -> None:
        if self._drawn:
            self._out.write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def _draw(self, rows: list[Row]) -> None:
        heading = "".join(f"{name + chr(39) + 's':>8}" for name in self._names)
        lines = [(f"  {'updates it has of':<17}{heading}   behind  visible in   tasks  sees", DIM)]
        for row in rows:
            held = "".join(f"{row.held.get(name, 0):>8,}" for name in self._names)
            colour = RED if row.condition == "killed" else YELLOW if row.behind else GREEN
            counts = f"{held}{row.behind:>9,}{_ms(row.latency):>12}{row.tasks:>8,}"
            text = f"  {row.name:<5}{row.condition:<12}{counts}  {row.sees}"
            lines.append((text, colour))
        width = shutil.get_terminal_size().columns - 1
        self._out.writelines(self.paint(text[:width], colour) + "\n" for text, colour in lines)
        self._drawn = len(lines)


def _in_words(row: Row) -> str:
    tasks = f", {row.tasks:,} tasks" if row.tasks else ""
    return f"{row.name} {row.condition}: {sum(row.held.values()):,}, {row.behind:,} behind, {_ms(row.latency)}{tasks}"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"
