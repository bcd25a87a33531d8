"""What goes wrong when: a stream of faults, drawn from the seed alone. Pure: nothing is done here.

The same seed gives the same faults at the same moments; what the processes are doing at these moments is
for the operating system to say, so a run is repeated only roughly.
"""

import itertools
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.chaos.network import Pair, Weather

# Seconds between two faults, in the mean, and of a pause between many of them.
BETWEEN, _CALM = 0.8, 6.0
# The first of these where a majority is needed for anything to be seen.
STRONG_BETWEEN = 1.5
# How often each fault is drawn, in proportion.
WEIGHTS = {
    "kill": 5, "kill twice": 2, "kill all": 1, "stop": 4, "partition": 4, "one way": 3, "delay": 2,
    "throttle": 1, "reset": 3, "corrupt": 2, "full disk": 1,
}  # fmt: skip
# The same where somebody leads, who is struck more often than others.
STRONG_WEIGHTS = WEIGHTS | {
    "kill leader": 6, "stop leader": 4, "cut leader": 4, "transfer": 2, "vote": 2, "clock": 4, "full disk": 2,
}  # fmt: skip
# In place of a name: whoever leads when the fault strikes.
LEADER = "leader"


class Fault(NamedTuple):
    """Something that goes wrong.

    at       seconds since the start
    seconds  for which it lasts, for which a killed process is down, or by which a clock is ahead
    who      the processes it happens to
    pairs    the directions it happens on
    """

    at: float
    kind: str
    seconds: float
    who: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    weather: Weather = Weather()

    def __str__(self) -> str:
        pairs = " ".join(f"{a}>{b}" for a, b in self.pairs)
        weather = ", ".join(
            f"{name} {value}"
            for name, value in self.weather._asdict().items()
            if value != Weather._field_defaults[name]
        )
        return f"{self.kind} {' '.join(self.who)}{pairs} {self.seconds:.2f} s {weather}".rstrip()

    def aimed_at(self, leader: str) -> "Fault":
        """The same, now that it is known who leads."""
        who = tuple(leader if name == LEADER else name for name in self.who)
        pairs = [tuple(leader if name == LEADER else name for name in pair) for pair in self.pairs]
        return self._replace(who=who, pairs=tuple((a, b) for a, b in pairs if a != b))


def plan(
    random: Random, names: tuple[str, ...], weights: dict[str, int] = WEIGHTS, between: float = BETWEEN
) -> Iterator[Fault]:
    """Faults in the order of time, without an end; so many seconds apart, in the mean."""
    at = 0.5
    while weights:
        at += random.expovariate(1 / between)
        if random.random() < 0.04:
            at += _CALM
        yield _draw(at, random.choices(tuple(weights), tuple(weights.values()))[0], random, names)


def _draw(at: float, kind: str, random: Random, names: tuple[str, ...]) -> Fault:
    pairs = list(itertools.permutations(names, 2))
    some = tuple(random.sample(pairs, random.randint(1, len(pairs))))
    lasts = random.choice((random.uniform(0.1, 1.0), random.uniform(0.5, 4.0), random.uniform(2.0, 10.0)))
    if kind == "kill all":
        return Fault(at, kind, random.uniform(0.0, 1.0), names)
    one = LEADER if kind.endswith(LEADER) else random.choice(names)
    if kind.startswith("kill"):
        return Fault(at, kind, random.choice((0.0, random.uniform(0.0, 3.0))), (one,))
    if kind.startswith("stop") or kind == "full disk":
        return Fault(at, kind, lasts, (one,))
    if kind in ("transfer", "vote"):
        return Fault(at, kind, 0.0, (LEADER, one))
    if kind == "clock":
        return Fault(at, kind, random.choice((0.0, random.uniform(-2.0, 2.0), random.uniform(-600.0, 600.0))), (one,))
    if kind == "cut leader":
        blocked = random.choice(("hold", "swallow", "refuse"))
        return Fault(at, kind, lasts, (), _around(random, names), Weather(blocked))
    if kind == "partition":
        blocked = random.choice(("hold", "swallow", "refuse"))
        return Fault(at, kind, lasts, (), _between_groups(random, names), Weather(blocked))
    if kind == "one way":
        blocked = random.choice(("hold", "swallow"))
        return Fault(at, kind, lasts, (), some[: 1 + len(names) // 2], Weather(blocked))
    if kind == "delay":
        return Fault(at, kind, lasts, (), some, Weather(delay=random.choice((0.01, 0.1, 1.0))))
    if kind == "throttle":
        return Fault(at, kind, lasts, (), some, Weather(rate=random.choice((2e3, 20e3, 100e3))))
    if kind == "corrupt":
        return Fault(at, kind, lasts, (), some, Weather(corrupt=random.choice((0.01, 0.1, 0.5))))
    return Fault(at, kind, 0.0, (), some)


def _between_groups(random: Random, names: tuple[str, ...]) -> tuple[Pair, ...]:
    """The directions that a partition cuts: one alone, halves, or a bridge that still reaches both of them."""
    shuffled = random.sample(names, len(names))
    cut = random.randint(1, len(names) - 1)
    left, right = shuffled[:cut], shuffled[cut:]
    if random.random() < 0.3 and len(right) > 1:
        right = right[1:]  # the one that is left out is the bridge
    return tuple((a, b) for a in left for b in right) + tuple((b, a) for a in left for b in right)


def _around(random: Random, names: tuple[str, ...]) -> tuple[Pair, ...]:
    """What is cut about the leader: what it says to others, what they say to it, or both."""
    said, heard = [(LEADER, name) for name in names], [(name, LEADER) for name in names]
    return tuple(random.choice((said, heard, said + heard, said + heard)))
