"""The sums over all agents of a node: a tree in which two nodes find the agents they differ in.

Each agent adds a number, made from its id and the digest of its state, to the bucket it is in; each
node of the tree is the sum of those below it. Equal roots mean equal agents in equal states. From
unequal roots the way leads down through the children that differ, 16 at a step, to a bucket (Merkle,
1987, with sums in place of hashes as in Demers et al., "Epidemic Algorithms for Replicated Database
Maintenance", PODC 1987, so that a change costs no look at its neighbours and order does not matter).

The tree has the same 560 kB whatever the number of agents. Pure: knows nothing of disks or peers.
"""

from array import array
from collections.abc import Callable, Sequence

from replication.storage.buckets import BUCKETS, SUM_MASK, bucket_of, leaf_of

# Children of a node; levels below the root; the last of them are the buckets.
FANOUT = 16
LEVELS = 4
# Agents whose changes wait to be summed up until somebody asks for a sum.
_PENDING_MAX = 1024


class Summary:
    """The sums of one node, from those of its buckets (`Storage.sums`), which it takes over."""

    def __init__(self, buckets: "array[int]") -> None:
        assert len(buckets) == BUCKETS == FANOUT**LEVELS
        levels = [buckets]
        while len(levels[0]) > 1:
            levels.insert(0, _sums_over(levels[0]))
        self._root, self._upper, self._middle, self._lower, self._buckets = self._levels = levels
        # By agent: its digest that is in the sums, and the one that is to be.
        self._pending: dict[str, tuple[bytes, bytes]] = {}
        # Hears which agents' states on disk changed.
        self.on_change: Callable[[Sequence[str]], None] | None = None

    @property
    def root(self) -> int:
        """The sum over all agents, 64 bits."""
        self._settle()
        return self._root[0]

    def sum(self, level: int, place: int) -> int:
        """One node's sum. Level 0 is the root, level `LEVELS` the buckets; places go from 0 to 16**level - 1."""
        self._settle()
        return self._levels[level][place]

    def children(self, level: int, place: int) -> "array[int]":
        """The 16 sums below a node above the buckets."""
        self._settle()
        return self._levels[level + 1][place * FANOUT : (place + 1) * FANOUT]

    def change(self, changes: Sequence[tuple[str, bytes, bytes]]) -> None:
        """Agents whose digests on disk were the first and are the second; b"" if one is not there."""
        for agent_id, before, after in changes:
            pending = self._pending.get(agent_id)
            if pending is not None and pending[1] == before:
                self._pending[agent_id] = pending[0], after
            else:
                if pending is not None or len(self._pending) >= _PENDING_MAX:
                    self._settle()
                self._pending[agent_id] = before, after
        if self.on_change is not None:
            self.on_change([agent_id for agent_id, _, _ in changes])

    def _settle(self) -> None:
        """Take what changed into the sums: about 3 microseconds an agent, however often it changed."""
        pending, self._pending = self._pending, {}
        for agent_id, (before, after) in pending.items():
            change = leaf_of(agent_id, after) - leaf_of(agent_id, before)
            bucket = bucket_of(agent_id)
            sums = self._buckets
            sums[bucket] = (sums[bucket] + change) & SUM_MASK
            sums = self._lower
            sums[bucket >> 4] = (sums[bucket >> 4] + change) & SUM_MASK
            sums = self._middle
            sums[bucket >> 8] = (sums[bucket >> 8] + change) & SUM_MASK
            sums = self._upper
            sums[bucket >> 12] = (sums[bucket >> 12] + change) & SUM_MASK
            self._root[0] = (self._root[0] + change) & SUM_MASK


def _sums_over(below: "array[int]") -> "array[int]":
    """The next level up. In a small store most of it is zeros, and those are passed over many at a time."""
    sums = array("Q", bytes(8 * (len(below) // FANOUT)))
    stretch = FANOUT * FANOUT
    zeros = array("Q", bytes(8 * stretch))
    for start in range(0, len(below), stretch):
        if below[start : start + stretch] != zeros:
            for at in range(start, min(start + stretch, len(below)), FANOUT):
                sums[at // FANOUT] = sum(below[at : at + FANOUT]) & SUM_MASK
    return sums


def span(level: int, place: int) -> tuple[int, int]:
    """The buckets below a node: the first, and the first beyond."""
    width = BUCKETS // FANOUT**level
    return place * width, (place + 1) * width
