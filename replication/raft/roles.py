"""Who a node is: which term it is in, and the ways from one role to another.

The rules that hold in every role (paper figure 2, "Rules for Servers"), and elections. What a leader does is in
`leader`, what one that follows does in `follower`, whom to elect in `election`; what else happens to a node in `core`.
"""

from collections.abc import Collection
from random import Random

from replication.raft.election import Ballot, hears_a_leader, request, would_vote
from replication.raft.leader import REMOVED, Leader
from replication.raft.messages import (
    Appended,
    AppendEntries,
    Heartbeat,
    Message,
    RequestVote,
    SnapshotChunk,
    Vote,
)
from replication.raft.options import Options
from replication.raft.reads import Reads
from replication.raft.ready import Saved
from replication.raft.state import State

FOLLOWER, PRE_CANDIDATE, CANDIDATE, LEADER = "follower", "pre-candidate", "candidate", "leader"
FROM_LEADER = frozenset({AppendEntries, Heartbeat, SnapshotChunk})


class Roles:
    def __init__(self, name: str, saved: Saved, options: Options, random: Random, now: float) -> None:
        self._state = State(name, saved, options, random, now)
        self._reads = Reads(self._state)
        self._leader: Leader | None = None
        self._ballot: Ballot | None = None
        self._ticked = now
        self._is_stirred = True  # something has happened that `ready` has not answered
        self.stepped_down = ""  # why it did, the last time it was not for a higher term
        self._wait_for_leader()

    # ---- terms

    def _admit(self, peer: str, message: Message) -> bool:
        """A message of another term than ours: whether it is to be heard (paper section 5.1)."""
        state = self._state
        if message.term < state.term:
            self._correct(peer, message)
            return False
        if isinstance(message, RequestVote):
            if not message.transfer and (self._leader is not None or hears_a_leader(state)):
                return False
            if message.pre:
                return True
        elif isinstance(message, Vote) and message.pre and message.granted:
            return message.term == state.term + 1
        self._enter_term(message.term)
        return True

    def _correct(self, peer: str, message: Message) -> None:
        """Who leads, or wants to, in a term that is over is told so; else who is ahead alone stays so for ever."""
        state = self._state
        if isinstance(message, RequestVote):
            state.send_when_promised(peer, Vote(state.term, message.pre, False))
        elif type(message) in FROM_LEADER:
            state.send_when_promised(peer, Appended(state.term, 0, True, 0, 0))

    def _enter_term(self, term: int) -> None:
        self._state.enter_term(term)
        self._become_follower()

    def _follow(self, leader: str) -> None:
        """There is a leader in this term, and it is not this node."""
        state = self._state
        assert self._leader is None and state.leader in ("", leader), "two leaders in one term"
        if state.leader != leader:
            self._become_follower()
            state.leader = leader
        self._ballot = None
        state.heard = state.now
        self._wait_for_leader()

    # ---- roles

    @property
    def role(self) -> str:
        if self._leader is not None:
            return LEADER
        if self._ballot is not None:
            return PRE_CANDIDATE if self._ballot.pre else CANDIDATE
        return FOLLOWER

    def _become_follower(self) -> None:
        if self._leader is not None:
            self._reads.ask(self._leader.unproven_reads())
            self._leader = None
        self._lose_leader()
        self._ballot = None
        self._wait_for_leader()

    def _lose_leader(self) -> None:
        self._state.leader = ""
        self._reads.lost_leader()

    def _wait_for_leader(self) -> None:
        state = self._state
        self._deadline = state.now
        if not self._is_alone:
            self._deadline += state.options.election_timeout * (1 + state.random.random())

    def _stand_again_soon(self) -> None:
        """Another stands in the same term, and neither may have won: if it has, it is heard of before this node asks.

        No leader is being waited for, so there is no need to wait as long as for one.
        """
        options = self._state.options
        shortest = options.heartbeat_interval
        wait = shortest + (options.election_timeout - shortest) * self._state.random.random()
        self._deadline = min(self._deadline, self._state.now + wait)

    @property
    def _is_alone(self) -> bool:
        """Whether there is nobody to wait for."""
        configuration = self._state.configuration
        return configuration.members == (self._state.name,) and configuration.counts(self._state.name)

    def _timed_out(self) -> None:
        """No leader has been heard of for long enough."""
        if self.role == CANDIDATE and self._state.configuration.decides_alone(self._state.name):
            return  # but its own vote is on its way to the disk, and would not count in another term
        self._wait_for_leader()
        self._lose_leader()
        self._ballot = None
        if self._may_stand:
            self._stand(pre=True)

    @property
    def _may_stand(self) -> bool:
        """A learner does not lead, and one whose disk hangs should not.

        One that its newest entry removes may, while that is not known to be committed: it may be the only one that has
        the entry, and is then the only one that the others can vote for (dissertation section 4.2.2).
        """
        state = self._state
        counts = state.configurations.counts_since(state.commit, state.name)
        return counts and not state.writes.is_stuck(state.now, state.options.election_timeout)

    def _stand(self, pre: bool, transfer: bool = False, hopes: Collection[str] = ()) -> None:
        state = self._state
        self._ballot = Ballot(pre, hopes or state.configuration.members)
        if pre:
            request(state, pre, transfer)
            self._vote_came(state.name, Vote(state.term + 1, pre, True))
        else:
            state.enter_term(state.term + 1, vote=state.name)
            self._reads.lost_leader()
            self._wait_for_leader()
            request(state, pre, transfer)
            # Its own vote counts like any other: when it is durable.
            state.send_when_written(state.name, Vote(state.term, pre, True))

    def _told_to_stand(self) -> None:
        if self._leader is None and self._may_stand and self.role != CANDIDATE:
            self._stand(pre=False, transfer=True)

    def _vote_requested(self, peer: str, message: RequestVote) -> None:
        state = self._state
        granted = would_vote(state, peer, message)
        if granted and not message.pre:
            state.vote = peer
            self._ballot = None  # or answers that are still to come would have it depose whom it has elected
            self._wait_for_leader()
        term = message.term if granted else state.term
        state.send_when_promised(peer, Vote(term, message.pre, granted))

    def _vote_came(self, voter: str, message: Vote) -> None:
        ballot = self._ballot
        if ballot is None or ballot.pre != message.pre:
            return
        if message.granted and message.term != self._state.term + message.pre:
            return  # what was granted is a term that is over
        was_split = ballot.is_split(self._state)
        ballot.record(voter, message.granted)
        if ballot.is_split(self._state) and not was_split:
            self._stand_again_soon()
        outcome = ballot.outcome(self._state)
        if outcome and ballot.pre:
            self._stand(pre=False, hopes=[each for each, granted in ballot.votes.items() if granted])
        elif outcome:
            self._lead()
        elif outcome is False:
            self._ballot = None  # until the next time, or somebody else

    def _lead(self) -> None:
        self._ballot = None
        self._state.leader = self._state.name
        self._leader = Leader(self._state, self._reads)
        self._is_stirred = True  # also if `ready` itself has found the vote

    def _retire(self) -> None:
        """A leader that must not be one any more."""
        if self._leader is not None and self._leader.over:
            self.stepped_down = self._leader.over
            if self.stepped_down == REMOVED:
                self._leader.farewell()
            self._become_follower()

    def _wake(self, now: float) -> None:
        """The first thing that every event does: a node that was away does not act as if it had not been."""
        state = self._state
        assert now >= state.now, "time does not go back"
        state.now = now
        self._is_stirred = True
        if now - self._ticked > state.options.election_timeout and not self._is_alone:
            self._ticked = now
            if self._leader is not None:
                self._leader.over = "it was away"
                self._retire()
            else:
                self._wait_for_leader()  # what the leader sent meanwhile may be waiting to be read

    def _release(self) -> None:
        """Messages whose writes are durable leave, but what was said in a term that is over is not said any more."""
        state = self._state
        for send in state.writes.release():
            if send.message.term < state.term:
                continue
            if send.peer != state.name:
                state.out.append(send)
            elif isinstance(send.message, Vote):
                self._vote_came(state.name, send.message)
