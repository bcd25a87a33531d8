from typing import Any, Self, final

from typing_extensions import disjoint_base

from crdt import VersionVector
from replication.ticket import Ticket

@disjoint_base
class Guarded:
    state: Any
    @property
    def agent_id(self) -> str: ...
    def acquire(self, timeout: float = -1.0, /) -> bool: ...
    def release(self, /) -> None: ...
    def __call__(self, state: Any) -> Any: ...

@final
class Slot(Guarded):
    stored: VersionVector | None
    digest: bytes
    tickets: list[Ticket] | None
    told: int
    mode: int
    changed_at: float
    next_number: int
    snapshot_bytes: int
    delta_bytes: int
    delta_rows: int
    updates: int
    dirty: bool
    in_flight: bool
    merged: bool
    repaired: bool
    used: bool
    def __new__(cls, agent_id: str, state: Any, next_number: int) -> Self: ...

@final
class Held:
    def __init__(self, lock: Any, *how: float) -> None: ...
    def __enter__(self) -> bool: ...
    def __exit__(self, *_: object) -> None: ...
