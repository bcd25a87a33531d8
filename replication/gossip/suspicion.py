"""How long a suspect has to speak up, and how far this node trusts its own judgement.

Both are Lifeguard's answers to slow accusers: Dadgar, Phillips, Currey, "Lifeguard: Local Health
Awareness for More Accurate Failure Detection" (arXiv 1707.00788), sections IV.A and IV.B.

Knows nothing of claims or messages.
"""

from math import log, log10

from replication.config import Config


class LocalHealth:
    """How many times longer this node should wait for others, because it may be slow itself."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.factor = 1

    def worsen(self, by: int = 1) -> None:
        self.factor = min(self._most, self.factor + by)

    def improve(self) -> None:
        self.factor = max(1, self.factor - 1)


class Suspicion:
    """The time left to one suspect.

    It shrinks with every accuser that found out by itself, from `most` to `least` seconds, by the
    logarithm of how many there are: the first confirmations count most.
    """

    __slots__ = ("_accusers", "_least", "_most", "_needed", "ask_at", "ends_at", "started", "verdict_at")

    def __init__(self, accuser: str, now: float, members: int, config: Config) -> None:
        self._least = config.suspicion_factor * max(1.0, log10(members)) * config.probe_interval
        self._most = self._least * config.suspicion_max_factor
        # No more than could: all members but this one, which is an accuser or can become one, and the suspect.
        self._needed = max(0, min(config.suspicion_factor - 2, members - 2))
        self._accusers = [accuser]
        self.started = now
        self.ends_at = now + self._timeout()
        self.ask_at = now
        # When it is dead, having been asked for a last word; None before.
        self.verdict_at: float | None = None

    def confirm(self, accuser: str) -> bool:
        """Whether this accuser was needed and is new."""
        if len(self._accusers) > self._needed or accuser in self._accusers:
            return False
        self._accusers.append(accuser)
        self.ends_at = self.started + self._timeout()
        return True

    def extend(self, seconds: float) -> None:
        """So many seconds did not count: this node was asleep."""
        self.started += seconds
        self.ends_at += seconds
        self.verdict_at = None

    def _timeout(self) -> float:
        if self._needed == 0:
            return self._least
        return self._most - (self._most - self._least) * log(len(self._accusers)) / log(self._needed + 1)
