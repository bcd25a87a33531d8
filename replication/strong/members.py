"""Who is in the group: whoever leads takes in and lets go, and callers say who votes and who leads.

Pure.
"""

from collections.abc import Callable

from replication.core import Ready, Send
from replication.raft.configuration import MEMBERS_MAX
from replication.raft.core import Raft
from replication.raft.ready import Proposed, Refused
from replication.raft.roles import LEADER
from replication.strong.messages import Manage


class Members:
    """The say that a node has in it.

    is_gone    whether a node has left the cluster
    is_welcome whether a node may become a member: those of another group may not
    send       called with what is to be sent
    time       of now, which does not go back
    """

    def __init__(
        self,
        raft: Raft,
        is_gone: Callable[[str], bool],
        is_welcome: Callable[[str], bool],
        send: Callable[[Ready], None],
        time: Callable[[], float],
    ) -> None:
        self._raft = raft
        self._is_gone = is_gone
        self._is_welcome = is_welcome
        self._send = send
        self._time = time

    def gather(self, reachable: frozenset[str]) -> None:
        """Have the log sent to all there are: who leads takes in whom it can reach, as learners, one at a time."""
        now_in = self._raft.configuration
        if now_in.is_joint:
            return
        # What group a node is of may be heard only after it was taken in.
        gone = [each for each in now_in.learners if self._is_gone(each) or not self._is_welcome(each)]
        if gone:
            self._raft.remove(min(gone), self._time())
            return
        strangers = [each for each in reachable.difference(now_in.members) if self._is_welcome(each)]
        if strangers and len(now_in.members) < MEMBERS_MAX:
            self._raft.add_learner(min(strangers), self._time())

    def manage(self, act: str, name: str) -> str:
        """Change who votes or leads: "" if it is under way, or why not; "not leader" if another was asked to."""
        raft, old = self._raft, self._raft.configuration
        if raft.role != LEADER:
            if raft.leader:
                self._send(Ready(send=(Send(raft.leader, Manage(act, name)),)))
            return "not leader"
        outcome: Proposed | Refused | None
        if act == "add" and (name in old.members or len(old.members) < MEMBERS_MAX):
            outcome = raft.add_voter(name, self._time())
        elif act == "remove" and name in old.voters and len(old.voters) > 1:
            outcome = raft.change({*old.voters} - {name}, {*old.learners, name}, self._time())
        elif act == "transfer":
            outcome = raft.transfer(name, self._time())
        else:
            return "no member"
        return outcome.reason if isinstance(outcome, Refused) else ""
