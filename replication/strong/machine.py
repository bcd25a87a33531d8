"""What the log comes to: of every agent how far it is, and which operations have been served.

Every member applies the same entries in the same order, so all come to the same verdicts. A proposal was made on a
state that had so many of the group's events; if the log has just as many of that agent when the proposal's turn comes,
no other came between, and it holds. Else its functions have to run again on a newer state: an optimistic transaction
(Kung and Robinson, "On Optimistic Methods for Concurrency Control", TODS 1981), with one counter for a read set, since
a function may read the whole agent.

That it holds does not depend on anything else that a member's state has: weaker changes go their own ways. What of
them a proposal builds on it brings along, unless the log had brought it before: `held` is what the log has brought.

Pure. States are not its business.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import msgpack

from crdt import DecodeError, VersionVector
from replication.message_fields import MessageError, check_of_class
from replication.strong.entries import GROUP, Forget, Proposal, Refounded, writer_of
from replication.strong.pieces import Begun, Pieces

_NOTHING = VersionVector()

# Verdicts. "replayed": another proposal has brought the result of one of its operations.
HOLDS, CONFLICT, REPLAYED, INVALID = "holds", "conflict", "replayed", "invalid"


class _Served(NamedTuple):
    number: int
    data: bytes


class _OfAgent(NamedTuple):
    agent_id: str
    version: bytes


class _Operation(NamedTuple):
    op_id: str
    number: int
    data: bytes


class _Packed(NamedTuple):
    """What `to_bytes` packs: agents by their ids, operations by their numbers, which rise."""

    held: tuple[_OfAgent, ...]
    served: tuple[_Operation, ...]
    next_number: int
    writer: str
    begun: tuple[Begun, ...]


_check = check_of_class(_Packed)


class Machine:
    """The state that the log makes. Equal after equal entries; `to_bytes` is then equal, too.

    writer  under which the group writes, from the first entry on
    """

    def __init__(self, writer: str = GROUP) -> None:
        self._writer = writer
        # By agent: what the log has brought of it, with the group's own count among the others.
        self._held: dict[str, VersionVector] = {}
        self._served: OrderedDict[str, _Served] = OrderedDict()  # by op_id, oldest first
        self._next_number = 0
        self.pieces = Pieces()

    def held(self, agent_id: str) -> VersionVector:
        """What any state has that has applied all of this log."""
        return self._held.get(agent_id, _NOTHING)

    def result(self, op_id: str) -> bytes | None:
        """What the operation of that name returned, if it was served and not forgotten."""
        served = self._served.get(op_id)
        return None if served is None else served.data

    def __len__(self) -> int:
        """Operations whose results are remembered."""
        return len(self._served)

    def surplus(self, operations_max: int) -> Forget | None:
        """What to put into the log when more results are remembered than that."""
        if len(self._served) <= operations_max:
            return None
        return Forget(self._next_number - operations_max)

    def apply(self, said: Proposal | Forget | Refounded) -> str:
        """The verdict on the next entry. What holds is to be merged into the agent's state. O(1) for each operation."""
        if isinstance(said, Proposal):
            return self._judge(said)
        if isinstance(said, Forget):
            while self._served and next(iter(self._served.values())).number < said.number:
                self._served.popitem(last=False)
        else:
            self._writer = writer_of(said.group)
        return HOLDS

    def _judge(self, proposal: Proposal) -> str:
        held = self._held.get(proposal.agent_id, _NOTHING)
        if held.get(self._writer, 0) != proposal.base:
            return CONFLICT
        if proposal.results:
            op_ids = {result.op_id for result in proposal.results}
            if not self._served.keys().isdisjoint(op_ids):
                return REPLAYED
            if len(op_ids) < len(proposal.results):
                return INVALID
        if proposal.delta:
            try:
                top = VersionVector.from_bytes(proposal.top)
            except DecodeError:
                return INVALID
            if top.get(self._writer, 0) <= proposal.base:
                return INVALID
            self._held[proposal.agent_id] = top.merge(held)
        for op_id, data in proposal.results:
            self._served[op_id] = _Served(self._next_number, data)
            self._next_number += 1
        return HOLDS

    def agents(self) -> Iterator[str]:
        """The agents that the log has brought anything of."""
        return iter(self._held)

    def to_bytes(self) -> bytes:
        """All of it, for a snapshot."""
        held = sorted((agent_id, version.to_bytes()) for agent_id, version in self._held.items())
        served = [(op_id, number, data) for op_id, (number, data) in self._served.items()]
        packed: bytes = msgpack.packb((held, served, self._next_number, self._writer, self.pieces.begun()))
        return packed

    @classmethod
    def from_bytes(cls, data: bytes) -> "Machine":
        """MessageError if it is none: a snapshot may come from another node."""
        try:
            packed: _Packed = _check(msgpack.unpackb(data, use_list=False))
            held = {agent_id: VersionVector.from_bytes(version) for agent_id, version in packed.held}
        except Exception as error:  # of msgpack, which documents no common root, of a version, or of the fields
            raise MessageError(f"not the state of a log: {error}") from None
        numbers = [*[operation.number for operation in packed.served], packed.next_number]
        served = OrderedDict((op_id, _Served(number, result)) for op_id, number, result in packed.served)
        if len(held) < len(packed.held) or len(served) < len(packed.served):
            raise MessageError("not the state of a log: it has something twice")
        if any(one >= next for one, next in pairwise(numbers)):
            raise MessageError("not the state of a log: its operations are out of order")
        machine = cls(packed.writer)
        machine._held, machine._served, machine._next_number = held, served, packed.next_number
        machine.pieces = Pieces(packed.begun)
        return machine
