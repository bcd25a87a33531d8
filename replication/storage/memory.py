"""A storage that forgets with the process: for `open(None)`, and to test the layers above without a disk.

It lets agents leave memory in packed form. Knows nothing of files.
"""

from array import array
from collections.abc import Iterator

from replication.identity import Identity
from replication.storage import Batch, Loaded, Operation, Record
from replication.storage.buckets import BUCKETS, bucket_of, sums_of


class MemoryStorage:
    """Fills the Storage port with dicts."""

    path: str | None = None

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._agents: dict[str, Loaded] = {}
        self._buckets: dict[int, list[str]] = {}
        self._operations: dict[str, Operation] = {}
        self._notes: dict[str, bytes] = {}
        self._records: dict[int, Record] = {}

    def load(self, agent_id: str) -> Loaded:
        found = self._agents.get(agent_id)
        return Loaded(list(found.parts), found.next_number, found.digest) if found else Loaded([], 0, b"")

    def agents(self) -> Iterator[str]:
        for agent_id, _ in self.heads():
            yield agent_id

    def agent_count(self) -> int:
        return len(self._agents)

    def digest(self, agent_id: str) -> bytes:
        found = self._agents.get(agent_id)
        return found.digest if found else b""

    def heads(self, first: int = 0, beyond: int = BUCKETS) -> Iterator[tuple[str, bytes]]:
        few = beyond - first < len(self._buckets)
        for bucket in range(first, beyond) if few else sorted(self._buckets):
            if first <= bucket < beyond:
                for agent_id in sorted(self._buckets.get(bucket, ())):
                    yield agent_id, self._agents[agent_id].digest

    def sums(self) -> "array[int]":
        return sums_of(self.heads())

    def operations(self) -> list[Operation]:
        return sorted(self._operations.values(), key=lambda operation: operation.number)

    def notes(self) -> dict[str, bytes]:
        return dict(self._notes)

    def records(self) -> list[Record]:
        return list(self._records.values())

    def write(self, batch: Batch) -> None:
        for part in batch.parts:
            found = self._agents.get(part.agent_id)
            # A new list, so that a load in another thread keeps what it saw.
            parts = [part.data] if part.snapshot or found is None else [*found.parts, part.data]
            self._agents[part.agent_id] = Loaded(parts, part.number + 1, part.digest)
            if found is None:
                self._buckets.setdefault(bucket_of(part.agent_id), []).append(part.agent_id)
        for operation in batch.operations:
            self._operations[operation.op_id] = operation
        for operation in batch.forgotten:
            self._operations.pop(operation.op_id, None)
        for note in batch.notes:
            if note.data:
                self._notes[note.key] = note.data
            else:
                self._notes.pop(note.key, None)
        for record in batch.records:
            self._records[record.number] = record
        while self._records and (oldest := next(iter(self._records))) < batch.records_below:
            del self._records[oldest]

    def rest(self, idle: bool) -> None:
        pass

    def bytes_on_disk(self) -> int:
        return 0

    def close(self, clean: bool) -> None:
        pass
