"""Elections: who is asked, who has answered, and whom a voter answers.

A candidate asks first whether it would be elected, and raises no term unless it would (PreVote, dissertation section
9.6); a voter that hears a leader does not answer (section 4.2.3). So a node that was away, or was removed and does not
know it, deposes nobody. A leader's wish to be followed (section 3.10) overrides the second.
"""

from collections.abc import Collection

from replication.raft.messages import RequestVote
from replication.raft.quorum import outcome
from replication.raft.state import State


class Ballot:
    """The election this node stands in. Votes are kept by name: one that comes twice counts once.

    hopes   whose votes it stands for: those who have said that they would give them
    """

    __slots__ = ("hopes", "pre", "votes")

    def __init__(self, pre: bool, hopes: Collection[str]) -> None:
        self.pre = pre
        self.hopes = frozenset(hopes)
        self.votes: dict[str, bool] = {}

    def record(self, voter: str, granted: bool) -> None:
        """A voter's first word stands."""
        self.votes.setdefault(voter, granted)

    def is_split(self, state: State) -> bool:
        """Whether somebody has voted for another, and nobody is left of whom a vote is to be expected."""
        is_answered = self.hopes <= self.votes.keys() or self.outcome(state) is False
        return not self.pre and False in self.votes.values() and is_answered

    def outcome(self, state: State) -> bool | None:
        """By the configuration in force: what a learner or a removed node says is not counted."""
        return outcome(state.configuration, self.votes)


def request(state: State, pre: bool, transfer: bool) -> RequestVote:
    """To all voters. A request for a vote leaves only when the log that it boasts of is durable, with the term.

    Else a candidate could lose the end of its log in a crash, come back, stand in the same term again, and be elected
    by votes that were given to what it has lost.
    """
    log = state.log
    message = RequestVote(state.term + pre, pre, transfer, log.last, log.last_term)
    configuration = state.configuration
    for peer in configuration.members:
        if peer != state.name and configuration.counts(peer):
            if pre:
                state.send(peer, message)
            else:
                state.send_when_written(peer, message)
    return message


def hears_a_leader(state: State) -> bool:
    """Whether this node has promised, by answering a leader lately, to elect no other for now."""
    return state.now - state.heard < state.options.election_timeout


def would_vote(state: State, candidate: str, message: RequestVote) -> bool:
    """Whether a candidate gets the vote: of a term that is not over, and with nothing to lose (paper section 5.4.1).

    A voter that is not a member by its own log votes all the same: it may only not know yet. Who counts is for the
    candidate's log to say.
    """
    if not state.log.is_behind(message.last_index, message.last_term):
        return False
    if message.pre:
        return message.term > state.term
    return state.vote in ("", candidate) and not state.leader
