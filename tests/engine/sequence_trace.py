"""Replay an editing history in the engine alone and print what it costs.

    python -m tests.engine.sequence_trace FILE.json.gz

FILE has `txns`, each with `patches` of [position, deleted, inserted], and `endContent`.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Callable
from ctypes import byref, c_uint32, c_uint64
from pathlib import Path
from time import perf_counter

from tests.engine.sequence_harness import Replica, build, load


def timed(what: str, times: int, run: Callable[[], object], per: int = 0) -> None:
    best = float("inf")
    for _ in range(times):
        start = perf_counter()
        run()
        best = min(best, perf_counter() - start)
    each = f"  {best / per * 1e9:8.1f} ns each" if per else ""
    print(f"{what:34} {best * 1e3:9.3f} ms{each}")


def main(path: str) -> None:
    with gzip.open(path) as file:
        trace = json.load(file)
    patches: list[int] = []
    edits = 0
    for txn in trace["txns"]:
        for position, deleted, inserted in txn["patches"]:
            patches += [position, deleted, len(inserted), *map(ord, inserted)]
            edits += 1
    buffer = (c_uint32 * len(patches))(*patches)
    lib = load(build(Path(tempfile.mkdtemp()), ["-O3"]))
    sent = c_uint64()

    def replay(peer: Replica | None = None) -> Replica:
        doc = Replica(lib, b"alice")
        other = peer.doc if peer is not None else None
        assert lib.doc_replay(doc.doc, buffer, len(patches), other, byref(sent)) == 0
        return doc

    doc = replay()
    assert "".join(map(chr, doc.read())) == trace["endContent"]
    timed("local edits", 5, replay, edits)
    timed("  and sent to a peer one by one", 2, lambda: replay(Replica(lib, b"bob")), edits)
    print(f"{'  bytes a message':34} {sent.value / edits / 2:9.1f}")
    state = doc.encode(canonical=True)
    print(f"{'full state, kB':34} {len(state) / 1000:9.1f}")
    print(f"{'memory, kB':34} {lib.doc_memory(doc.doc) / 1000:9.1f}")
    timed("encode the full state", 5, lambda: doc.encode(canonical=True))
    timed("merge it into nothing", 5, lambda: Replica(lib, b"bob").merge(state))
    loaded = Replica(lib, b"bob")
    loaded.merge(state)
    print(f"{'memory once loaded, kB':34} {lib.doc_memory(loaded.doc) / 1000:9.1f}")
    timed("merge it again", 5, lambda: loaded.merge(state))
    timed("read it all", 5, loaded.read)
    timed("fork", 5, lambda: doc.fork(b"carol"))
    assert loaded.digest() == doc.digest()
    assert loaded.broken() is None
    assert doc.broken() is None


if __name__ == "__main__":
    main(sys.argv[1])
