"""What can go wrong, as a tree. Every message says what happened, why, and what to do.

    ReplicationError
    +-- Unavailable        not applied and will not be: what the promise needs is not there
    +-- OutcomeUnknown     applied or not cannot be told from here; ask again with `.op_id`
    +-- ConflictError      `expected` no longer holds; nothing applied
    +-- ConsistencyError   the field asks for a stronger mode; nothing applied
    +-- Timeout            ran out of time (also a TimeoutError); `.is_applied` says whether it is applied here
    +-- Overloaded         a named limit is reached; nothing applied; retry later
    +-- Closed             the node was closed, or belongs to another process
    +-- StoreError         the directory cannot be used: in use, read-only, not a store
        +-- CorruptStore   the bytes on disk are not what was written

A mistake in the caller's arguments is a TypeError or a ValueError, as everywhere in Python, and
an exception raised by the caller's own function comes out as it is.

All of them can be pickled with their attributes. Nothing here imports anything of the package.
"""

from collections.abc import Mapping
from typing import Any


class ReplicationError(Exception):
    """The root of this package's errors."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args` alone, which cannot carry keyword-only fields.
        return _rebuild, (type(self), self.args, self.__dict__)


class Unavailable(ReplicationError):
    """Not applied, and it will not be: the mode needs nodes, or a disk, that are not there.

    `have` and `need` count the nodes that answered and that the promise needs (0 where nodes
    were not the matter); `peers` maps the name of each node asked to what it said.
    """

    # Whether an update_fn has raised it, of another node's call perhaps.
    is_of_update_fn = False

    def __init__(self, message: str, *, have: int = 0, need: int = 0, peers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.have, self.need, self.peers = have, need, dict(peers or {})


class OutcomeUnknown(ReplicationError):
    """The change may or may not last. Repeating the call with `op_id` applies it at most once."""

    def __init__(self, message: str, *, op_id: str | None = None):
        super().__init__(message)
        self.op_id = op_id


class ConflictError(ReplicationError):
    """The agent is no longer at the version given as `expected`; `actual` is where it is."""

    def __init__(self, message: str, *, actual: Any = None):
        super().__init__(message)
        self.actual = actual


class ConsistencyError(ReplicationError):
    """The update touched a field that is declared with a stronger `at_least`; nothing was applied."""

    def __init__(self, message: str, *, field: str | None = None, at_least: str | None = None):
        super().__init__(message)
        self.field, self.at_least = field, at_least


class Timeout(ReplicationError, TimeoutError):
    """The time given ran out.

    Before anything was applied, unless `is_applied`: then the change is applied and on this node's disk,
    and `acks` other replicas have it on theirs, fewer than were asked for.
    """

    def __init__(self, message: str, *, acks: int = 0, is_applied: bool = False):
        super().__init__(message)
        self.acks, self.is_applied = acks, is_applied


class Overloaded(ReplicationError):
    """A limit is reached and waiting did not help. Nothing was applied.

    limit  the argument of `open` that raises it; None if none does
    """

    def __init__(self, message: str, *, limit: str | None = None):
        super().__init__(message)
        self.limit = limit


class Closed(ReplicationError):
    """The node was closed, or was opened by the process this one was forked from."""


class StoreError(ReplicationError):
    """The directory `path` cannot serve as a store: in use, not writable, or something else's."""

    def __init__(self, message: str, *, path: str | None = None):
        super().__init__(message)
        self.path = path


class CorruptStore(StoreError):
    """The file `path` is damaged at or after byte `offset` (0 where the place is the whole file)."""

    def __init__(self, message: str, *, path: str | None = None, offset: int = 0):
        super().__init__(message, path=path)
        self.offset = offset


def _rebuild(kind: type[ReplicationError], args: tuple[Any, ...], attributes: dict[str, Any]) -> ReplicationError:
    error = kind(*args)
    error.__dict__.update(attributes)
    return error
