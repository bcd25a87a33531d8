from typing import Final

MAX_DRIFT: Final[float]
