"""What the entries of the log say: proposals of changes, that old results may be forgotten, that the group has an heir.

An entry's data is one byte for the kind and the fields as a msgpack array. Pure: bytes in, tuples out.
"""

from typing import Any, NamedTuple

import msgpack

from replication.message_fields import MessageError, check_of_class
from replication.messages import ITEMS_MAX

# A group writes under this name and its own: one writer, whose events are in the order of the log. No node has such a
# name, since nodes' writers have a "~" in theirs. Nodes that were groups of their own may meet, so each has another.
GROUP = "replicated"


# A group that lost its majority for good is founded anew from a log that is left: as its heir, with one more part in
# its name. So of any two groups it can be told whether one came from the other; and the heir's changes are not taken
# for what the old group might still do, should its voters come back.
HEIR = "."


def writer_of(group: str) -> str:
    """Under which name that group writes: whatever it went through, one that fits."""
    first, *heirs = group.split(HEIR)
    return HEIR.join([GROUP, first, *heirs[-1:]])


def first_of(group: str) -> str:
    """The name of the group that its log began with."""
    return group.partition(HEIR)[0]


def is_heir(group: str, of: str) -> bool:
    """Whether a group goes on from what was the log of another."""
    return group.startswith(of + HEIR)


def is_of_a_group(writer: str) -> bool:
    """Whether a group writes under this name."""
    return writer.startswith(f"{GROUP}.")


class Result(NamedTuple):
    """What the operation of that name returned, as `operations.encode_result` has it."""

    op_id: str
    data: bytes


class Proposal(NamedTuple):
    """Changes of one agent, made one after the other on one fork of its state.

    proposer  who made it, in which life of its, and the number it has there: what tells it from every other
    base      how many of the group's events the state had that it was made on
    delta     the changes, and what of other writers they build on that was not in the log before them; empty if the
              functions changed nothing
    top       the version of the state with it
    results   of those of the changes that have an `op_id`
    """

    proposer: str
    boot: int
    number: int
    agent_id: str
    base: int
    delta: bytes
    top: bytes
    results: tuple[Result, ...]

    @property
    def id(self) -> tuple[str, int, int]:
        return self.proposer, self.boot, self.number


class Forget(NamedTuple):
    """The results of the oldest operations up to this number may be forgotten: all members do so at this entry."""

    number: int


class Piece(NamedTuple):
    """A part of the entry of a `Proposal` that is too long for one entry, the `place`-th of so many: see `pieces`."""

    proposer: str
    boot: int
    number: int
    place: int
    of: int
    data: bytes

    @property
    def id(self) -> tuple[str, int, int]:
        return self.proposer, self.boot, self.number


class Refounded(NamedTuple):
    """From here on this is the log of the group of that name."""

    group: str


Said = Proposal | Forget | Refounded | Piece

_KINDS: dict[int, type[Any]] = {1: Proposal, 2: Forget, 3: Refounded, 4: Piece}
_CHECKS = {kind: check_of_class(each) for kind, each in _KINDS.items()}
_PREFIX = {each: bytes([kind]) for kind, each in _KINDS.items()}


def encode(said: Said) -> bytes:
    packed: bytes = msgpack.packb(said)
    return _PREFIX[type(said)] + packed


def decode(data: bytes) -> Said:
    """MessageError if it is no entry of this protocol."""
    check = _CHECKS.get(data[0]) if data else None
    if check is None:
        raise MessageError(f"an entry that begins with {data[:1]!r}")
    try:
        fields = msgpack.unpackb(data[1:], use_list=False, max_array_len=ITEMS_MAX, max_map_len=0, max_ext_len=0)
    except Exception as error:  # msgpack documents no common root of what it raises
        raise MessageError(f"an entry is not msgpack: {error}") from None
    said: Said = check(fields)
    return said
