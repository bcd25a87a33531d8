from collections.abc import Collection
from typing import Final, final

from crdt.document import Replicated
from crdt.version import VersionVector

SYMBOLS_MAX: Final[int]
KEY_BYTES: Final[int]

@final
class Sketch:
    version: Final[VersionVector]
    def __init__(self, state: Replicated, key: bytes) -> None: ...
    def __len__(self) -> int: ...
    def symbols(self, first: int, count: int, /) -> bytes: ...
    def difference(self, *batches: bytes) -> tuple[list[int], list[int]] | None: ...

def entries(
    state: Replicated, key: bytes, hashes: Collection[int], version: VersionVector | None = None
) -> bytes: ...
def repair(state: Replicated, data: bytes | bytearray | memoryview, /) -> bool: ...
