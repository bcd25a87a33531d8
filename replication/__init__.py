"""Nodes that keep agents' state, durably, and carry its changes.

    import replication

    with replication.open("state/", schema=AgentState) as node:
        node.update_state("agent-1", lambda s: s.counters.increment())
        node.read_state("agent-1").value

`open` makes a `Node`, the one class to know; `replication.consistency` says what each mode promises.
"""

from replication.access import UpdateResult
from replication.config import Config
from replication.errors import (
    Closed,
    ConflictError,
    ConsistencyError,
    CorruptStore,
    OutcomeUnknown,
    Overloaded,
    ReplicationError,
    StoreError,
    Timeout,
    Unavailable,
)
from replication.node import Node
from replication.opening import open
from replication.result import Change, Member
from replication.transport import TLS
from replication.watch import Watch

__all__ = [
    "open",
    "Node",
    "Config",
    "UpdateResult",
    "Change",
    "Member",
    "TLS",
    "Watch",
    "ReplicationError",
    "Unavailable",
    "OutcomeUnknown",
    "ConflictError",
    "ConsistencyError",
    "Timeout",
    "Overloaded",
    "Closed",
    "StoreError",
    "CorruptStore",
]
