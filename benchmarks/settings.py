"""How much is measured."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Sizes of containers, rounds of each race, the seconds it may go on for, and where editing histories lie."""

    sizes: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    rounds: int = 5
    seconds: float = 8.0
    traces: Path | None = None

    @property
    def largest(self) -> int:
        return self.sizes[-1]

    @property
    def middle(self) -> int:
        """What is measured at one size only, where the largest would take too long."""
        return min(self.largest, 100_000)


FULL = Settings()
QUICK = Settings(sizes=(1_000, 100_000), rounds=3, seconds=4.0)
