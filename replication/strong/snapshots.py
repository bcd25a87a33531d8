"""Snapshots: the state of the machine, and of every agent that the log has brought anything of, as it lies on disk.

A snapshot is of an index; the agents in it may be further. That does no harm, since to install it is to merge it: what
a node has besides stays. Its bytes are made when the first chunk is asked for, and kept as long as one may be.

Pure, but for the disk it reads: `parts` of an agent.
"""

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

import msgpack

from replication.message_fields import MessageError
from replication.messages import Item
from replication.raft.messages import Snapshot
from replication.raft.ready import ChunkWish, Piece
from replication.strong.machine import Machine


class Contents(NamedTuple):
    machine: bytes
    items: tuple[Item, ...]


class Snapshots:
    """Those of one node, out and in."""

    def __init__(self, parts: Callable[[str], Iterable[bytes]]) -> None:
        self._parts = parts
        self._machines: dict[bytes, bytes] = {}  # by the snapshot's id
        self._made: dict[bytes, bytes] = {}
        self._incoming: tuple[bytes, bytearray] = (b"", bytearray())

    def keep(self, snapshot: Snapshot, machine: bytes, in_use: Collection[bytes]) -> None:
        """This is the newest; others are only needed if they are in use."""
        self._machines = {id: each for id, each in self._machines.items() if id in in_use}
        self._made = {id: each for id, each in self._made.items() if id in in_use}
        self._machines[snapshot.id] = machine

    def read(self, wish: ChunkWish) -> tuple[bytes | None, bool]:
        """The bytes that are wished for, and whether they are the last; None if they cannot be had any more."""
        id = wish.snapshot.id
        if id not in self._machines:
            return None, False
        if id not in self._made:
            self._made[id] = self._make(self._machines[id])
        made, end = self._made[id], wish.offset + wish.length
        return made[wish.offset : end], end >= len(made)

    def _make(self, machine: bytes) -> bytes:
        agents = [(agent_id, list(self._parts(agent_id))) for agent_id in Machine.from_bytes(machine).agents()]
        packed: bytes = msgpack.packb((machine, agents))
        return packed

    def take(self, piece: Piece) -> None:
        """A piece of one that comes in."""
        if piece.offset == 0:
            self._incoming = (piece.snapshot.id, bytearray())
        self._incoming[1].extend(piece.data)

    def contents(self, snapshot: Snapshot) -> Contents:
        """What came of it. MessageError if that is none."""
        id, data = self._incoming
        self._incoming = (b"", bytearray())
        try:
            if id != snapshot.id:
                raise ValueError("another one came")
            machine, agents = msgpack.unpackb(data, use_list=False)
            Machine.from_bytes(machine)
            items = tuple([Item(agent_id, part, b"") for agent_id, parts in agents for part in parts])
        except Exception as error:  # of msgpack, which documents no common root, or of what is unpacked
            raise MessageError(f"not a snapshot: {error}") from None
        return Contents(machine, items)
