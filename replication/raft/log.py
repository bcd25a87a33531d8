"""The log in memory: entries from where it was compacted, and how much of it the disk is known to hold.

Invariants:

1. `offset` <= `durable` <= `last` and `offset` <= `handed` <= `last`. Entries up to `offset` are gone; the term of the
   one at `offset` is kept, because the next is checked against it (paper section 5.3).
2. Terms never fall from one entry to the next.
3. `durable` is the end of what is on disk *and* still in this log. An entry that replaces another takes `durable` back
   to before it; a write of what was replaced, reported afterwards, does not bring it forward again: see `writes`.
4. `handed` is the end of what was given to the disk.

Knows nothing of messages, roles and what is committed. Searches take O(log n); bytes between two indexes O(1).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

NOOP, DATA, CONFIGURATION = 0, 1, 2
KINDS = (NOOP, DATA, CONFIGURATION)
# What an entry counts besides its data, so that many empty ones are not free.
ENTRY_BYTES = 16


class Entry(NamedTuple):
    """`kind` is NOOP (a leader's first, which carries nothing), DATA, or CONFIGURATION."""

    term: int
    kind: int
    data: bytes


class Log:
    __slots__ = ("_base", "_entries", "_sums", "durable", "handed", "last", "offset", "offset_term")

    def __init__(self, offset: int, offset_term: int, entries: Sequence[Entry] = ()) -> None:
        """What the disk holds; the first entry has the index `offset` + 1."""
        self.reset(offset, offset_term)
        self.append(entries)
        self.durable = self.handed = self.last

    def reset(self, offset: int, offset_term: int) -> None:
        """Nothing is left but that a snapshot reaches to `offset`."""
        self._entries: list[Entry] = []
        self._sums: list[int] = []  # bytes of all entries ever held, up to each
        self._base = 0  # the same, up to `offset`
        self.offset = self.durable = self.handed = self.last = offset
        self.offset_term = offset_term

    @property
    def last_term(self) -> int:
        return self._entries[-1].term if self._entries else self.offset_term

    @property
    def bytes(self) -> int:
        """Of all entries held."""
        return self.bytes_after(self.offset)

    def bytes_after(self, index: int) -> int:
        return (self._sums[-1] if self._sums else self._base) - self._sum(index)

    def first_within(self, index: int, size: int) -> int:
        """The lowest index after which entries up to `index` come to no more than so many bytes."""
        target = self._sum(index) - size
        return self.offset if self._base >= target else self.offset + 1 + bisect_left(self._sums, target)

    def _sum(self, index: int) -> int:
        return self._sums[index - self.offset - 1] if index > self.offset else self._base

    def entry(self, index: int) -> Entry:
        assert self.offset < index <= self.last
        return self._entries[index - self.offset - 1]

    def term(self, index: int) -> int:
        """-1 where it is not known: below the offset, above the end."""
        place = index - self.offset
        if place == 0:
            return self.offset_term
        return self._entries[place - 1].term if 0 < place <= len(self._entries) else -1

    def is_behind(self, last_index: int, last_term: int) -> bool:
        """Whether a log that ends there has, or may have, something that this one lacks (paper section 5.4.1)."""
        return (last_term, last_index) >= (self.last_term, self.last)

    def between(self, first: int, last: int, bytes_max: int) -> tuple[Entry, ...]:
        """Entries from `first` to at most `last`, of no more bytes than that, but at least one if there is one."""
        start = first - self.offset - 1
        assert start >= 0, "compacted"
        end = min(last - self.offset, len(self._entries))
        if end <= start:
            return ()
        fitting = bisect_right(self._sums, self._sum(first - 1) + bytes_max, start, end)
        return tuple(self._entries[start : max(fitting, start + 1)])

    def append(self, entries: Sequence[Entry]) -> None:
        total = self._sums[-1] if self._sums else self._base
        for entry in entries:
            total += len(entry.data) + ENTRY_BYTES
            self._entries.append(entry)
            self._sums.append(total)
        self.last += len(entries)

    def conflict(self, previous: int, entries: Sequence[Entry]) -> int:
        """Where the first of the entries belongs that is not in this log; one after them all if each is."""
        for index, entry in enumerate(entries, previous + 1):
            if self.term(index) != entry.term:
                return index
        return previous + len(entries) + 1

    def truncate(self, first: int) -> None:
        """Drop everything from that index on."""
        assert self.offset < first
        place = first - self.offset - 1
        del self._entries[place:], self._sums[place:]
        self.last = min(self.last, first - 1)
        self.durable = min(self.durable, first - 1)
        self.handed = min(self.handed, first - 1)

    def compact(self, index: int) -> None:
        """Drop everything up to that index, which the disk holds."""
        assert self.offset <= index <= min(self.durable, self.handed)
        self.offset_term, self._base = self.term(index), self._sum(index)
        place = index - self.offset
        del self._entries[:place], self._sums[:place]
        self.offset = index

    def last_of_term(self, index: int, term: int) -> int:
        """The last index, up to that one, with a term of at most `term`; `offset` if the log does not reach so low.

        What lies above it cannot be in a log in which the entry at `index` has that term, so one answer passes over a
        whole term (the end of paper section 5.3, and a term on either side).
        """
        end = min(index, self.last) - self.offset
        if end <= 0:
            return min(index, self.offset)
        return self.offset + bisect_right(self._entries, term, 0, end, key=_term_of)

    def check_invariants(self) -> None:
        assert self.offset <= self.durable <= self.last
        assert self.offset <= self.handed <= self.last and self.durable <= self.handed
        terms = [self.offset_term, *[entry.term for entry in self._entries]]
        assert terms == sorted(terms), "terms never fall"
        assert len(self._sums) == len(self._entries) == self.last - self.offset


def _term_of(entry: Entry) -> int:
    return entry.term
