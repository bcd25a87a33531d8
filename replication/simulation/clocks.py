"""Clocks that disagree: each node's has an offset, a rate, and now and then a jump.

These are the clocks that stamp changes, in milliseconds. What measures how long something took
(`Runtime.time`) never jumps, here as in the real world.
"""

from replication.simulation.world import World

# Where virtual time begins: some day in 2023, so that stamps look like stamps.
EPOCH_MS = 1_700_000_000_000


class VirtualClock:
    """One node's clock. Calling it gives milliseconds since 1970, which may go back."""

    __slots__ = ("_drift", "_offset_ms", "_since", "_world")

    def __init__(self, world: World, offset_ms: float = 0.0, drift: float = 0.0) -> None:
        """`drift` is how many seconds too many pass in a second: 0.001 gains 86 s a day."""
        self._world = world
        self._offset_ms = offset_ms
        self._drift = drift
        self._since = 0.0

    def __call__(self) -> int:
        return EPOCH_MS + int(1000.0 * self._world.now + self.error_ms)

    @property
    def error_ms(self) -> float:
        """How far this clock is ahead of true time."""
        return self._offset_ms + 1000.0 * self._drift * (self._world.now - self._since)

    def jump(self, ms: float) -> None:
        """Set it forward, or back if negative."""
        self._settle()
        self._offset_ms += ms

    def set_drift(self, drift: float) -> None:
        """Let it run at another rate from now on."""
        self._settle()
        self._drift = drift

    def correct(self) -> None:
        """Set it right, as a time service does."""
        self._offset_ms, self._drift, self._since = 0.0, 0.0, self._world.now

    def _settle(self) -> None:
        self._offset_ms, self._since = self.error_ms, self._world.now
