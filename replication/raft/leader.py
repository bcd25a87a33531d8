"""What a node does while it leads: it takes proposals, commits, changes members, proves reads, and hands over.

It lives for one term; `over` says why it has to end. Which messages are of that term `roles` sees.
"""

from collections.abc import Iterable, Sequence

from replication.raft.configuration import Configuration, in_order
from replication.raft.log import CONFIGURATION, ENTRY_BYTES, NOOP, Entry
from replication.raft.messages import (
    Appended,
    HeartbeatAnswer,
    Message,
    ReadIndex,
    ReadIndexAnswer,
    SnapshotReceived,
    TimeoutNow,
)
from replication.raft.quorum import reached
from replication.raft.reads import Reads, Rounds
from replication.raft.ready import Proposed, Refused
from replication.raft.sending import Sending
from replication.raft.state import State

REMOVED = "it was removed"


class Leader:
    def __init__(self, state: State, reads: Reads) -> None:
        self._state, self._reads = state, reads
        self._rounds = Rounds()
        self._heartbeat_due = state.now
        self._transfer: tuple[str, float] | None = None  # to whom, until when
        self._told_to_stand = False
        # Why this node must not lead any more; "" while it may.
        self.over = ""
        self.sending = Sending(state)
        # Nothing of an earlier term is known to be committed until something of this one is (paper sections 5.4.2, 8).
        self.start = state.append(Entry(state.term, NOOP, b""))

    @property
    def _has_committed(self) -> bool:
        """In its own term: only then does it know what is committed."""
        return self._state.commit >= self.start

    def tick(self) -> None:
        """Look whether this node may go on leading, and say that it does."""
        state, patience = self._state, self._state.options.election_timeout
        alone = state.configuration.decides_alone(state.name)  # then nobody else could lead, whatever its disk does
        if not alone and state.writes.is_stuck(state.now, patience):
            self.over = "its disk hangs"
        elif reached(state.configuration, self._heard) < state.now - patience:
            self.over = "no majority answers"  # CheckQuorum, dissertation section 6.2
        if self.over:
            return
        if self._transfer is not None and state.now >= self._transfer[1]:
            self._transfer = None
        if state.now >= self._heartbeat_due:
            self._heartbeat()

    def flush(self) -> None:
        """Whatever has come up since is sent, to each follower as much as it may have."""
        if self._rounds.are_wanted and self._has_committed:
            self._heartbeat()
        self.sending.flush()

    def _heartbeat(self) -> None:
        state = self._state
        self._heartbeat_due = state.now + state.options.heartbeat_interval
        self._rounds.add(self._reads.take_unasked())
        self.sending.heartbeat(self._rounds.begin(state.now, state.commit if self._has_committed else -1))
        self._confirm()

    def _heard(self, voter: str) -> float:
        return self._state.now if voter == self._state.name else self.sending.progress[voter].heard

    # ---- answers

    def step(self, peer: str, message: Message) -> None:
        progress = self.sending.progress.get(peer)
        if isinstance(message, ReadIndex):
            self.sending.asked(peer)
            self._asked(peer, message)
        if progress is None:
            return  # it was removed, or is a stranger: its word counts for nothing
        progress.heard = self._state.now
        if isinstance(message, Appended):
            if self.sending.appended(progress, message):
                self.advance()
                self._hand_over(peer)
        elif isinstance(message, HeartbeatAnswer):
            if self._rounds.round >= message.round > progress.round:
                progress.round = message.round
                self._confirm()
            self.sending.heartbeat_answered(peer, progress)
            self._hand_over(peer)
        elif isinstance(message, SnapshotReceived):
            self.sending.snapshot_received(peer, progress, message)

    # ---- commit

    def advance(self) -> None:
        """Commit what a majority has on disk, this node included only as far as its own disk has it.

        Only entries of this term are counted; those before are committed with them (paper section 5.4.2, figure 8).
        """
        state = self._state
        index = reached(state.configuration, self._match)
        if index > state.commit and state.log.term(index) == state.term:
            state.commit_to(index)
            self._committed()

    def _match(self, voter: str) -> int:
        return self._state.log.durable if voter == self._state.name else self.sending.progress[voter].match

    def _committed(self) -> None:
        """Go on with a change of members, if its entry is committed now."""
        state = self._state
        if state.configurations.newest_index > state.commit or not self._has_committed:
            return
        if state.configuration.is_joint:
            self._change_to(state.configuration.leaving())
            self.advance()
        elif state.name not in state.configuration.voters:
            self.over = REMOVED  # paper section 6: once C_new is committed

    # ---- proposals

    def propose(self, data: Sequence[bytes]) -> Proposed | Refused:
        """Into the log, in this order, as far as there is room; Refused if that is not all."""
        state = self._state
        if self._transfer is not None:
            return Refused("transferring", self._transfer[0])
        waiting = state.log.bytes_after(state.commit)
        for place, each in enumerate(data):
            size = len(each) + ENTRY_BYTES
            if waiting + size > state.options.uncommitted_bytes_max and waiting:
                state.append_data(data[:place])
                return Refused("overloaded", state.name)
            waiting += size
        return Proposed(state.append_data(data), state.term)

    def change(self, voters: Iterable[str], learners: Iterable[str]) -> Proposed | Refused:
        """To other members, through a joint configuration (paper section 6)."""
        state, configuration = self._state, self._state.configuration
        if self._transfer is not None:
            return Refused("transferring", self._transfer[0])
        if configuration.is_joint or state.configurations.newest_index > state.commit or not self._has_committed:
            return Refused("pending", state.name)
        new = Configuration(voters=in_order(voters), learners=in_order(learners))
        if new == configuration:
            return Refused("no change", state.name)
        joint = configuration.entering(new.voters, new.learners)
        if not all([voter in configuration.voters or self._caught_up(voter) for voter in new.voters]):
            return Refused("behind", state.name)
        return Proposed(self._change_to(joint), state.term)

    def _caught_up(self, name: str) -> bool:
        """Whether a learner's vote would not hold up the others' (dissertation section 4.2.1)."""
        state, progress = self._state, self.sending.progress.get(name)
        return (
            progress is not None
            and self.sending.is_replicating(name)
            and state.log.last - progress.match <= state.options.catch_up_entries_max
            and state.now - progress.heard <= state.options.election_timeout
        )

    def _change_to(self, configuration: Configuration) -> int:
        state = self._state
        index = state.append(Entry(state.term, CONFIGURATION, configuration.to_bytes()))
        self.sending.adjust()
        return index

    # ---- handing over (dissertation section 3.10)

    def transfer(self, target: str) -> Refused | None:
        state = self._state
        if target == state.name or target not in state.configuration.voters:
            return Refused("no member", state.name)
        if self._transfer is not None:
            return Refused("transferring", self._transfer[0])
        self._transfer = (target, state.now + state.options.election_timeout)
        self._hand_over(target)
        return None

    def _hand_over(self, peer: str) -> None:
        """Once it has everything. What is under way, in particular a proposal, is not lost by it."""
        state = self._state
        is_target = self._transfer is not None and self._transfer[0] == peer
        if is_target and self.sending.progress[peer].match == state.log.last:
            self._told_to_stand = True
            state.send(peer, TimeoutNow(state.term))

    def farewell(self) -> None:
        """Before a leader goes that was removed: tell what is committed, and have one follow that can."""
        state = self._state
        for peer, progress in self.sending.progress.items():
            self.sending.send_entries(peer, progress, always=True)
        heirs = [name for name in state.configuration.voters if self._match(name) == state.log.last]
        if heirs:
            state.send(heirs[0], TimeoutNow(state.term))

    # ---- reads

    def read(self, reads: tuple[int, ...]) -> None:
        if self._holds_lease:
            self._reads.wait(self._state.commit, reads)
        else:
            self._rounds.add(reads)

    def _asked(self, peer: str, message: ReadIndex) -> None:
        if self._holds_lease:
            self._state.send(peer, ReadIndexAnswer(self._state.term, message.context, self._state.commit))
        else:
            self._rounds.add_question(peer, message.context)

    @property
    def _holds_lease(self) -> bool:
        """Whether no other can lead yet: a majority answered a heartbeat, and votes for nobody for an election timeout.

        Counted from when the heartbeat was *sent*, and shortened by what clocks may drift (dissertation section 6.4.1).
        A successor that was told to stand is voted for all the same, and the message may come at any time: from then on
        this leader has no lease.
        """
        state, options = self._state, self._state.options
        if not options.lease_reads or not self._has_committed or self._told_to_stand:
            return False
        return state.now < self._rounds.confirmed_since + options.election_timeout * (1 - options.clock_drift_max)

    def _confirm(self) -> None:
        state = self._state
        for round in self._rounds.confirm(reached(state.configuration, self._answered)):
            self._reads.wait(round.commit, tuple(round.reads))
            for peer, context in round.questions.items():
                state.send(peer, ReadIndexAnswer(state.term, context, round.commit))

    def _answered(self, voter: str) -> int:
        return self._rounds.round if voter == self._state.name else self.sending.progress[voter].round

    def unproven_reads(self) -> list[int]:
        return self._rounds.unproven_reads()
