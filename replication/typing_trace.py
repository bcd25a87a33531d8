"""Editing histories: read from a file, or made up by a seeded typist.

A history is a sequence of patches `(position, characters deleted, text inserted)`, positions in
code points. `load` reads the sequential histories of the editing-traces collection (gzipped JSON:
`startContent`, `endContent`, `txns` of `patches`). `type_text` makes one that has what makes real
histories hard for a sequence: long runs at one place, typos taken back character by character,
jumps, cuts, pastes, several scripts. The same seed gives the same history.

Knows nothing of replication or of any data type.
"""

import gzip
import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

Patch = tuple[int, int, str]

SYLLABLES = "ka ro mi ten sol va ber no li qua ste fin or da we ul ing ed er ly".split()
FOREIGN = ["café", "naïve", "Zürich", "façade", "Łódź", "привет", "мир", "λόγος", "漢字", "東京", "한국", "🙂", "👩‍💻"]
KEYS_NEAR = {"a": "sq", "e": "wr", "i": "uo", "o": "ip", "n": "bm", "r": "et", "s": "ad", "t": "ry"}


class TraceError(ValueError):
    """The file is not a history that can be replayed."""


def load(path: str | Path) -> tuple[list[Patch], str]:
    """The patches of a sequential history, and the text they must end in. O(file).

    Raises `OSError` if the file cannot be read, `TraceError` if it is no such history.
    """
    data = Path(path).read_bytes()
    try:
        trace = json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
        if trace.get("kind") == "concurrent":
            raise TraceError(
                f"{path} is a concurrent history: its positions refer to several branches, and cannot be replayed "
                "one after the other. Pass a sequential one (it has startContent, endContent and txns)."
            )
        patches = [(pos, deleted, inserted) for txn in trace["txns"] for pos, deleted, inserted in txn["patches"]]
        start, end = trace["startContent"], trace["endContent"]
    except TraceError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TraceError(
            f"{path} is not an editing history ({type(error).__name__}: {error}). Expected JSON, gzipped or not, "
            'with "startContent", "endContent" and "txns": [{"patches": [[position, deleted, "inserted"], ...]}].'
        ) from error
    return ([(0, 0, start)] if start else []) + patches, end


def type_text(edits: int, seed: int = 1) -> Iterator[Patch]:
    """`edits` patches of a person writing. O(1) each, in constant memory."""
    typist = _Typist(random.Random(seed))
    made = 0
    while made < edits:
        for patch in typist.act():
            yield patch
            made += 1
            if made == edits:
                return


class _Typist:
    """Keeps the cursor and the length, which is all that a valid patch depends on."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.cursor = 0
        self.length = 0
        self.words = ["".join(rng.choices(SYLLABLES, k=rng.choice((1, 2, 2, 3, 4)))) for _ in range(6000)]
        # Words follow Zipf's law, roughly.
        self.weights = [1 / (rank + 5) for rank in range(len(self.words))]
        self.queue: list[str] = []

    def act(self) -> Iterator[Patch]:
        """The patches of one thing that a person does."""
        chance = self.rng.random()
        if chance < 0.96:
            return self.write(self.word() + self.rng.choices((" ", ", ", ". ", ".\n"), (88, 6, 5, 1))[0])
        if chance < 0.986:
            return self.jump()
        return self.cut() if chance < 0.994 else self.paste()

    def word(self) -> str:
        if self.rng.random() < 0.01:
            return self.rng.choice(FOREIGN)
        if not self.queue:
            self.queue = self.rng.choices(self.words, self.weights, k=256)
        return self.queue.pop()

    def write(self, text: str) -> Iterator[Patch]:
        """Key by key; now and then a wrong key, noticed a little later and taken back."""
        index = 0
        while index < len(text):
            if text[index] in KEYS_NEAR and self.rng.random() < 0.08:
                typed = self.rng.choice(KEYS_NEAR[text[index]]) + text[index + 1 : index + 1 + self.rng.randrange(3)]
                for key in typed:
                    yield self.splice(0, key)
                for _ in typed:
                    self.cursor -= 1
                    yield self.splice(1, "")
            yield self.splice(0, text[index])
            index += 1

    def jump(self) -> Iterator[Patch]:
        """Back to a recent place, to any place, or to the end, and a word put right there."""
        near = self.cursor - int(self.rng.expovariate(1 / 400))
        self.cursor = self.rng.choice((max(near, 0), self.rng.randint(0, self.length), self.length))
        removed = min(self.rng.randint(0, 12), self.cursor)
        for _ in range(removed):
            self.cursor -= 1
            yield self.splice(1, "")
        yield from self.write(self.word())
        if self.rng.random() < 0.7:
            self.cursor = self.length

    def cut(self) -> Iterator[Patch]:
        """A selection deleted at once."""
        self.cursor = max(self.cursor - self.rng.randint(1, 120), 0)
        removed = min(self.rng.randint(1, 120), self.length - self.cursor)
        if removed:
            yield self.splice(removed, "")

    def paste(self) -> Iterator[Patch]:
        """Some sentences inserted at once, sometimes over a selection."""
        text = " ".join(self.word() for _ in range(self.rng.randint(3, 60)))
        selected = min(self.rng.choice((0, 0, 12)), self.length - self.cursor)
        yield self.splice(selected, text)

    def splice(self, removed: int, text: str) -> Patch:
        patch = (self.cursor, removed, text)
        self.cursor += len(text)
        self.length += len(text) - removed
        return patch
