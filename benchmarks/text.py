"""A history of typing through `Text`: edit by edit, in one call, with a delta an edit; beside Loro if installed."""

import sys

from benchmarks.measure import best, row
from crdt import Text
from replication.typing_trace import type_text

EDITS = 200_000


def edit(text, patches):
    insert, delete = text.insert, text.delete
    for position, deleted, inserted in patches:
        if deleted:
            delete(position, deleted)
        if inserted:
            insert(position, inserted)


def edit_with_deltas(text, patches):
    version = text.version
    for position, deleted, inserted in patches:
        if deleted:
            text.delete(position, deleted)
        if inserted:
            text.insert(position, inserted)
        text.delta(version)
        version = text.version


def edit_loro(text, patches):
    for position, deleted, inserted in patches:
        if deleted:
            text.delete(position, deleted)
        if inserted:
            text.insert(position, inserted)


def new_loro():
    """A text of the peer library, or None if it is not installed."""
    try:
        from loro import LoroDoc
    except ImportError:
        return None
    return LoroDoc().get_text("t")


def main() -> None:
    patches = list(type_text(EDITS, seed=1))
    has_peer = new_loro() is not None
    peer = best(lambda t: edit_loro(t, patches), EDITS, prepare=new_loro, rounds=2) if has_peer else None
    row(
        "Text, one call an edit", best(lambda t: edit(t, patches), EDITS, prepare=lambda: Text("a")), "ns", peer, "loro"
    )
    row("Text.apply, all edits in one call", best(lambda t: t.apply(patches), EDITS, prepare=lambda: Text("a")), "ns")
    some = patches[: EDITS // 10]
    row(
        "Text, a delta after each edit",
        best(lambda t: edit_with_deltas(t, some), len(some), prepare=lambda: Text("a"), rounds=3),
        "ns",
    )
    whole = Text("a")
    whole.apply(patches)
    data = whole.to_bytes()
    row("Text.from_bytes", best(lambda _: Text.from_bytes(data), 1_000_000), "ms")
    row("str(text)", best(lambda t: str(t), 1_000, prepare=lambda: whole), "µs")
    row("Text, bytes a character", len(data) / len(whole), "B")
    row("Text, memory a character", sys.getsizeof(whole) / len(whole), "B")
