"""The nodes that are open in this process: closed when it ends, and left alone by a fork of it."""

import atexit
import os
from contextlib import suppress
from typing import Protocol

from replication.errors import ReplicationError


class Open(Protocol):
    def close(self) -> None: ...

    def _forget_after_fork(self, why: str) -> None:
        """Refuse every call from now on, and touch nothing."""


# Nodes live until they are closed, at the latest when the interpreter ends.
open_nodes: set[Open] = set()
# A forked child keeps its parent's nodes here: closing their files would disturb the parent's.
_inherited: list[Open] = []


def _close_all() -> None:
    for node in list(open_nodes):
        with suppress(ReplicationError):
            node.close()


def _after_fork() -> None:
    why = (
        f"this node belongs to process {os.getppid()}, of which this one ({os.getpid()}) is a fork: threads and locks "
        "do not survive a fork. Open a node of its own, on the same directory if you like, after forking"
    )
    for node in list(open_nodes):
        node._forget_after_fork(why)
        _inherited.append(node)
    open_nodes.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)
