from collections.abc import Callable
from typing import Any, TypeVar, final

STRING_MAX: int

class MessageError(ValueError): ...

@final
class Field:
    def __init__(self, annotation: Any) -> None: ...
    def __call__(self, value: Any, /) -> Any: ...

_Message = TypeVar("_Message")

def check_of_class(kind: type[_Message], /) -> Callable[[Any], _Message]: ...
