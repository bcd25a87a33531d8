"""Texts, on histories of real edits, beside Loro and pycrdt."""

from functools import partial
from pathlib import Path

from benchmarks.fresh import grown
from benchmarks.histories import Concurrent, History, concurrent, find, missing, sequential, typing
from benchmarks.measure import Contender, race
from benchmarks.peers import loaded, loro, loro_text, pycrdt, snapshot, updates_since
from benchmarks.report import Report
from benchmarks.settings import Settings
from benchmarks.text_exchange import exchange_loro, exchange_ours
from benchmarks.text_loops import (
    edit,
    edit_loro_with_updates,
    edit_pycrdt,
    edit_with_deltas,
    loop,
    loop_with_call,
    new_pycrdt,
    receive,
    receive_loro,
)
from crdt import Text

# What is asked: of automerge-paper, and of every other history.
ASKED = {
    "calls": (8, 4.5), "apply": (20, 7), "deltas": (25, 12), "bytes alone": (24, 24), "bytes known": (9, 9),
    "receive": (30, 30), "merge": (8, 8), "load": (2, 1), "size": (0.6, 0.7), "memory": (1 / 8, 1 / 4),
}  # fmt: skip
PYCRDT_EDITS = 10_000


def asked(what: str, history: History) -> float:
    return ASKED[what][history.name != "automerge-paper"]


# --- what a fresh process keeps


def kept(contender: str, name: str, directory: str | None, edits: int, rehearsal: bool = False):
    """A text with all of a history."""
    history = find(name, Path(directory) if directory else None, edits)
    patches = history.patches[:100] if rehearsal else history.patches
    yield
    text = Text() if contender == "ours" else loro_text()
    edit(text, patches)
    if contender != "ours":
        text.doc().commit()
    yield text


# --- rows


def main(report: Report, settings: Settings) -> None:
    histories = list(sequential(settings.traces)) or [typing(settings.middle)]
    for name in missing(settings.traces):
        report.add("edits of a history", "", None, on=name, note="the history is missing")
    for history in histories:
        calls(report, settings, history)
        deltas(report, settings, history)
        whole(report, settings, history)
        memory(report, settings, history)
    for edits in settings.sizes:
        calls(report, settings, typing(edits))
    beside_pycrdt(report, settings, histories[0])
    for each in concurrent(settings.traces):
        exchanged(report, settings, each)


def contenders(**runs) -> list[Contender]:
    """Those whose library is there; a run is (run, prepare)."""
    there = {"loro": loro, "pycrdt": pycrdt}
    return [Contender(name, *run) for name, run in runs.items() if there.get(name, True)]


def calls(report: Report, settings: Settings, history: History) -> None:
    patches = history.patches
    times = race(
        contenders(
            loop=(partial(loop, patches=patches),),
            call=(partial(loop_with_call, patches=patches),),
            ours=(partial(edit, patches=patches), Text),
            loro=(partial(edit, patches=patches), loro_text),
            apply=(lambda text: text.apply(patches), Text),
        ),
        len(patches), rounds=settings.rounds, seconds=settings.seconds,
    )  # fmt: skip
    on = {"on": history.name, "n": len(patches)}
    report.race("the loop alone", times, ours="loop", judged="", **on)
    report.race("the loop with a call that does nothing", times, ours="call", judged="", **on)
    report.race("one call per edit", times, peer="loro", asked=asked("calls", history), **on)
    report.race("apply(patches)", times, ours="apply", peer="loro", asked=asked("apply", history), **on)


def deltas(report: Report, settings: Settings, history: History) -> None:
    patches = history.patches
    on = {"on": history.name, "n": len(patches)}
    limits = {"rounds": settings.rounds, "seconds": settings.seconds}
    times = race(
        contenders(
            ours=(partial(edit_with_deltas, patches=patches), Text),
            loro=(partial(edit_loro_with_updates, patches=patches), loro_text),
        ),
        len(patches), **limits,
    )  # fmt: skip
    report.race("one delta per edit, as bytes", times, peer="loro", asked=asked("deltas", history), **on)

    ours = edit_with_deltas(Text(), patches)
    theirs = edit_loro_with_updates(loro_text(), patches) if loro else []
    beyond = [(sum(map(len, all_of_it)) - history.inserted()) / len(patches) for all_of_it in (ours, theirs or ours)]
    report.amount(
        "bytes of a delta beyond its text, alone", "bytes", beyond[0], beyond[1] if loro else None,
        peer="loro", judged="bound", asked=asked("bytes alone", history), **on,
    )  # fmt: skip
    report.add(
        "bytes of a delta beyond its text, between nodes that know each other's names", "bytes", None,
        judged="bound", asked=asked("bytes known", history), note="every delta names its writers", **on,
    )  # fmt: skip
    times = race(
        contenders(
            ours=(partial(receive, deltas=ours), Text),
            loro=(partial(receive_loro, updates=theirs), lambda: loro.LoroDoc()),
        ),
        len(patches), **limits,
    )  # fmt: skip
    report.race("receiving such a delta", times, peer="loro", asked=asked("receive", history), **on)


def whole(report: Report, settings: Settings, history: History) -> None:
    """All of a history at once: merged, loaded, saved."""
    ours = Text()
    ours.apply(history.patches)
    history_bytes, data = ours.delta(), ours.to_bytes()
    updates = saved = b""
    if loro:
        theirs = loro_text()
        edit(theirs, history.patches)
        theirs.doc().commit()
        updates, saved = updates_since(theirs.doc(), loro.LoroDoc().oplog_vv), snapshot(theirs.doc())
    on = {"on": history.name, "n": len(history.patches)}
    limits = {"rounds": settings.rounds, "seconds": settings.seconds}
    times = race(
        contenders(
            ours=(lambda text: text.merge(history_bytes), Text),
            loro=(lambda doc: doc.import_(updates), lambda: loro.LoroDoc()),
        ),
        1_000, **limits,
    )  # fmt: skip
    report.race(
        "merge of the whole history into an empty replica", times,
        unit="µs", peer="loro", asked=asked("merge", history), **on,
    )  # fmt: skip
    times = race(
        contenders(
            ours=(lambda _: str(Text.from_bytes(data)),),
            loro=(lambda _: loaded(saved).get_text("t").to_string(),),
        ),
        1_000, **limits,
    )  # fmt: skip
    report.race("from_bytes and str()", times, unit="µs", peer="loro", asked=asked("load", history), **on)
    report.amount(
        "size saved", "bytes", len(data), len(saved) or None, peer="loro", asked=asked("size", history), **on
    )  # fmt: skip


def memory(report: Report, settings: Settings, history: History) -> None:
    traces = str(settings.traces) if settings.traces else None
    what = (history.name, traces, len(history.patches))
    ours = grown(kept, "ours", *what)
    theirs = grown(kept, "loro", *what).resident if loro else None
    on = {"on": history.name, "n": len(history.patches)}
    report.amount(
        "resident growth", "bytes", ours.resident, theirs, peer="loro", asked=asked("memory", history), **on
    )  # fmt: skip
    report.amount("sys.getsizeof", "bytes", ours.told, ours.resident, peer="resident", **on)


def beside_pycrdt(report: Report, settings: Settings, history: History) -> None:
    """On the first edits only: what one costs pycrdt grows with those before it."""
    patches = history.patches[: min(PYCRDT_EDITS, settings.largest)]
    times = race(
        contenders(
            ours=(partial(edit, patches=patches), Text),
            pycrdt=(partial(edit_pycrdt, patches=patches), new_pycrdt),
        ),
        len(patches), rounds=settings.rounds, seconds=settings.seconds,
    )  # fmt: skip
    report.race("one call per edit, the first edits", times, peer="pycrdt", on=history.name, n=len(patches))


def exchanged(report: Report, settings: Settings, history: Concurrent) -> None:
    """Several writers at once, every transaction brought to each of them."""
    times = race(
        contenders(
            ours=(lambda _: exchange_ours(history),),
            loro=(lambda _: exchange_loro(history),),
        ),
        1_000_000, rounds=settings.rounds, seconds=settings.seconds,
    )  # fmt: skip
    on = {"on": history.name, "n": history.transactions}
    report.race("every transaction exchanged", times, unit="ms", peer="loro", asked=80, **on)
    text, ours = exchange_ours(history)
    assert text == history.end
    theirs = exchange_loro(history)[1] if loro else None
    report.amount("bytes exchanged", "bytes", ours, theirs, peer="loro", **on)
