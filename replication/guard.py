"""What may go in and out of a caller's function: plain data out, no way back into the node.

Every mistake here would otherwise show much later and elsewhere: a live state that was returned
changes under its holder, a coroutine never runs, an update from inside an update waits for itself.
"""

from collections.abc import Iterator, MappingView
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from crdt.document import Replicated
from crdt.shown import shown
from replication.errors import ReplicationError


def check_update_fn(fn: Any) -> None:
    """TypeError unless it can be called."""
    if not callable(fn):
        raise TypeError(
            f"expected a function of the state, such as `lambda s: s.counters.increment()`, not {shown(fn)} "
            f"of type {type(fn).__name__}. Was it called instead of passed?"
        )


def check_result(fn: Any, value: Any) -> None:
    """TypeError if a function returned what must not leave. Raised inside the transaction, so it undoes it."""
    if isinstance(value, Replicated) or _looks_into_a_state(value):
        raise TypeError(
            f"{_name(fn)} returned the live {type(value).__name__}, which must not leave the call: it goes on "
            "changing. Return plain data, such as its `.value`, or a list of what it yields; read_state(agent_id) "
            "gives a copy of the whole state. Nothing was applied"
        )
    if isinstance(value, CoroutineType):
        value.close()
    if isinstance(value, CoroutineType | GeneratorType | AsyncGeneratorType):
        kind = type(value).__name__.replace("_", " ")
        raise TypeError(
            f"{_name(fn)} returned a {kind}, so nothing of it has run: the function must be a plain `def`. "
            "Await what you need before the call, and pass a function that only changes the state. "
            "Nothing was applied"
        )


def _looks_into_a_state(value: Any) -> bool:
    """Whether it is a view of a map's keys, values or items, or an iterator over a state."""
    is_view = isinstance(value, MappingView) and isinstance(getattr(value, "_mapping", None), Replicated)
    return is_view or (isinstance(value, Iterator) and type(value).__module__.startswith("crdt."))


def nested(outer: str, inner: Any) -> ReplicationError:
    """The error of a call to a node from inside a function that the node is running."""
    return ReplicationError(
        f"a function that runs on agent {outer!r} called the same node for {inner!r}: the call would wait for "
        "itself. Use the state that was passed to the function; return what the next call needs, and make that "
        "call after this one"
    )


def apart(agent_id: Any) -> ReplicationError:
    """The error of a call in the node's own thread."""
    return ReplicationError(
        f"the node was called for {agent_id!r} in its own thread, which would wait for itself. That is where the "
        "garbage collector may run a finalizer (__del__): have it put what is to be done into a queue.SimpleQueue, "
        "and a thread of yours do it. Nothing was done"
    )


def _name(fn: Any) -> str:
    return str(getattr(fn, "__qualname__", repr(fn)))
