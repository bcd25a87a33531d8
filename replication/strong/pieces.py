"""Proposals that are too long for one entry of the log: cut into pieces, and put together again.

A piece is an entry by itself. What the pieces that came so far make is part of the machine's state, equal on all
members: they are in the order of the log, and one that does not follow what there is changes nothing. The last one
brings the proposal, whose turn in the log is there.

Pure.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from replication.message_fields import MessageError
from replication.strong.entries import Piece, Proposal, decode

# Proposals that are remembered, with or without their ends; of more, the one that was begun first is forgotten.
_KNOWN_MAX = 16
# Bytes of a piece that are not of the proposal: names are short.
_AROUND = 200


def cut(proposer: str, boot: int, number: int, data: bytes, entry_bytes_max: int) -> list[Piece]:
    """Pieces of an encoded proposal, each of which fits into an entry once it is encoded."""
    size = max(1, entry_bytes_max - _AROUND)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return [Piece(proposer, boot, number, place, len(parts), part) for place, part in enumerate(parts)]


class Begun(NamedTuple):
    """What there is of a proposal; no parts once it is whole."""

    proposer: str
    boot: int
    number: int
    parts: tuple[bytes, ...]


class Pieces:
    """Those that came."""

    def __init__(self, begun: Iterable[Begun] = ()) -> None:
        self._begun: OrderedDict[tuple[str, int, int], tuple[bytes, ...]] = OrderedDict()
        for proposer, boot, number, parts in begun:
            self._begun[proposer, boot, number] = parts

    def next_of(self, id: tuple[str, int, int]) -> int:
        """The place of the piece that is missing."""
        return len(self._begun.get(id, ()))

    def take(self, piece: Piece) -> Proposal | None:
        """The proposal if this was the last of it. MessageError if it is none, on every member alike."""
        is_known = piece.id in self._begun
        parts = self._begun.get(piece.id, ())
        if piece.place != len(parts) or (is_known and not parts):
            return None  # it came before, or one before it is lost
        parts = (*parts, piece.data)
        is_whole = len(parts) >= piece.of
        self._begun[piece.id] = () if is_whole else parts
        if len(self._begun) > _KNOWN_MAX:
            self._begun.popitem(last=False)
        if not is_whole:
            return None
        said = decode(b"".join(parts))
        if not isinstance(said, Proposal) or said.id != piece.id:
            raise MessageError("pieces of what is no proposal of that number")
        return said

    def begun(self) -> list[Begun]:
        """What `Pieces` is made with."""
        return [Begun(*id, parts) for id, parts in self._begun.items()]
