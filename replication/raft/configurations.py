"""The configurations that a log holds, by index, so that truncating the log takes back those it takes away.

A configuration holds from when its entry is appended, committed or not (paper section 6). Knows nothing else of
the log.
"""

from replication.raft.configuration import Configuration


class Configurations:
    """The oldest is that of a snapshot, or of the last entry that was compacted away; the newest is in force."""

    __slots__ = ("_stack", "newest", "newest_index")

    def __init__(self, index: int, configuration: Configuration) -> None:
        self.reset(index, configuration)

    def reset(self, index: int, configuration: Configuration) -> None:
        self._stack = [(index, configuration)]
        self._renew()

    def append(self, index: int, configuration: Configuration) -> None:
        assert index > self.newest_index
        self._stack.append((index, configuration))
        self._renew()

    def truncate(self, first: int) -> None:
        """Entries from `first` on are gone."""
        while self._stack[-1][0] >= first:
            self._stack.pop()
            assert self._stack, "what is committed is not truncated"
        self._renew()

    def compact(self, index: int) -> None:
        """Nobody will ask for one before that index."""
        while len(self._stack) > 1 and self._stack[1][0] <= index:
            del self._stack[0]

    def at(self, index: int) -> Configuration:
        """The one in force after the entry at `index`."""
        return next(configuration for place, configuration in reversed(self._stack) if place <= index)

    def counts_since(self, index: int, name: str) -> bool:
        """Whether a majority may need that node, by the one in force at `index` or by any after it."""
        for place, configuration in reversed(self._stack):
            if configuration.counts(name):
                return True
            if place <= index:
                return False
        return False

    def _renew(self) -> None:
        self.newest_index, self.newest = self._stack[-1]
