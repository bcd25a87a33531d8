"""A history of several writers, replayed: each edits its own replica, and gets what the others did as they did it."""

from benchmarks.histories import EDIT, Concurrent
from benchmarks.peers import loro_text, updates_since
from benchmarks.text_loops import edit
from crdt import Text


def exchange_ours(history: Concurrent) -> tuple[str, int]:
    """The text that all writers end with, and how many bytes they exchanged."""
    texts = [Text(f"writer {number}") for number in range(history.writers)]
    deltas: list[bytes] = []
    for kind, writer, what in history.steps:
        text = texts[writer]
        if kind == EDIT:
            before = text.version
            edit(text, what)
            deltas.append(text.delta(before))
        else:
            text.merge(deltas[what])
    first, *others = map(str, texts)
    assert all(other == first for other in others)
    return first, sum(map(len, deltas))


def exchange_loro(history: Concurrent) -> tuple[str, int]:
    """The same with the peer library."""
    texts = [loro_text() for _ in range(history.writers)]
    updates: list[bytes] = []
    for kind, writer, what in history.steps:
        text = texts[writer]
        if kind == EDIT:
            before = text.doc().oplog_vv
            edit(text, what)
            text.doc().commit()
            updates.append(updates_since(text.doc(), before))
        else:
            text.doc().import_(updates[what])
    first, *others = [text.to_string() for text in texts]
    assert all(other == first for other in others)
    return first, sum(map(len, updates))
