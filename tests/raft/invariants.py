"""What must hold of all nodes of a group together, looked at after every event (paper, figure 3).

It sees cores and disks, and is not seen by them. Everything is kept as it was first seen, and must be so ever after.
"""

from replication.raft.configuration import Configuration
from replication.raft.log import CONFIGURATION, Entry
from replication.raft.messages import Appended, RequestVote, Vote
from replication.raft.progress import Progress
from replication.raft.ready import Send, Write
from replication.raft.roles import LEADER
from tests.raft.machine import Machine


class Broken(AssertionError):
    pass


def require(holds: bool, what: str, *details: object) -> None:
    if not holds:
        raise Broken(f"{what} {' '.join(map(str, details))}".rstrip())


def is_majority(names: set[str], of: tuple[str, ...]) -> bool:
    return 2 * len(names & set(of)) > len(of)


class Invariants:
    def __init__(self, machines: dict[str, Machine]) -> None:
        self._machines = machines
        self.leaders: dict[int, str] = {}
        self.entries: dict[tuple[int, int], tuple[int, Entry]] = {}  # index, term: the term before, the entry
        self.committed: dict[int, int] = {}  # index: term
        self.committed_in: dict[int, int] = {}  # index: the term of the leader that did it
        self.commit = 0  # the highest of any node
        self.digests: dict[int, int] = {0: 0}
        self._seen: dict[str, tuple[int, int, str, int, int, int]] = {}
        self._matches: dict[tuple[str, str], tuple[Progress, int]] = {}  # by leader and follower
        self._complete: set[int] = set()  # terms whose leader was seen to have everything
        self._looks = 0

    def restarted(self, machine: Machine) -> None:
        """What was not durable may have been forgotten; term and vote that others heard of are not."""
        self._seen.pop(machine.name, None)

    def after(self, machine: Machine) -> None:
        """Something happened to that node."""
        state = machine.core._state
        now = (machine.lives, state.term, state.vote, state.commit, state.applied, state.log.offset)
        before = self._seen.get(machine.name)
        if before is not None and before[0] == now[0]:
            require(now[1] >= before[1], "a term fell", machine.name)
            require(now[1] > before[1] or before[2] in ("", now[2]), "a vote was changed", machine.name, before, now)
            require(now[3] >= before[3] and now[4] >= before[4] and now[5] >= before[5], "something fell", before, now)
        if before != now:
            self._seen[machine.name] = now
            self._committed(machine, before[3] if before is not None and before[0] == now[0] else state.log.offset)
        if machine.core.role == LEADER:
            self._leads(machine)
        self._looks += 1
        if self._looks % 32 == 0:
            machine.core.check_invariants()

    def _leads(self, machine: Machine) -> None:
        term = machine.core.term
        for peer, progress in machine.core.progress().items():
            key = (machine.name, peer)
            before, match = self._matches.get(key, (None, 0))
            same = before is progress  # neither another term nor a member again that had gone
            require(not same or progress.match >= match, "what a follower has fell:", key, progress.match, match)
            require(progress.next > progress.match, "what a follower has is sent again:", key)
            self._matches[key] = (progress, progress.match)
        if self.leaders.setdefault(term, machine.name) != machine.name:
            require(False, "two leaders in one term:", term, self.leaders[term], machine.name)
        if term in self._complete:
            return
        self._complete.add(term)
        promised = (machine.disk.term, machine.disk.vote)
        require(promised == (term, machine.name), "a leader by a vote that is not durable", machine.name, promised)
        log = machine.core._state.log
        for index in range(max(log.offset, 1), self.commit + 1):
            # One that is elected late, when a later term has begun, need not have what that has committed.
            if self.committed_in[index] < term:
                known = self.committed[index]
                require(log.term(index) == known, "a leader lacks what is committed:", machine.name, index)

    def _committed(self, machine: Machine, before: int) -> None:
        state = machine.core._state
        for index in range(max(before, state.log.offset) + 1, state.commit + 1):
            term = state.log.term(index)
            known = self.committed.setdefault(index, term)
            self.committed_in.setdefault(index, state.term)
            require(known == term, "two entries committed at one index:", index, "of terms", known, term)
            if index > self.commit and state.log.entry(index).kind == CONFIGURATION:
                self._durable_on_a_majority(machine, index, state.configurations.at(index))
        if state.commit > self.commit:
            self._durable_on_a_majority(machine, state.commit, state.configuration)
            self.commit = state.commit

    def _durable_on_a_majority(self, machine: Machine, index: int, configuration: Configuration) -> None:
        """By the definition: of each half of the configuration, more than half have it on disk."""
        term = machine.core._state.log.term(index)
        holders = {name for name, other in self._machines.items() if self._holds(other, index, term)}
        enough = is_majority(holders, configuration.voters)
        if configuration.outgoing:
            enough = enough and is_majority(holders, configuration.outgoing)
        require(enough, "committed without a majority of disks:", index, sorted(holders), configuration)

    def _holds(self, machine: Machine, index: int, term: int) -> bool:
        disk = machine.disk
        return disk.term_at(index) == term or disk.offset > index

    def written(self, machine: Machine, write: Write) -> None:
        """Log matching: an index and a term name one entry, and one before it (paper section 5.3)."""
        log = machine.core._state.log
        previous = log.term(write.first - 1) if write.entries else 0
        for index, entry in enumerate(write.entries, write.first):
            known = self.entries.setdefault((index, entry.term), (previous, entry))
            require(known == (previous, entry), "one index and term, two entries:", index, entry, known)
            previous = entry.term
            if entry.kind == CONFIGURATION:
                self._follows(machine, index)

    def _follows(self, machine: Machine, index: int) -> None:
        """Only by way of both: any majority of one configuration meets any of the next (paper section 6)."""
        configurations = machine.core._state.configurations
        old, new = configurations.at(index - 1), configurations.at(index)
        known = old.voters and index - 1 >= machine.core._state.snapshot.last_index
        entered, left = new.outgoing == old.voters, old.is_joint and new == old.leaving()
        require(not known or entered or left, "two configurations that do not meet:", old, new)

    def sent(self, machine: Machine, send: Send) -> None:
        """What a node promises is on its disk before it leaves."""
        disk, message = machine.disk, send.message
        foretold = isinstance(message, RequestVote | Vote) and message.pre
        require(foretold or disk.term >= message.term, "a term that is not durable was named:", machine.name, message)
        if foretold or disk.term > message.term:
            return
        match message:
            case Vote(granted=True):
                require(disk.vote == send.peer, "a vote that is not durable was given:", machine.name, message)
            case RequestVote(last_index=last, last_term=term):
                require(disk.vote == machine.name, "a vote that is not durable was counted on:", machine.name)
                require(disk.term_at(last) == term, "a log that is not durable was boasted of:", machine.name, message)
            case Appended(refused=False, at=at):
                held = disk.offset > at or disk.term_at(at) == machine.core._state.log.term(at) != -1
                compacted = machine.core._state.log.offset > at
                require(held or compacted, "what is not durable was acknowledged:", machine.name, message)

    def applied(self, index: int, entry: Entry, digest: int) -> None:
        known = self.digests.setdefault(index, digest)
        require(known == digest, "two states at one index:", index, entry)
