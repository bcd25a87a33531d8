"""From the annotations of a message's class to a check of its fields, made once.

Knows nothing of which messages there are.
"""

from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints

STRING_BYTES_MAX = 1024


class MessageError(ValueError):
    """Bytes that are no message of this protocol, or one beyond its limits."""


def _check_int(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise MessageError(f"{value!r:.40} is not a number from 0")
    return value


def _check_bool(value: Any) -> bool:
    if type(value) is not bool:
        raise MessageError(f"{value!r:.40} is not a truth value")
    return value


def _check_str(value: Any) -> str:
    if type(value) is not str or len(value) > STRING_BYTES_MAX:
        raise MessageError(f"{value!r:.40} is not a string of at most {STRING_BYTES_MAX}")
    return value


def _check_bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise MessageError(f"{value!r:.40} is not a byte string")
    return value


def _check_meta(value: Any) -> dict[str, str]:
    if type(value) is not dict:
        raise MessageError(f"{value!r:.40} is not a map")
    return {_check_str(key): _check_str(item) for key, item in value.items()}


_PLAIN: dict[Any, Callable[[Any], Any]] = {
    int: _check_int,
    bool: _check_bool,
    str: _check_str,
    bytes: _check_bytes,
    dict[str, str]: _check_meta,
}


def _check_of(annotation: Any) -> Callable[[Any], Any]:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if get_origin(annotation) is tuple:
        item = _check_of(get_args(annotation)[0])

        def check_all(value: Any) -> tuple[Any, ...]:
            if type(value) is not tuple:
                raise MessageError(f"{value!r:.40} is not an array")
            return tuple([item(each) for each in value])

        return check_all
    return check_of_class(annotation)


def check_of_class(kind: type[Any]) -> Callable[[Any], Any]:
    """What makes an instance of a class of fields from an array, or MessageError."""
    annotations = tuple(get_type_hints(kind).values())
    checks = [_check_of(annotation) for annotation in annotations]
    count = len(checks)
    # Fields whose type alone says that they are right; most of what is sent in numbers has nothing else.
    plain = annotations if set(annotations) <= {str, bytes, bool} else ()
    texts = [place for place, annotation in enumerate(annotations) if annotation is str]

    def check(value: Any) -> Any:
        if type(value) is tuple and tuple(map(type, value)) == plain:
            for place in texts:
                _check_str(value[place])
            return kind._make(value)
        if type(value) is not tuple or len(value) < count:
            raise MessageError(f"{kind.__name__} has {count} fields, not {value!r:.40}")
        return kind._make([each(field) for each, field in zip(checks, value, strict=False)])

    return check
