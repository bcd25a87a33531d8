"""The remembered results of `op_id`s: a call repeated with one is answered, not applied again.

A record becomes durable in the same transaction as the change it belongs to, so after a crash
either both are there or neither. The table is bounded: the oldest record is forgotten first, also
of those that were served by other processes of a directory and taken in from their disks. So a
record's number, by which they are ordered, is the time it was made at.

Knows nothing of agents' states or of disks; it hands the driver what to write.
"""

import threading
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from time import time
from typing import Any

from crdt.shown import shown
from replication.storage import Operation

# Numbers in a millisecond.
_PER_MS = 1000


def _now_ms() -> int:
    return int(1000 * time())


class Record:
    """One served operation of an agent; `taken` once a flush has it."""

    __slots__ = ("agent_id", "data", "number", "op_id", "taken")

    def __init__(self, op_id: str, number: int, data: bytes, agent_id: str = "", taken: bool = False) -> None:
        self.op_id, self.number, self.data, self.agent_id, self.taken = op_id, number, data, agent_id, taken

    def as_operation(self) -> Operation:
        return Operation(self.op_id, self.number, self.data)


class OperationTable:
    """The newest `limit` records by op_id. Thread-safe; O(1) to look one up, O(log n) to add one.

    `clock` gives milliseconds since 1970, and may go back; None: the system's.
    """

    def __init__(self, stored: list[Operation], limit: int, clock: Callable[[], int] | None = None) -> None:
        self._lock = threading.Lock()
        self._records = {each.op_id: Record(*each, taken=True) for each in stored}
        self._by_age = [(each.number, each.op_id) for each in stored]  # a heap
        heapify(self._by_age)
        self._limit = limit
        self._clock = clock or _now_ms
        self._newest = max((each.number for each in stored), default=0)
        self._untaken: dict[str, deque[Record]] = {}  # by agent
        self._forgotten: deque[Operation] = deque()
        with self._lock:
            self._trim()

    def __len__(self) -> int:
        return len(self._records)

    def get(self, op_id: str) -> Record | None:
        return self._records.get(op_id)

    def lacks(self, operation: Operation) -> bool:
        """Whether it is to be taken in: it is not here, and not older than all that are if there is no more room."""
        with self._lock:
            has_room = len(self._records) < self._limit or operation.number > self._by_age[0][0]
            return operation.op_id not in self._records and has_room

    def add(self, agent_id: str, op_id: str, data: bytes, number: int | None = None) -> Record:
        """Remember a result, of a moment ago or with the number that another process gave it.

        The caller holds the agent's lock, and marks the agent as changed.
        """
        with self._lock:
            if number is None:
                number = max(self._newest + 1, _PER_MS * self._clock())
            self._newest = max(self._newest, number)
            record = self._records[op_id] = Record(op_id, number, data, agent_id)
            self._untaken.setdefault(agent_id, deque()).append(record)
            heappush(self._by_age, (number, op_id))
            self._trim()
        return record

    def take_back(self, agent_id: str, op_id: str) -> None:
        """Forget a record that was added a moment ago, if it was: what it belongs to has been undone."""
        with self._lock:
            record = self._records.get(op_id)
            if record is not None and record.agent_id == agent_id and not record.taken:
                del self._records[op_id]
                self._leave(record)

    def take(self, agent_id: str) -> list[Operation]:
        """What of an agent is to be written with it: all that was not forgotten meanwhile."""
        if agent_id not in self._untaken:
            return []
        with self._lock:
            records = self._untaken.pop(agent_id, deque())
            for record in records:
                record.taken = True
        return [record.as_operation() for record in records]

    def take_forgotten(self) -> list[Operation]:
        """Written records that are to be removed from the disk."""
        return [self._forgotten.popleft() for _ in range(len(self._forgotten))]

    def _trim(self) -> None:
        while len(self._records) > self._limit:
            number, op_id = heappop(self._by_age)
            record = self._records.get(op_id)
            if record is None or record.number != number:
                continue  # it was taken back, or two agents were asked for it at once, and one is remembered
            del self._records[op_id]
            if record.taken:
                self._forgotten.append(record.as_operation())
            else:
                self._leave(record)

    def _leave(self, record: Record) -> None:
        """It will not be written. It mostly is the oldest of its agent, which stands first."""
        records = self._untaken.get(record.agent_id, deque())
        if record in records:
            records.remove(record)
        if not records:
            self._untaken.pop(record.agent_id, None)


# The msgpack extension that a tuple is remembered as, with its items: a dict may have one for a key.
_TUPLE = 1
_PLAIN: tuple[type[Any], ...] = (int, float, str, bytes, list, dict)


def encode_result(op_id: str, agent_id: str, consistency: str, version: bytes, value: Any, bytes_max: int) -> bytes:
    """The record of a result; TypeError or ValueError if it cannot be remembered."""
    import msgpack

    try:
        data: bytes = msgpack.packb([agent_id, consistency, version, value], default=_plain, strict_types=True)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TypeError(
            f"op_id={op_id!r}: update_fn returned a {type(value).__name__} that cannot be remembered ({error}). "
            "Return None, bool, int (64 bits), float, str, bytes, or lists and dicts of them; nothing was applied"
        ) from None
    if len(data) > bytes_max:
        raise ValueError(
            f"op_id={op_id!r}: update_fn returned {len(data)} bytes to be remembered, more than "
            f"operation_bytes_max={bytes_max}. Return less, or raise the limit in open(); nothing was applied"
        )
    return data


def decode_result(data: bytes) -> tuple[str, str, bytes, Any]:
    """The agent, the mode, the version and the value of a record."""
    import msgpack

    agent_id, consistency, version, value = msgpack.unpackb(data, strict_map_key=False, ext_hook=_restored)
    return agent_id, consistency, version, value


def _plain(value: Any) -> Any:
    """What msgpack has no form for, in one that it has; of a subclass of something plain, what is plain in it."""
    import msgpack

    if isinstance(value, tuple):
        return msgpack.ExtType(_TUPLE, msgpack.packb(list(value), default=_plain, strict_types=True))
    for plain in _PLAIN:
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"can not serialize {type(value).__name__!r} object")


def _restored(code: int, data: bytes) -> Any:
    import msgpack

    return tuple(msgpack.unpackb(data, strict_map_key=False, ext_hook=_restored))


def check_op_id(op_id: Any) -> None:
    """TypeError or ValueError unless it can name an operation."""
    if not isinstance(op_id, str):
        raise TypeError(f"op_id={shown(op_id)} must be a str that is unique to this change, not {type(op_id).__name__}")
    if not 1 <= len(op_id.encode("utf-8", "surrogatepass")) <= 256 or not op_id.isprintable():
        raise ValueError(f"op_id={shown(op_id)} must have 1 to 256 bytes in UTF-8, all printable")
