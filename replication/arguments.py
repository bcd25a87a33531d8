"""Checks of what callers pass in, each with a message that says what would be right."""

from threading import TIMEOUT_MAX
from typing import Any

from crdt import Composite
from replication import consistency as modes
from replication.errors import Unavailable


def seconds(timeout: Any) -> float:
    """A timeout as a lock takes it, -1 for None; TypeError or ValueError for what is none."""
    if timeout is None:
        return -1.0
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout={timeout!r} must be a number of seconds or None, not {type(timeout).__name__}")
    if not timeout >= 0:
        raise ValueError(f"timeout={timeout!r} must be 0 or more seconds; None waits as long as it takes")
    return min(float(timeout), TIMEOUT_MAX)


def agent_id(value: Any, bytes_max: int) -> None:
    """TypeError or ValueError unless it can name an agent."""
    if not isinstance(value, str):
        raise TypeError(f"agent_id={value!r} must be a str, not {type(value).__name__}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError(f"agent_id={value!r} cannot be encoded as UTF-8: it holds a lone surrogate") from None
    if not 1 <= size <= bytes_max:
        raise ValueError(f"agent_id={value[:40]!r} is {size} bytes in UTF-8: it must have 1 to {bytes_max}")


def check_mode(consistency: Any, acks: Any, fallback: Any) -> None:
    """Return if "reactive" may serve this update; ValueError, TypeError or Unavailable otherwise."""
    mode = modes.parse(consistency)
    weaker = modes.parse_fallback(fallback, mode)
    is_word = isinstance(acks, str) and acks in ("majority", "all")
    if not is_word and (isinstance(acks, bool) or not isinstance(acks, int) or acks < 0):
        raise ValueError(f"acks={acks!r} must be a number of replicas, 'majority' or 'all'")
    if mode is modes.REACTIVE:
        if acks:
            raise ValueError(
                f"acks={acks!r} has no meaning with consistency='reactive', which tells no other node: "
                "use consistency='crdt_enhanced', or durable=True to wait for this node's disk"
            )
        return
    if modes.REACTIVE not in weaker:
        raise not_built(mode)


def check_read_mode(consistency: Any) -> None:
    """Return if a read of this node's own state serves; the merging modes promise no more than that."""
    mode = modes.parse(consistency)
    if mode is modes.REPLICATED:
        raise not_built(mode)


def not_built(mode: modes.Mode) -> Unavailable:
    """The error of a mode that needs other nodes."""
    return Unavailable(
        f"consistency={mode.word!r} needs other nodes, and this version does not carry changes between nodes yet. "
        "Nothing was applied: use consistency='reactive', with durable=True to have it on disk, or allow that with "
        "fallback=('reactive',)",
        have=1,
        need=2,
    )


def check_schema(schema: Any) -> None:
    """TypeError unless it is a class of annotated fields."""
    if not (isinstance(schema, type) and issubclass(schema, Composite)):
        shown = schema.__name__ if isinstance(schema, type) else repr(schema)
        raise TypeError(
            f"schema={shown} must be a class derived from crdt.Composite with a field for each part of the state, "
            "such as `class AgentState(Composite): counters: GCounter`"
        )
    if not schema.fields():
        raise TypeError(f"schema={schema.__name__} has no fields: annotate at least one, such as `counters: GCounter`")
