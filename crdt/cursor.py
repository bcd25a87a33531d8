"""Cursor: a place in a sequence that stays with its neighbour while others edit.

A cursor names an element by the event that inserted it, so it means the same on every replica and
can be stored or sent; a deleted neighbour still tells where it was.
"""

from typing import NamedTuple

__all__ = ["Cursor"]


class Cursor(NamedTuple):
    """A place between two elements, held by one of them.

    `side="right"`: just before the element (replica, sequence), which stands to the right;
    `side="left"`: just after it. An empty `replica` means the end of the sequence that has no
    element on that side: its end for "right", its start for "left".
    """

    replica: str
    sequence: int
    side: str
