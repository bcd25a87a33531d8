"""Committed entries on their way into the states of agents: judged by the machine, and then merged.

Pure.
"""

from collections.abc import Iterable
from typing import NamedTuple

from replication.core import Delivery
from replication.message_fields import MessageError
from replication.messages import Item
from replication.raft.log import DATA, Entry
from replication.strong.entries import Piece, Proposal, decode
from replication.strong.machine import HOLDS, INVALID, Machine
from replication.strong.proposals import Proposals
from replication.strong.turns import Turns


class Judged(NamedTuple):
    """What some entries came to.

    items    what is to be merged, in the order of the log
    decided  of this node's attempts, the number and the verdict
    agents   all that anybody changed or tried to, in the order of the log
    """

    items: list[Item]
    decided: list[tuple[int, str]]
    agents: dict[str, None]


class Applying(NamedTuple):
    """Entries up to `last`, whose changes are being merged."""

    last: int
    delivery: Delivery
    judged: Judged


class Judge:
    """Tells the rest of the core what the machine makes of the log, and counts it.

    unmerged  op_ids of entries that are being applied
    """

    def __init__(self, turns: Turns, proposals: Proposals, counts: dict[str, int]) -> None:
        self._turns = turns
        self._proposals = proposals
        self._counts = counts
        self.unmerged: set[str] = set()

    def judge(self, machine: Machine, entries: Iterable[Entry], now: float) -> Judged:
        """The next entries of the log; what comes of one is the same on every member."""
        judged = Judged([], [], {})
        for entry in entries:
            if entry.kind == DATA:
                self._judge(machine, entry.data, judged, now)
        return judged

    def _judge(self, machine: Machine, data: bytes, judged: Judged, now: float) -> None:
        try:
            said = decode(data)
            if isinstance(said, Piece):
                whole = machine.pieces.take(said)
                self._proposals.came(said, now)
                if whole is None:
                    return
                said = whole
        except MessageError:
            self._counts["invalid"] += 1
            return
        if not isinstance(said, Proposal):
            machine.apply(said)
            return
        if said.results:
            self.unmerged.update([result.op_id for result in said.results])
        verdict = machine.apply(said)
        self._counts["committed" if verdict == HOLDS else "invalid" if verdict == INVALID else "conflicts"] += 1
        if verdict == HOLDS and said.delta:
            judged.items.append(Item(said.agent_id, said.delta, b""))
        self._turns.judged(said, verdict, now)
        judged.agents[said.agent_id] = None
        if self._proposals.are_own(said):
            judged.decided.append((said.number, verdict))
