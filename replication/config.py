"""Every limit and timeout of a node, by name and unit. What happens at each is said beside it.

`open(..., **limits)` takes any of these by name. Knows nothing of what they are used for.
"""

from typing import Any, NamedTuple


class Config(NamedTuple):
    """The limits of one node. Immutable. `Config.of` checks names and values."""

    # Seconds a change may wait in memory before a flush takes it to disk. 0 flushes at once.
    flush_interval: float = 0.005
    # Bytes of deltas in one transaction; what lies above goes into the next, which follows at once.
    flush_bytes_max: int = 16 << 20
    # Agents with state in memory. Above it, those not touched lately leave; they come back from
    # the store when asked for. Changed agents leave only once they are flushed.
    max_agents_in_memory: int = 10_000
    # Seconds a call waits for memory when everything in memory is changed and not yet flushed;
    # then it raises Overloaded.
    memory_wait: float = 30.0
    # UTF-8 bytes of an agent id; a longer one is a ValueError.
    agent_id_bytes_max: int = 512
    # An agent's deltas on disk are rewritten as one snapshot when they outgrow the last snapshot
    # by this factor and by `compaction_bytes_min`, or are more than `compaction_rows_max`.
    compaction_ratio: float = 1.0
    compaction_bytes_min: int = 1024
    compaction_rows_max: int = 4096
    # Bytes of write-ahead log at which it is copied into the database file and started again.
    checkpoint_bytes: int = 4 << 20
    # Remembered `op_id`s; above it the oldest is forgotten, and repeating that one applies it anew.
    operations_max: int = 10_000
    # Bytes of a remembered result; a larger one is a ValueError and nothing is applied.
    operation_bytes_max: int = 64 << 10
    # Changes a watcher may lie behind; above it changes are folded, one entry an agent, and above
    # that many agents into one entry that says how many were missed.
    watch_buffer: int = 4096

    @classmethod
    def of(cls, limits: dict[str, Any]) -> "Config":
        """A config from keyword arguments; TypeError naming near matches of an unknown one, ValueError out of range."""
        for name, value in limits.items():
            if name not in cls._fields:
                raise TypeError(f"open() has no argument {name!r}: {_hint(name, cls._fields)}")
            _check(name, value, cls.__annotations__[name])
        return cls(**limits)


_MAY_BE_ZERO = frozenset({"flush_interval", "compaction_bytes_min", "compaction_ratio"})


def _check(name: str, value: Any, kind: type) -> None:
    accepted = (int, float) if kind is float else (int,)
    if isinstance(value, bool) or not isinstance(value, accepted):
        expected = "a number" if kind is float else "a whole number"
        raise TypeError(f"{name}={value!r} must be {expected}, not {type(value).__name__}")
    if name in _MAY_BE_ZERO:
        if not value >= 0:  # NaN fails too
            raise ValueError(f"{name}={value!r} must be 0 or more")
    elif not value > 0:
        raise ValueError(f"{name}={value!r} must be more than 0")


def _hint(name: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"the limits are {', '.join(known)}"
