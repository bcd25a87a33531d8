"""Results as files: a JSON file for each part, one page of tables, charts, and the figures that other pages quote.

Pages and charts are made from the JSON files alone, so a run of some parts keeps the figures of the others.
"""

import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.chart import Line, Panel, draw
from benchmarks.peers import versions
from benchmarks.report import Row, as_json, from_json, markdown
from benchmarks.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
QUOTING = [ROOT / "README.md", ROOT / "docs" / "explanation" / "performance.md"]
TITLES = {
    "text": "Text", "maps": "Maps", "sets": "Sets", "lists": "Lists", "counters": "Counters", "memory": "Memory",
    "curves": "What grows with a state, and what does not", "worst_cases": "Worst cases",
    "node": "A node", "sync": "Two nodes that become equal",
}  # fmt: skip
# How a row is called where parts are mixed.
TYPES = {
    "text": "Text: ", "maps": "LWWMap: ", "lists": "OpBasedList: ", "counters": "", "memory": "memory: ",
}  # fmt: skip
# What the README shows: part, what, on. Of each, the row of the largest size.
HEADLINES = [
    ("text", "one call per edit", "automerge-paper"),
    ("text", "one delta per edit, as bytes", "automerge-paper"),
    ("text", "receiving such a delta", "automerge-paper"),
    ("text", "merge of the whole history into an empty replica", "automerge-paper"),
    ("text", "from_bytes and str()", "automerge-paper"),
    ("text", "size saved", "automerge-paper"),
    ("text", "every transaction exchanged", "friendsforever"),
    ("maps", "set new", "keys of 9, in order"),
    ("maps", "get int", "keys of 9, shuffled"),
    ("maps", "set", "keys of 9"),
    ("maps", "encode, just filled", "keys of 9"),
    ("lists", "insert at random places", ""),
    ("counters", "GCounter increment", ""),
    ("memory", "LWWMap", "keys of 9, ints"),
    ("memory", "GSet", "str of 9"),
    ("memory", "OpBasedList", "ints, appended"),
]


def environment(settings: Settings) -> dict[str, Any]:
    """What a run was made on."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {processor()}, {os.cpu_count()} cores",
        "peers": versions(),
        "sizes": list(settings.sizes),
        "rounds": settings.rounds,
        "date": time.strftime("%Y-%m-%d"),
        "load": os.getloadavg()[0],
    }


def processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else "unknown processor"


def save(part: str, rows: Iterable[Row], about: dict[str, Any]) -> None:
    """A line for each row, so that a change of figures reads well."""
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in as_json(rows))
    text = f'{{"about": {json.dumps(about, ensure_ascii=False)},\n "rows": [\n  {lines}\n]}}\n'
    (RESULTS / f"{part}.json").write_text(text)


def saved() -> dict[str, tuple[dict[str, Any], list[Row]]]:
    """By part, what it was made on and its rows."""
    found = {}
    for part in TITLES:
        path = RESULTS / f"{part}.json"
        if path.exists():
            data = json.loads(path.read_text())
            found[part] = (data["about"], from_json(data["rows"]))
    return found


def publish() -> None:
    """Write all that is made from the JSON files."""
    for path, text in pages().items():
        path.write_text(text)


def pages() -> dict[Path, str]:
    """By file, what it is to hold."""
    results = saved()
    rows = {part: of_part for part, (_, of_part) in results.items()}
    made = {RESULTS / "README.md": tables(results)}
    for name, panels in (("growth", growth(rows)), ("curves", curves(rows))):
        if panels:
            made[RESULTS / f"{name}.svg"] = draw(panels)
    for path in QUOTING:
        made[path] = quoting(path.read_text(), rows)
    return made


def tables(results: dict[str, tuple[dict[str, Any], list[Row]]]) -> str:
    """The page of all figures."""
    text = (
        "# Results\n\nMade by `make bench`; [how, and what it means](../../docs/explanation/performance.md). "
        "Each figure is the median of all rounds, with the lowest and the highest; a ratio is that of each round. "
        "A ratio with an x is the peer's figure by ours, another is ours by the peer's.\n"
    )
    for part, (about, rows) in results.items():
        peers = ", ".join(f"{name} {version}" for name, version in about["peers"].items())
        text += (
            f"\n## {TITLES[part]}\n\n{about['date']}, {about['python']}, {about['machine']}; {peers}; "
            f"up to {about['rounds']} rounds; load of the machine {about['load']:.1f}.\n\n{markdown(rows)}"
        )
    return text


def quoting(text: str, rows: dict[str, list[Row]]) -> str:
    """A page with the tables between its marks made anew."""

    def table(mark: re.Match[str]) -> str:
        name = mark[1]
        if name in MIXED:
            chosen, columns = MIXED[name](rows), ("aim", "met")
        else:
            chosen, columns = [row for row in rows.get(name, []) if row.asked is not None], ()
        made = markdown(chosen, without=columns) if chosen else "Not measured.\n"
        return f"<!-- figures: {name} -->\n{made}<!-- end of figures -->"

    return re.sub(r"<!-- figures: (\w+) -->\n.*?<!-- end of figures -->", table, text, flags=re.DOTALL)


def headlines(rows: dict[str, list[Row]]) -> list[Row]:
    """Of each headline the first row of the largest size."""
    found = []
    for part, what, on in HEADLINES:
        named = [row for row in rows.get(part, []) if (row.what, row.on) == (what, on) and row.ratio]
        if named:
            row = max(named, key=lambda row: row.n)
            found.append(replace(row, what=f"{TYPES[part]}{row.what}", extra={}))
    return found


def behind(rows: dict[str, list[Row]]) -> list[Row]:
    """Where a peer is ahead, whoever it is; of each case the largest size where that is so."""
    found: dict[tuple[str, ...], Row] = {}
    for part, of_part in rows.items():
        for row in of_part:
            if row.ratio is None or row.peer == "resident" or row.peer.startswith("full "):
                continue
            if row.ratio.median < 1 if row.judged == "times" else row.ratio.median > 1:
                shown = replace(row, what=f"{TYPES.get(part, '')}{row.what}", extra={})
                case = (part, row.what, row.on, row.peer)
                found[case] = max(shown, found.get(case, shown), key=lambda each: each.n)
    return list(found.values())


# What is chosen from all parts.
MIXED = {"headlines": headlines, "behind": behind}

# --- charts

RED, BLUE, GREEN, GREY, VIOLET = "#b3402a", "#2a6cb3", "#3c8f3c", "#777777", "#7a4fa3"
Figures = dict[str, list[Row]]


def points(rows: Figures, part: str, what: str, on: str, of: Callable[[Row], Any], peer: str = "") -> Any:
    """(n, figure) of a kind of row, by n."""
    found = {}
    for row in rows.get(part, []):
        if row.what == what and row.on == on and (not peer or row.peer == peer) and of(row):
            found.setdefault(row.n, of(row).median)
    return sorted(found.items())


def ours(row: Row) -> Any:
    return row.ours


def theirs(row: Row) -> Any:
    return row.theirs


def panel(title: str, unit: str, lines: list[Line], low: float, high: float) -> list[Panel]:
    there = [line for line in lines if line.points]
    return [Panel(title, unit, there, low, high, across="n", first=1_000.0)] if there else []


def growth(rows: Figures) -> list[Panel]:
    """Times and memory, beside those of the peers, against n."""
    typing, new, read = "typing, made up", "keys of 9, in order", "keys of 9, shuffled"
    return [
        *panel("Text: an edit", "ns", [
            Line("Text, one call", points(rows, "text", "one call per edit", typing, ours), BLUE),
            Line("Text.apply", points(rows, "text", "apply(patches)", typing, ours), GREEN),
            Line("Loro, one call", points(rows, "text", "one call per edit", typing, theirs), RED),
        ], 10.0, 10_000.0),
        *panel("Maps: an entry", "ns", [
            Line("LWWMap, new key", points(rows, "maps", "set new", new, ours), BLUE),
            Line("LWWMap, read shuffled", points(rows, "maps", "get int", read, ours), GREEN),
            Line("dict, new key", points(rows, "maps", "set new", new, theirs), RED),
            Line("dict, read shuffled", points(rows, "maps", "get int", read, theirs), VIOLET),
        ], 10.0, 10_000.0),
        *panel("Memory: an entry", "bytes", [
            Line("LWWMap", points(rows, "memory", "LWWMap", "keys of 9, ints", ours), BLUE),
            Line("GSet", points(rows, "memory", "GSet", "str of 9", ours), GREEN),
            Line("dict", points(rows, "memory", "LWWMap", "keys of 9, ints", theirs, "dict"), RED),
            Line("set", points(rows, "memory", "GSet", "str of 9", theirs), VIOLET),
        ], 10.0, 1_000.0),
    ]  # fmt: skip


def curves(rows: Figures) -> list[Panel]:
    """What must not grow with a state, beside what does."""
    of_map = "LWWMap, 10 changes"
    return [
        *panel("LWWMap, 10 changes in n entries", "µs", [
            Line("delta(since)", points(rows, "curves", "delta(since)", of_map, ours), BLUE),
            Line("merge of it", points(rows, "curves", "merge of a delta", of_map, ours), GREEN),
            Line("to_bytes()", points(rows, "curves", "to_bytes()", "LWWMap", ours), RED),
            Line("from_bytes()", points(rows, "curves", "from_bytes()", "LWWMap", ours), VIOLET),
        ], 1.0, 1_000_000.0),
        *panel("reads", "ns", [
            Line("digest()", points(rows, "curves", "digest()", "LWWMap", ours), GREY),
            Line("Text[i]", points(rows, "curves", "Text[i]", "pieces of 10", ours), BLUE),
            Line("OpBasedList[i]", points(rows, "curves", "OpBasedList[i]", "pieces of 10", ours), GREEN),
        ], 10.0, 10_000.0),
    ]  # fmt: skip
