from typing import Any, final

from crdt.document import Replicated
from crdt.values import _Value

@final
class LWWRegister(Replicated):
    @property
    def value(self) -> Any: ...
    def set(self, value: _Value, /) -> None: ...

@final
class MVRegister(Replicated):
    @property
    def value(self) -> Any: ...
    @property
    def values(self) -> list[Any]: ...
    def set(self, value: _Value, /) -> None: ...
