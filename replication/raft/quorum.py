"""What a majority has: arithmetic over a configuration, which may be joint. Pure functions.

A joint configuration decides only what both its majorities decide (paper section 6). Nobody else's word counts: not a
learner's, not a removed node's, and nobody's twice. `properties/test_raft_quorum.py` holds this against the definition.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from replication.raft.configuration import Configuration

Ordered = TypeVar("Ordered", int, float)


def reached(configuration: Configuration, of: Callable[[str], Ordered]) -> Ordered:
    """The largest value that a majority has reached, if each voter has reached `of(voter)`.

    Of indexes: what a majority holds. Of times: since when a majority has been heard of. Needs at least one voter.
    """
    value = _reached(configuration.voters, of)
    if configuration.outgoing:
        return min(value, _reached(configuration.outgoing, of))
    return value


def _reached(voters: tuple[str, ...], of: Callable[[str], Ordered]) -> Ordered:
    values = sorted([of(voter) for voter in voters])
    # Of n values in ascending order, n//2 + 1 are at least the one at (n-1)//2.
    return values[(len(values) - 1) // 2]


def outcome(configuration: Configuration, votes: Mapping[str, bool]) -> bool | None:
    """True if the votes make a majority, False if they no longer can, else None."""
    result = _outcome(configuration.voters, votes)
    if not configuration.outgoing or result is False:
        return result
    other = _outcome(configuration.outgoing, votes)
    if other is False:
        return False
    return True if result and other else None


def _outcome(voters: tuple[str, ...], votes: Mapping[str, bool]) -> bool | None:
    needed = len(voters) // 2 + 1
    granted = sum([votes.get(voter) is True for voter in voters])
    refused = sum([votes.get(voter) is False for voter in voters])
    if granted >= needed:
        return True
    return False if len(voters) - refused < needed else None
