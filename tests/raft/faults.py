"""How bad a world is: drawn once, so that worlds differ in kind."""

from random import Random
from typing import NamedTuple


class Faults(NamedTuple):
    """Chances and longest times, in seconds."""

    loss: float
    doubling: float
    delay: float
    disk: float
    crash: float  # chances, each second
    cut: float
    pause: float
    hang: float
    change: float
    transfer: float
    snapshot: float
    storm: float
    death: float  # of each write: that the node crashes while it is under way
    durable_state: bool
    drift: float

    @classmethod
    def draw(cls, random: Random, lease: bool, cruel: bool) -> "Faults":
        def some(*choices: float) -> float:
            return random.choice(choices)

        drawn = cls(
            loss=some(0, 0, 0.02, 0.1, 0.25),
            doubling=some(0, 0.05, 0.2),
            delay=some(0.005, 0.02, 0.1, 0.3),
            disk=some(0.002, 0.01, 0.1, 0.2),
            crash=some(0, 0.1, 0.3),
            cut=some(0, 0.1, 0.4),
            pause=some(0, 0, 0.15),
            hang=some(0, 0, 0.1),
            change=some(0, 0.3, 1, 3),
            transfer=some(0, 0.1, 0.5),
            snapshot=some(0, 0.3, 1.5),
            storm=0 if lease else some(0, 0.1, 0.6),
            death=some(0, 0, 0.01, 0.1),
            durable_state=random.random() < 0.5,
            drift=0.04 if lease else some(0, 0.1, 0.5),
        )
        if not cruel:
            return drawn
        # Elections one upon another, and leaders and voters that die in the middle of a write.
        drawn = drawn._replace(
            storm=some(0.4, 1, 2), death=some(0.01, 0.03, 0.1), disk=some(0.05, 0.2), delay=some(0.05, 0.3)
        )
        return drawn._replace(loss=some(0, 0.1), crash=0, pause=0, hang=0)
