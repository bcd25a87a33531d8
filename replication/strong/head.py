"""An agent with all on it that was put into the log and has no verdict yet: what `rounds` keeps for each."""

import threading
from typing import Any

from crdt import DecodeError, VersionVector
from replication.changes import NO_NEWS
from replication.strong.attempt import Attempt

# Callers whose changes go into the log together.
TOGETHER_MAX = 1024


class Head:
    """An agent as the group would have it if everything that was put into the log held."""

    __slots__ = ("agent_id", "asked", "is_due", "is_wanted", "late_at", "lock",
                 "most", "open", "state", "under_way", "version")  # fmt: skip

    def __init__(self, agent_id: str) -> None:
        self.agent_id = agent_id
        self.lock = threading.Lock()  # held while a function runs
        self.state: Any = None
        self.version = VersionVector()  # of the agent, as far as the head has it
        self.asked: str | None = None  # the operation of who holds the lock
        self.open: Attempt | None = None  # is joined by whoever runs a function now
        self.under_way: Attempt | None = None
        self.is_due = False
        self.is_wanted = False  # who holds the lock is to have it closed then
        self.late_at = -1  # the base of an attempt that was not put into the log for that
        self.most = TOGETHER_MAX  # so many callers share an attempt

    @property
    def is_idle(self) -> bool:
        return self.open is None and self.under_way is None and self.asked is None


def _merges(state: Any, delta: bytes) -> bool:
    """Whether what was done since could be merged into a head.

    Not if the agent was rebased meanwhile; nor if it has something of the group that contradicts what was done on the
    head, which then has a conflict coming.
    """
    try:
        return bool(state._land(delta, False) <= NO_NEWS)
    except DecodeError:
        return False


def keeps_up(head: Head, state: Any, version: VersionVector) -> bool:
    """Whether the head, with what was done on it, can have what was done to the agent since."""
    if head.state is None:
        return False
    return version <= head.state.version or _merges(head.state, state.delta(head.version)) or not head.is_idle
