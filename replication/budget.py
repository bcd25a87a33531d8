"""So much a second of anything: bytes that are sent, seconds that are worked.

Pure: time is an argument.
"""


class Budget:
    """So many units a second; what one thing takes too many, later ones wait for.

    What is left unused is kept for a second.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = float(per_second)
        self._at: float | None = None

    def is_open(self, now: float, credit: float = 0.0) -> bool:
        """Whether anything may be spent now, or on so much credit; later refills pay that back first."""
        if self._at is not None:
            self._left = min(self._per_second, self._left + (now - self._at) * self._per_second)
        self._at = now
        return self._left > -credit

    def spend(self, amount: float) -> None:
        self._left -= amount
