"""What is said of members: which of two claims holds, which are refused, and how they are passed on.

A claim is worth what its incarnation and state say: the higher incarnation holds, then the worse
state. An incarnation has two parts: how often the member was opened, and below that how often it
spoke since, to refute a suspicion or to tell a new address. So every opening outweighs all that
was said of the one before, whoever said it, and everything at one incarnation is the member's own
word: the same address and metadata, whatever the state. Number 0 of an opening is the one
exception; it is what a handshake alone tells, and the member's first word outweighs it.

Knows nothing of time, probes or peers.
"""

from math import ceil, log10
from typing import NamedTuple

import msgpack

from replication.config import Config
from replication.identity import check_name
from replication.messages import STRING_MAX, Claim

ALIVE, SUSPECT, DEAD, LEFT = range(4)
STATES = ("alive", "suspect", "dead", "left")

_SPOKEN_BITS = 20
# Claims from here on are refused. It leaves room for 2**42 openings, and for refuting any claim below.
INCARNATION_MAX = 1 << 62
OPENINGS_MAX = INCARNATION_MAX >> _SPOKEN_BITS
ADDRESS_BYTES_MAX = 256
# What a receiver's decoder takes.
META_KEYS_MAX = 64


def first_incarnation(opening: int) -> int:
    """The lowest incarnation of a member's opening: what its handshake tells."""
    return opening << _SPOKEN_BITS


def opening_of(incarnation: int) -> int:
    """How often the member had been opened."""
    return incarnation >> _SPOKEN_BITS


def rank(claim: Claim) -> tuple[int, int]:
    """Of two claims about a member, the one of higher rank holds."""
    return claim.incarnation, claim.state


def size_of(claim: Claim) -> int:
    """Bytes on the wire."""
    return len(msgpack.packb(claim))


def check_claim(claim: Claim, config: Config) -> None:
    """ValueError if it can be no member's word."""
    check_name(claim.name)
    if claim.by:
        check_name(claim.by)
    if not ALIVE <= claim.state <= LEFT:
        raise ValueError(f"a claim about {claim.name!r} with state {claim.state}: states are 0 to {LEFT}")
    if not 0 <= claim.incarnation < INCARNATION_MAX:
        raise ValueError(f"a claim about {claim.name!r} with incarnation {claim.incarnation}: they end at 2**62")
    if len(claim.address.encode()) > ADDRESS_BYTES_MAX:
        raise ValueError(f"the address of {claim.name!r} is longer than {ADDRESS_BYTES_MAX} bytes")
    sizes = [len(text.encode()) for pair in claim.meta.items() for text in pair]
    if sum(sizes) > config.meta_bytes_max or len(claim.meta) > META_KEYS_MAX or max(sizes, default=0) > STRING_MAX:
        raise ValueError(
            f"the metadata of {claim.name!r} has {len(claim.meta)} keys and {sum(sizes)} bytes: {META_KEYS_MAX} keys, "
            f"{STRING_MAX} bytes in each string and meta_bytes_max={config.meta_bytes_max} are allowed"
        )


class _Queued(NamedTuple):
    claim: Claim
    size: int


class ClaimQueue:
    """Claims to be passed on, one a member, each a bounded number of times: the least sent first, then the newest.

    (SWIM 4.1.) One that outweighs another takes its place. All operations are O(1) for each claim.
    """

    def __init__(self, retransmit_factor: int) -> None:
        self._factor = retransmit_factor
        self._by_count: list[dict[str, _Queued]] = [{}]  # place: how often it was sent
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def put(self, claim: Claim) -> None:
        """Pass it on, instead of any other about that member."""
        self.drop(claim.name)
        self._by_count[0][claim.name] = _Queued(claim, size_of(claim))
        self._counts[claim.name] = 0

    def drop(self, name: str) -> None:
        """Pass on nothing about that member any more."""
        count = self._counts.pop(name, None)
        if count is not None:
            del self._by_count[count][name]

    def take(self, bytes_max: int, members: int, without: tuple[str, ...]) -> list[Claim]:
        """Claims for one message in a cluster of so many members; none about those in `without`."""
        taken: list[tuple[_Queued, int]] = []
        if not self._counts:
            return []
        for count, claims in enumerate(self._by_count):
            for name in reversed(claims):
                queued = claims[name]
                if queued.size > bytes_max:
                    return self._sent(taken, members)
                if name not in without:
                    bytes_max -= queued.size
                    taken.append((queued, count))
        return self._sent(taken, members)

    def _sent(self, taken: list[tuple[_Queued, int]], members: int) -> list[Claim]:
        limit = self._factor * max(1, ceil(log10(members + 1)))
        for queued, count in taken:
            name = queued.claim.name
            del self._by_count[count][name]
            if count + 1 >= limit:
                del self._counts[name]
                continue
            if count + 1 == len(self._by_count):
                self._by_count.append({})
            self._by_count[count + 1][name] = queued
            self._counts[name] = count + 1
        return [queued.claim for queued, _ in taken]
