"""What two nodes differ in: the steps of the way from two roots to the agents that differ.

Each step takes what a peer said of some part of its agents and gives what there is to say back, from
present state alone; nothing is remembered, so a step may be repeated, skipped or come late. What one
step says is bounded in bytes; what did not fit is only said to exist (`more`).

Parts that one side does not have at all are not descended into: their agents are listed at once.

Pure: knows nothing of time, peers, or what was asked before. Bytes from outside are checked in `messages`
for their form and here for their meaning.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from crdt import VersionVector
from replication.messages import Head, Heads, NodeSums, Range, Sums
from replication.storage.buckets import BUCKETS, DIGEST_BYTES, KEY_PREFIX, bucket_key, key_of
from replication.sync.summary import FANOUT, LEVELS, Summary, span

# What things take in a message, beside their strings; a little too much rather than too little.
_SUMS = struct.Struct(f"<{FANOUT}Q")
NODE_BYTES = 8 * FANOUT + 12
RANGE_BYTES = 16
HEAD_BYTES = 24
# A node with at most so many children that are not empty has few agents: they are listed instead.
_SPARSE = 3


class Catalog(Protocol):
    """The agents of this node as they are on its disk. All of one agent is of one moment."""

    def heads(self, first: int, beyond: int) -> Iterable[tuple[str, bytes]]:
        """The id and digest of each agent in a stretch of buckets, in order of the keys, read as they are asked for."""

    def digest(self, agent_id: str) -> bytes:
        """The digest of an agent; b"" if it is not there. Does not load it."""

    def holding(self, agent_id: str) -> tuple[VersionVector, bytes] | None:
        """The version and the digest of an agent; an empty version and b"" if it is not there. May load it.

        None if it cannot be told at this moment.
        """

    def arriving(self, agent_id: str) -> bool:
        """Whether what is lacking of it is probably on its way, and need not be asked for yet."""


class NotValid(ValueError):
    """A message that no peer sends; nothing was done."""


class Descent(NamedTuple):
    """What to say where sums differ: the sums below, the agents in ranges, and agents the peer has not."""

    nodes: list[NodeSums]
    ranges: list[Range]
    offers: list[Head]
    more: bool


class Difference(NamedTuple):
    """Where lists of agents differ: in agents that both have, that only they have, and that only I have."""

    differing: list[str]
    missing: list[str]
    offers: list[Head]
    more: bool


class Comparison:
    """One node's side of it. No message is longer than `message_bytes` or offers more than `offers_max` agents."""

    def __init__(
        self, summary: Summary, catalog: Catalog, message_bytes: int, offers_max: int, agent_id_bytes_max: int
    ) -> None:
        self._summary = summary
        self._catalog = catalog
        self._message_bytes = message_bytes
        self._offers_max = offers_max
        self._agent_id_bytes_max = agent_id_bytes_max

    def below(self, message: Sums) -> list[tuple[int, int, int]]:
        """Level, place and the peer's sum of each node named below those of the message. NotValid if there is none."""
        theirs = []
        for level, place, sums in message.nodes[: self._message_bytes // NODE_BYTES + 1]:
            if level >= LEVELS or place >= FANOUT**level or len(sums) != 8 * FANOUT:
                raise NotValid(f"no node is at place {place} of level {level} with {len(sums)} bytes below it")
            theirs += [(level + 1, place * FANOUT + at, below) for at, below in enumerate(_SUMS.unpack(sums))]
        return theirs

    def descend(self, theirs: list[tuple[int, int, int]], origin: int, wants: bool) -> Descent:
        """What to say of those of these nodes (level, place, the peer's sum) that differ.

        `origin` is the bucket from which on, in a circle, the parts are gone through: a bound must
        not always cut off the same ones. Without `wants`, the peer is not asked to offer anything.
        """
        summary = self._summary
        nodes: list[NodeSums] = []
        listed, wanted, offered = _Spans(), _Spans(), _Spans()
        room = _Room(self._message_bytes)
        for level, place, theirs_below in sorted(theirs, key=lambda node: (span(*node[:2])[0] - origin) % BUCKETS):
            mine = summary.sum(level, place)
            if mine == theirs_below:
                continue
            if not theirs_below:
                offered.add(*span(level, place))
            elif not mine:
                if wants:
                    wanted.add(*span(level, place))
            elif level == LEVELS or self._is_sparse(level, place):
                listed.add(*span(level, place))
            elif room.take(NODE_BYTES):
                nodes.append(NodeSums(level, place, _SUMS.pack(*summary.children(level, place))))
        ranges, cut = self._list(listed, wanted, origin)
        offers = _Offers(self._message_bytes, self._offers_max)
        for first, beyond in offered.from_origin(origin):
            for key, head in self._own(bucket_key(first), bucket_key(beyond)):
                if not offers.add(key, head):
                    break
            if offers.is_full:
                break
        return Descent(nodes, ranges, offers.heads, room.is_full or cut or offers.is_full)

    def _is_sparse(self, level: int, place: int) -> bool:
        return sum(map(bool, self._summary.children(level, place))) <= _SPARSE

    def _list(self, listed: "_Spans", wanted: "_Spans", origin: int) -> tuple[list[Range], bool]:
        """My agents in the spans to be listed; and the spans of which I have none, so that the peer offers its own."""
        room = _Room(self._message_bytes)
        ranges: list[tuple[int, Range]] = []
        for first, beyond in listed.spans:
            if room.is_full:
                break
            own = list(self._own(bucket_key(first), bucket_key(beyond)))
            size = RANGE_BYTES + sum(HEAD_BYTES + len(key) for key, _ in own)
            if size <= self._message_bytes and room.take(size):
                ranges.append((first, Range(bucket_key(first), bucket_key(beyond), tuple([head for _, head in own]))))
            elif not ranges:
                ranges.append((first, self._page(own, bucket_key(beyond), origin, room)))
        for first, beyond in wanted.from_origin(origin):
            if room.take(RANGE_BYTES):
                ranges.append((first, Range(bucket_key(first), bucket_key(beyond), ())))
        ranges.sort(key=lambda each: (each[0] - origin) % BUCKETS)
        return [each for _, each in ranges], room.is_full

    def _page(self, own: list[tuple[str, Head]], high: str, origin: int, room: "_Room") -> Range:
        """A part of a span that is too long for a message, from anywhere in it."""
        start = origin % len(own)
        heads: list[Head] = []
        for key, head in own[start:]:
            if not room.take(HEAD_BYTES + len(key)):
                return Range(own[start][0], key, tuple(heads))
            heads.append(head)
        room.is_full = True
        return Range(own[start][0], high, tuple(heads))

    def differ(self, message: Heads) -> Difference:
        """Where the peer's lists of agents differ from mine. NotValid if they are not lists of agents."""
        differing: list[str] = []
        missing: list[str] = []
        offers = _Offers(self._message_bytes, self._offers_max)
        before, turns = "", 0
        for low, high, heads in message.ranges:
            if offers.is_full:
                break
            theirs = self._theirs(low, high, heads)
            # Disjoint, in the order of a circle: nobody may have the same agents looked up over and over.
            turns += low < before
            if turns > 1:
                raise NotValid(f"the range from {low!r} comes again")
            before = end = high
            for key, head in self._own(low, high):
                digest = theirs.pop(key, None)
                if digest is None:
                    if not offers.add(key, head):
                        end = key
                        break
                elif digest != head.digest:
                    differing.append(head.agent_id)
            # What lies beyond the end was not looked at: whether it is missing here is not known.
            missing += [key[KEY_PREFIX:] for key in theirs if key < end]
        return Difference(differing, missing, offers.heads, offers.is_full)

    def _theirs(self, low: str, high: str, heads: tuple[Head, ...]) -> dict[str, bytes]:
        """The peer's heads by key. NotValid if they do not lie in the range, in order."""
        if _bucket_at(low) is None or _bucket_at(high) is None or low >= high:
            raise NotValid(f"{low!r} to {high!r} is no range of agents")
        theirs: dict[str, bytes] = {}
        last = ""
        for agent_id, digest in heads:
            key = key_of(agent_id)
            if not low <= key < high or key <= last or not self.is_head(agent_id, digest):
                raise NotValid(f"agent {agent_id[:40]!r} is not in its place between {low!r} and {high!r}")
            theirs[key] = digest
            last = key
        return theirs

    def is_head(self, agent_id: str, digest: bytes) -> bool:
        """Whether there can be such an agent with such a digest."""
        return len(digest) == DIGEST_BYTES and 1 <= len(agent_id.encode()) <= self._agent_id_bytes_max

    def _own(self, low: str, high: str) -> Iterator[tuple[str, Head]]:
        """My agents from `low` and below `high`, in order, with their keys."""
        first, last = _bucket_at(low), _bucket_at(high)
        assert first is not None and last is not None
        for agent_id, digest in self._catalog.heads(first, min(last + 1, BUCKETS)):
            key = key_of(agent_id)
            if key >= high:
                return
            if key >= low:
                yield key, Head(agent_id, digest)


class _Room:
    """The bytes left in one message."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.is_full = False

    def take(self, size: int) -> bool:
        """Whether there is room for so many bytes more; once there was not, there is for nothing."""
        self.is_full = self.is_full or size > self._left
        self._left -= size
        return not self.is_full


class _Offers:
    """Agents of mine that the peer has not, as many as fit in a message."""

    def __init__(self, size: int, count_max: int) -> None:
        self._room = _Room(size)
        self._count_max = count_max
        self.heads: list[Head] = []
        self.is_full = False

    def add(self, key: str, head: Head) -> bool:
        self.is_full = len(self.heads) == self._count_max or not self._room.take(HEAD_BYTES + len(key))
        if not self.is_full:
            self.heads.append(head)
        return not self.is_full


class _Spans:
    """Stretches of buckets, neighbours joined."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []

    def add(self, first: int, beyond: int) -> None:
        if self.spans and self.spans[-1][1] == first:
            self.spans[-1] = (self.spans[-1][0], beyond)
        else:
            self.spans.append((first, beyond))

    def from_origin(self, origin: int) -> list[tuple[int, int]]:
        """The spans, which came in the order of a circle from there; one that holds the origin is cut in two."""
        for place, (first, beyond) in enumerate(self.spans):
            if first < origin < beyond:
                others = self.spans[:place] + self.spans[place + 1 :]
                return [(origin, beyond), *others, (first, origin)]
        return self.spans


def _bucket_at(key: str) -> int | None:
    """The bucket in which a key lies; None if it is no key."""
    if key == bucket_key(BUCKETS):
        return BUCKETS
    digits = key[:KEY_PREFIX]
    if len(digits) < KEY_PREFIX or not all(digit in "0123456789abcdef" for digit in digits):
        return None
    return int(digits, 16)
