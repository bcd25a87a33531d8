"""For how long nodes have been gone, over all openings of this store.

What a node that is gone may still hold keeps others from purging, so how long it is waited for is counted: in
seconds that this node was open and did not see it, since clocks jump and a closed node sees nobody. Kept as a note.

Pure: time is an argument.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgpack

from replication.config import Config

# Under which it is kept on disk.
NOTE_KEY = "absences"
# Written again when one has grown by this factor, or this many seconds: a restart may lose that much.
_NEWS_FACTOR, _NEWS_SECONDS = 1.1, 60.0


class Waits(NamedTuple):
    """Whom a purge has to do with.

    ask     the nodes that can be reached, to be asked
    absent  the nodes that cannot, and are waited for
    gone    the nodes whose writers will not write any more
    """

    ask: tuple[str, ...]
    absent: tuple[str, ...]
    gone: frozenset[str]


class _Absence:
    __slots__ = ("has_left", "seconds", "written")

    def __init__(self, seconds: float, has_left: bool) -> None:
        self.seconds = self.written = seconds
        self.has_left = has_left


class Absences:
    """`remembered` is what `note` gave."""

    def __init__(self, config: Config, remembered: bytes = b"") -> None:
        self._config = config
        self._now: float | None = None
        self._has_news = False
        self._absences: dict[str, _Absence] = {}
        if remembered:
            self._absences = {name: _Absence(*each) for name, each in msgpack.unpackb(remembered).items()}

    def look(self, states: Mapping[str, str], known: Iterable[str], now: float) -> Waits:
        """How it is now: the states of the other members by name, and who else is known from before."""
        # A process that stood still has not waited: it could have seen nobody.
        passed = 0.0 if self._now is None else min(now - self._now, 2 * self._config.purge_interval)
        self._now = now
        names = sorted({*states, *known, *self._absences})
        for name in names:
            self._count(name, states.get(name), name in states or name in known, passed)
        reachable = [name for name in names if states.get(name) in ("alive", "suspect")]
        waited = [name for name, each in self._absences.items() if not self._is_over(each)]
        kept = self._config.writer_kept
        gone = frozenset(name for name, each in self._absences.items() if each.seconds >= kept)
        return Waits(tuple(reachable), tuple(sorted(waited)), gone)

    def note(self) -> bytes | None:
        """What to keep on disk; None if that is there."""
        if not self._has_news:
            return None
        self._has_news = False
        for each in self._absences.values():
            each.written = each.seconds
        packed: bytes = msgpack.packb({name: (each.seconds, each.has_left) for name, each in self._absences.items()})
        return packed if self._absences else b""

    def _count(self, name: str, state: str | None, is_known: bool, passed: float) -> None:
        found = self._absences.get(name)
        if state in ("alive", "suspect"):
            if found is not None:
                del self._absences[name]
                self._has_news = True
            return
        if found is None:
            found = self._absences[name] = _Absence(0.0, False)
            passed = 0.0
            self._has_news = True
        if state == "left" and not found.has_left:
            found.has_left = self._has_news = True
        found.seconds += passed
        if not is_known and found.seconds > 2 * max(self._config.writer_kept, self._config.dead_kept):
            del self._absences[name]
            self._has_news = True
        elif found.seconds > _NEWS_FACTOR * found.written + _NEWS_SECONDS:
            self._has_news = True

    def _is_over(self, absence: _Absence) -> bool:
        return absence.has_left or absence.seconds >= self._config.dead_kept
