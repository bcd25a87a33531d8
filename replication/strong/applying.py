"""Committed entries on their way into the states of agents."""

from typing import NamedTuple

from replication.core import Delivery


class Judged(NamedTuple):
    """What some entries came to.

    decided  of this node's attempts, the number and the verdict
    agents   all that anybody changed or tried to, in the order of the log
    """

    decided: list[tuple[int, str]]
    agents: dict[str, None]


class Applying(NamedTuple):
    """Entries up to `last`, whose changes are being merged."""

    last: int
    delivery: Delivery
    judged: Judged
