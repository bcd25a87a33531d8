"""Small parts on their way to their agents' rows: one row for all that a flush writes.

A row for each part would cost SQLite some 30 microseconds each, several times what all the rest of an
update costs. So a flush writes its small parts as one journal row. Later, when some have gathered
for an agent, they are moved into a row of its own, the agents that have waited longest first; a
journal row goes when nothing in it is still needed.

What tells the parts that were moved from those that were not: an agent's own rows hold its parts up to
some number, without a gap, and what the journal holds of it beyond that is what counts. So moving is
safe to read beside: who reads the journal first and the rows then sees every part, some of them twice.

Pure: parts in, rows out. `Journal` is changed by one thread, and read by any.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

import msgpack

from replication.storage import Loaded, Part
from replication.storage.buckets import KEY_PREFIX, key_of
from replication.storage.layout import INLINE_BYTES_MAX

# A part of more bytes gets a row at once: beside it, what a row costs does not matter.
PART_BYTES_MAX = 2 << 10
# When it is full, this part of it is moved.
_ROOM = 8
# Makes a tuple of names from the values in their order; to call its class takes three times as long.
_new_tuple = tuple.__new__

# The number of a journal row, and of a part in it the number, data, whether it is a snapshot, and the digest.
_Entry = tuple[int, int, bytes, bool, bytes]


class AgentRow(NamedTuple):
    """A row with the parts of one agent from the one after the row before it up to `number`."""

    agent_id: str
    number: int
    digest: bytes
    data: bytes


class Moves(NamedTuple):
    """What one write does to a store's parts.

    rows     to be added, those of an agent in order
    cuts     agents of which the rows below a number go
    entry    the data of the journal row to be added; b"" for none
    taken    the parts in it
    folded   agents that the journal holds nothing of any more
    below    journal rows below this number go
    """

    rows: list[AgentRow]
    cuts: list[tuple[str, int]]
    entry: bytes
    taken: list[Part]
    folded: list[str]
    below: int


class Head(NamedTuple):
    """An agent, and the digest and number of its newest part."""

    agent_id: str
    digest: bytes
    number: int


class Journal:
    """The parts that lie in journal rows and not in rows of their agents, in memory."""

    def __init__(self) -> None:
        # By agent: its parts, oldest first, as their row's number and their fields. Who waits longest comes first.
        # Plain tuples, of which the garbage collector lets go: there may be ten thousand.
        self._agents: dict[str, list[_Entry]] = {}
        self._keys: list[str] = []  # of these agents, in order
        self._rows: dict[int, int] = {}  # by number, ascending: how many parts of that row count
        self._bytes = 0

    def parts(self, agent_id: str) -> list[Part]:
        """What it holds of an agent, oldest first."""
        entries = self._agents.get(agent_id, ())
        return [_new_tuple(Part, (agent_id, *entry[1:])) for entry in entries]

    def digest(self, agent_id: str) -> bytes:
        """The newest digest of an agent; b"" if it holds nothing of it."""
        entries = self._agents.get(agent_id)
        return entries[-1][4] if entries else b""

    def heads(self, after: str, below: str) -> list[Head]:
        """The agents whose keys lie between these, in order, each with its newest part."""
        keys = self._keys
        found = keys[bisect_right(keys, after) : bisect_left(keys, below)]
        waiting = [(key[KEY_PREFIX:], self._agents.get(key[KEY_PREFIX:])) for key in found]
        return [Head(agent_id, entries[-1][4], entries[-1][1]) for agent_id, entries in waiting if entries]

    # Writing

    def plan(self, parts: Sequence[Part], bytes_max: int) -> Moves:
        """How to write these; it holds at most so many bytes afterwards. `done` must follow once that is durable."""
        direct: dict[str, list[Part]] = {}
        for part in parts:
            if len(part.data) > PART_BYTES_MAX:
                # What is in front of a part in a row of its own has to be in one, too.
                direct.setdefault(part.agent_id, self.parts(part.agent_id)).append(part)
        taken = [part for part in parts if part.agent_id not in direct]
        size = self._bytes + sum([len(part.data) for part in taken])
        # Room for many flushes is made at a time: most then write one row, which takes a single statement.
        enough = bytes_max if size <= bytes_max else bytes_max - bytes_max // _ROOM
        for agent_id in self._agents:
            if size <= enough:
                break
            if agent_id not in direct:
                direct[agent_id] = waiting = self.parts(agent_id)
                size -= sum(len(part.data) for part in waiting)
        folded = [agent_id for agent_id in direct if agent_id in self._agents]
        moves = Moves([], [], _pack(taken) if taken else b"", taken, folded, self._live_from(folded))
        for waiting in direct.values():
            _move(waiting, moves)
        return moves

    def done(self, moves: Moves, number: int) -> None:
        """The write is durable; its entry has become the journal row of this number."""
        for agent_id in moves.folded:
            self._uncount(self._agents[agent_id])
            self._drop(agent_id)
        for row in list(takewhile(lambda row: row < moves.below, self._rows)):
            del self._rows[row]
        if moves.taken:
            self.add(number, moves.taken)

    def add(self, number: int, parts: Iterable[Part]) -> None:
        """Take in a journal row; those of lower numbers have been."""
        self._rows[number] = 0
        for part in parts:
            entries = self._agents.get(part.agent_id)
            if entries is None:
                entries = self._agents[part.agent_id] = []
                insort(self._keys, key_of(part.agent_id))
            entries.append((number, *part[1:]))
            self._rows[number] += 1
            self._bytes += len(part.data)

    def _uncount(self, entries: Iterable[_Entry]) -> None:
        for row, _, data, _, _ in entries:
            self._rows[row] -= 1
            self._bytes -= len(data)

    def _drop(self, agent_id: str) -> None:
        del self._agents[agent_id]
        del self._keys[bisect_left(self._keys, key_of(agent_id))]

    def _live_from(self, folded: Iterable[str]) -> int:
        """The number of the oldest row that holds anything that counts when these agents are folded; 0 if the oldest.

        Looks at no more than it finds to remove, and what is folded.
        """
        gone: dict[int, int] = {}
        for agent_id in folded:
            for row, *_ in self._agents[agent_id]:
                gone[row] = gone.get(row, 0) + 1
        last = -1
        for row, count in self._rows.items():
            if count > gone.get(row, 0):
                break
            last = row
        return last + 1

    # Reading

    def forget(self, agent_id: str, number: int) -> None:
        """Drop the parts of an agent up to this number: rows of its own hold them."""
        entries = self._agents.get(agent_id, [])
        left = [entry for entry in entries if entry[1] > number]
        self._uncount(entries[: len(entries) - len(left)])
        if left:
            self._agents[agent_id] = left
        elif entries:
            self._drop(agent_id)

    def agents(self) -> Iterator[str]:
        """The agents it holds anything of."""
        yield from self._agents


def unpack(entry: bytes) -> list[Part]:
    """The parts in a journal row that is whole."""
    return [Part(*fields) for fields in msgpack.unpackb(entry)]


def parts_of(row_data: bytes, count: int) -> list[bytes]:
    """The parts in an agent's row that is whole and should hold so many; ValueError if it does not."""
    if count == 1:
        return [row_data]
    try:
        parts: list[bytes] = msgpack.unpackb(row_data)
    except Exception as error:  # msgpack documents no common root of what it raises
        raise ValueError(f"the row holds one part where {count} should be") from error
    if not isinstance(parts, list) or len(parts) != count:
        raise ValueError(f"the row does not hold {count} parts")
    return parts


def merged(page: list[Head], waiting: list[Head], count: int) -> tuple[list[Head], str | None]:
    """A page of agents' rows with what the journal had before they were read, and the key to read on from.

    A page of fewer than `count` is the last: there is no such key.
    """
    end = key_of(page[-1].agent_id) if len(page) == count else None
    heads = {head.agent_id: head for head in page}
    for head in waiting:
        if end is None or key_of(head.agent_id) <= end:
            found = heads.get(head.agent_id)
            heads[head.agent_id] = head if found is None or found.number < head.number else found
    return sorted(heads.values(), key=lambda head: key_of(head.agent_id)), end


def completed(loaded: Loaded, waiting: Iterable[Part]) -> Loaded:
    """An agent as its rows have it, and what the journal has beyond. ValueError if there is something missing."""
    parts, expected, digest = loaded
    for part in waiting:
        if part.number < expected:
            continue  # it has been moved
        if part.number > expected:
            raise ValueError(f"part {expected} is missing")
        parts = [part.data] if part.snapshot else [*parts, part.data]
        expected, digest = part.number + 1, part.digest
    return Loaded(parts, expected, digest)


def _pack(parts: Iterable[Part]) -> bytes:
    packed: bytes = msgpack.packb([tuple(part) for part in parts])
    return packed


def _move(parts: list[Part], moves: Moves) -> None:
    """Put parts of an agent, with no gap, into rows: a snapshot into one alone, what follows together."""
    first = max((at for at, part in enumerate(parts) if part.snapshot), default=None)
    if first is not None:
        snapshot = parts[first]
        moves.rows.append(_row_of([snapshot]))
        if snapshot.number:
            moves.cuts.append((snapshot.agent_id, snapshot.number))
        parts = parts[first + 1 :]
    gathered: list[Part] = []
    size = 0
    for part in parts:
        if gathered and size + len(part.data) > INLINE_BYTES_MAX // 2:
            moves.rows.append(_row_of(gathered))
            gathered, size = [], 0
        gathered.append(part)
        size += len(part.data)
    if gathered:
        moves.rows.append(_row_of(gathered))


def _row_of(parts: list[Part]) -> AgentRow:
    last = parts[-1]
    data = last.data if len(parts) == 1 else msgpack.packb([part.data for part in parts])
    return AgentRow(last.agent_id, last.number, last.digest, data)
