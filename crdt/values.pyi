# Names for the annotations of the other stubs; they do not exist at run time.
from typing import Any, TypeAlias

_Key: TypeAlias = bool | int | float | str | bytes | tuple[Any, ...] | None
_Value: TypeAlias = bool | int | float | str | bytes | list[Any] | tuple[Any, ...] | dict[Any, Any] | None
