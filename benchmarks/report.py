"""Rows of figures: printed as they come, and kept for the table, the charts and the JSON file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.measure import Spread, Times

# How a row is judged: the peer's figure by ours, which shall be at least what is asked; ours by the peer's, at most;
# or our figure itself, at most. A row may also just tell.
Judged = Literal["times", "share", "bound", ""]


@dataclass(frozen=True)
class Row:
    """One figure of ours, and beside it the same of a peer."""

    part: str
    what: str
    on: str
    n: int
    unit: str
    ours: Spread | None
    peer: str = ""
    theirs: Spread | None = None
    judged: Judged = ""
    ratio: Spread | None = None
    asked: float | None = None
    note: str = ""
    extra: dict[str, str] = field(default_factory=dict)  # columns of this row beyond those of all

    @property
    def met(self) -> bool | None:
        """Whether the median is what is asked; None if nothing is asked, or nothing could be measured."""
        figure = self.ours if self.judged == "bound" else self.ratio
        if self.asked is None or figure is None:
            return None
        return figure.median >= self.asked if self.judged == "times" else figure.median <= self.asked

    def cells(self) -> list[str]:
        """As shown in a line of a table, under `HEAD`."""
        sign = "x" if self.judged == "times" else ""
        bound = {"times": "at least ", "share": "at most ", "bound": "at most ", "": ""}[self.judged]
        asked = "" if self.asked is None else f"{bound}{_number(self.asked)}{sign}"
        met = {True: "yes", False: "**no**", None: ""}[self.met]
        n = f"{self.n:,}" if self.n else ""
        theirs = f"{self.peer} {_spread(self.theirs)}" if self.theirs else self.peer
        ours = _spread(self.ours) or self.note or "not measured"
        return [self.what, self.on, n, self.unit, ours, theirs, _spread(self.ratio, sign), asked, met]


HEAD = ["what", "on", "n", "unit", "ours", "peer", "ratio", "aim", "met"]
TEXT_COLUMNS = {"what", "on", "unit", "met"}


@dataclass
class Report:
    """What was measured so far. `part` is the one that is running."""

    part: str = ""
    rows: list[Row] = field(default_factory=list)

    def add(self, what: str, unit: str, ours: Spread | None, *, on: str = "", n: int = 0, **more: Any) -> None:
        row = Row(self.part, what, on, n, unit, ours, **more)
        self.rows.append(row)
        print("  ".join(cell for cell in row.cells() if cell), flush=True)

    def race(
        self, what: str, times: Times, *, ours: str = "ours", peer: str = "", judged: Judged = "times", **more: Any
    ) -> None:
        """A row of times. A peer that did not run is named without a figure."""
        figure, theirs, ratio = times.spread(ours), None, None
        if peer in times:
            theirs = times.spread(peer)
            ratio = times.ratio(peer, ours) if judged == "times" else times.ratio(ours, peer)
        shown = peer if peer in times or not peer else f"{peer} (missing)"
        self.add(
            what, more.pop("unit", "ns"), figure, peer=shown, theirs=theirs, judged=judged, ratio=ratio, **more
        )  # fmt: skip

    def amount(
        self, what: str, unit: str, ours: float, theirs: float | None = None, *, judged: Judged = "share", **more: Any
    ) -> None:
        """A row of figures that do not vary, such as bytes."""
        ratio = None
        if theirs:
            ratio = Spread.exact(theirs / ours if judged == "times" else ours / theirs)
        beside = None if theirs is None else Spread.exact(theirs)
        self.add(what, unit, Spread.exact(ours), theirs=beside, judged=judged, ratio=ratio, **more)


def markdown(rows: Sequence[Row], without: Sequence[str] = ()) -> str:
    """A table, without columns that are not wanted, or empty in all rows."""
    extra = list(dict.fromkeys(name for row in rows for name in row.extra))
    lines = [[*HEAD, *extra], *([*row.cells(), *(row.extra.get(name, "") for name in extra)] for row in rows)]
    kept = [column for column in zip(*lines, strict=True) if any(column[1:]) and column[0] not in without]
    lines = [list(line) for line in zip(*kept, strict=True)]
    lines.insert(1, ["---" if name in TEXT_COLUMNS else "---:" for name in lines[0]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Plain data; spreads as [median, low, high], with as many digits as can mean something."""

    def plain(value: Any) -> Any:
        return [float(f"{each:.5g}") for each in value] if isinstance(value, Spread) else value

    return [{name: plain(value) for name, value in vars(row).items()} | {"met": row.met} for row in rows]


def from_json(rows: Iterable[dict[str, Any]]) -> list[Row]:
    """What `as_json` made."""
    spreads = ("ours", "theirs", "ratio")
    return [
        Row(
            **{
                name: Spread(*value) if value and name in spreads else value
                for name, value in row.items()
                if name != "met"
            }
        )
        for row in rows
    ]


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _spread(spread: Spread | None, sign: str = "") -> str:
    if spread is None:
        return ""
    if spread.low == spread.high:
        return _number(spread.median) + sign
    return f"{_number(spread.median)}{sign} ({_number(spread.low)}..{_number(spread.high)})"
