"""What nodes ask of who leads their group, beside what `raft.messages` has."""

from typing import NamedTuple


class Propose(NamedTuple):
    """Put this into the log. Not answered: the log does."""

    data: bytes


class Manage(NamedTuple):
    """Have that node vote ("add") or not ("remove"), or lead ("transfer"). Not answered: the log shows it."""

    act: str
    name: str
