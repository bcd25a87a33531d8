from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self, final

from crdt.document import Replicated
from crdt.values import _Key

@final
class ORMap(Replicated):
    def __init__(
        self,
        replica: str | None = None,
        *,
        of: type[Replicated] | None = None,
        clock: Callable[[], float] | None = None,
        max_drift: float = ...,
    ) -> None: ...
    @classmethod
    def from_bytes(
        cls,
        data: bytes | bytearray | memoryview,
        replica: str | None = None,
        *,
        of: type[Replicated] | None = None,
        **options: Any,
    ) -> Self: ...
    @property
    def value(self) -> dict[_Key, Any]: ...
    @property
    def of(self) -> type[Replicated]: ...
    # Any: which type the children have is known at run time only.
    def __getitem__(self, key: _Key, /) -> Any: ...
    def __delitem__(self, key: _Key, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    __reversed__: ClassVar[None]
    def __iter__(self) -> Iterator[_Key]: ...
    def __len__(self) -> int: ...
    def keys(self) -> list[_Key]: ...
    def items(self) -> list[tuple[_Key, Any]]: ...
