"""What calls give back besides an `UpdateResult`, which is in `access`: a watched change, a member of the cluster.

Knows nothing of how they come about.
"""

from typing import Any, NamedTuple

from crdt import VersionVector


class Change(NamedTuple):
    """One step of a watched agent.

    With `field`: that field went from `before` to `after` (plain data). Without (None): the reader
    was too slow, or resumed from a version, and `missed` single changes of this agent are folded
    into this one (0: not counted); `after` is the value of the whole agent now. Without an agent
    (None) too: `missed` changes of agents that cannot be named any more; read again what matters.
    """

    agent_id: str | None
    field: str | None
    before: Any
    after: Any
    origin: str | None
    consistency: str | None
    version: VersionVector | None
    missed: int = 0


class Member(NamedTuple):
    """One node of the cluster as this node sees it."""

    name: str
    address: str | None
    state: str  # "alive" | "suspect" | "dead" | "left"
    voter: bool
    incarnation: int
