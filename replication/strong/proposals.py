"""The attempts of one node that have no verdict yet: put into the log, and again until there is one.

One that comes into the log twice conflicts with itself the second time, so to put it again does no harm.

Others may have an attempt in their logs before this node's disk has it. So the names of its operations are written
first: opened again, out of the reach of its group, the node serves none of them in a weaker mode.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf

from replication.config import Config
from replication.core import Ready, Send
from replication.raft.core import Raft
from replication.raft.ready import Refused
from replication.strong.attempt import Attempt
from replication.strong.entries import Piece, Proposal, Result, encode
from replication.strong.journal import RecordLog
from replication.strong.machine import CONFLICT, Machine
from replication.strong.messages import Propose
from replication.strong.pieces import cut
from replication.strong.undecided import Undecided
from replication.ticket import Ticket

# Pieces of one attempt that are on their way into the log.
_WINDOW = 4


class Proposals:
    """boot tells this life of the node from its others.

    next_piece  which piece of an attempt the log is to bring next
    send        hands out what is for who leads, and what is for the disk
    time        of now, which does not go back
    """

    def __init__(
        self,
        name: str,
        boot: int,
        raft: Raft,
        records: RecordLog,
        undecided: Undecided,
        config: Config,
        next_piece: Callable[[tuple[str, int, int]], int],
        send: Callable[[Ready], None],
        time: Callable[[], float],
    ) -> None:
        self._id = name, boot
        self._raft = raft
        self._records = records
        self._undecided = undecided
        self._config = config
        self._next_piece = next_piece
        self._send = send
        self._time = time
        self._number = self._forgetting = 0
        self._led_by: tuple[int, str] = (0, "")
        self._attempts: dict[int, Attempt] = {}
        self.counts = {"proposed": 0, "again": 0}

    def __len__(self) -> int:
        return len(self._attempts)

    def asked(self) -> Iterator[str]:
        """The operations of this node that may be committed, as far as it knows, and in no log of its own."""
        yield from self._undecided
        for attempt in self._attempts.values():
            yield from attempt.op_ids

    def add(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        """Have them put into the log, as often as it takes; but for those that are too large, which are returned."""
        too_large: list[Attempt] = []
        entries: list[bytes] = []
        now = self._time()
        for attempt in attempts:
            results = tuple(attempt.results)
            if not self._number_it(attempt, results):
                too_large.append(attempt)
            elif results and self._raft.configuration.members != (self._id[0],):
                self._write_down(attempt)
            elif len(attempt.entries) > 1:
                self._put(attempt, now)
            else:
                attempt.put_at = now
                entries += attempt.entries
        if entries:
            self._propose(entries, now)
        return too_large

    def _number_it(self, attempt: Attempt, results: tuple[Result, ...]) -> bool:
        """Give it a number, and make its entries; False if it is too large."""
        number = self._number + 1
        proposal = Proposal(*self._id, number, attempt.agent_id, attempt.base, attempt.delta, attempt.top, results)
        data = encode(proposal)
        if len(data) > self._config.change_bytes_max:
            return False
        if len(data) > self._config.entry_bytes_max:
            attempt.entries = tuple(map(encode, cut(*proposal.id, data, self._config.entry_bytes_max)))
        else:
            attempt.entries = (data,)
        attempt.number = self._number = number
        self._attempts[number] = attempt
        self.counts["proposed"] += 1
        return True

    def _write_down(self, attempt: Attempt) -> None:
        """Put it once it is durable that it was."""

        def written(ticket: Ticket) -> None:
            if attempt.number in self._attempts:
                self._put(attempt, self._time())

        attempt.put_at = inf
        self._send(Ready(persist=(self._records.asked(attempt.op_ids),), settle=(Ticket(None, written),)))

    def _put(self, attempt: Attempt, now: float) -> None:
        attempt.put_at = now
        first = self._next_piece((*self._id, attempt.number)) if len(attempt.entries) > 1 else 0
        self._propose(attempt.entries[first : first + _WINDOW], now)

    def _propose(self, entries: Sequence[bytes], now: float) -> None:
        outcome = self._raft.propose(entries, now)
        if isinstance(outcome, Refused) and outcome.reason == "not leader" and outcome.leader:
            self._send(Ready(send=tuple([Send(outcome.leader, Propose(entry)) for entry in entries])))

    def came(self, piece: Piece, now: float) -> None:
        """The log has brought a piece of anybody's: of this node's, another may follow."""
        attempt = self._attempts.get(piece.number)
        if attempt is not None and self.are_own(piece):
            attempt.put_at = now
            following = attempt.entries[piece.place + _WINDOW :][:1]
            if following:
                self._propose(following, now)

    def tick(self, now: float) -> None:
        """What was put a while ago, or to who led before, is put again."""
        led_by = self._raft.term, self._raft.leader
        is_new, self._led_by = led_by != self._led_by, led_by
        for attempt in list(self._attempts.values()) if self._raft.leader else ():
            if (is_new and attempt.put_at < inf) or now - attempt.put_at >= self._config.election_timeout:
                self.counts["again"] += 1
                self._put(attempt, now)

    def forget(self, machine: Machine, now: float) -> None:
        """As who leads: have everybody forget the oldest results when there are too many."""
        surplus = machine.surplus(self._config.operations_max)
        if surplus is not None and surplus.number > self._forgetting:
            self._forgetting = surplus.number
            self._raft.propose((encode(surplus),), now)

    def are_own(self, said: Proposal | Piece) -> bool:
        return (said.proposer, said.boot) == self._id

    def decide(self, decided: list[tuple[int, str]], tell: Callable[[Attempt], None]) -> list[Ticket]:
        """These have a verdict: tell whose they are, and return the callers."""
        callers: list[Ticket] = []
        for number, verdict in decided:
            attempt = self._attempts.pop(number, None)
            self._undecided.decided(number)
            if attempt is not None:  # else it came twice
                attempt.verdict = verdict
                tell(attempt)
                callers += attempt.tickets
        return callers

    def lose(self, tell: Callable[[Attempt], None]) -> None:
        """A snapshot has taken the place of entries that may have had their verdicts: nobody can tell any more."""
        attempts, self._attempts = self._attempts, {}
        for attempt in attempts.values():
            attempt.verdict = CONFLICT  # what was built on it is void
            attempt.fail("a snapshot came in place of the entries that would tell")
            self._undecided.lose(attempt.number, attempt.op_ids)
            tell(attempt)

    def end(self, why: str) -> None:
        for attempt in self._attempts.values():
            attempt.fail(why)
        self._attempts = {}
