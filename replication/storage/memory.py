"""A storage that forgets with the process: for `open(None)`, and to test the layers above without a disk.

It lets agents leave memory in packed form. Knows nothing of files.
"""

from array import array
from collections.abc import Iterator

from replication.identity import Identity
from replication.storage import Batch, Loaded, Operation, Record
from replication.storage.buckets import BUCKETS, DIGEST_BYTES, bucket_of, sums_of

# The number the next part takes, in front of the digest and the data of an agent's only part.
_NUMBER_BYTES = 6
_HEAD_BYTES = _NUMBER_BYTES + DIGEST_BYTES
# Data up to here is copied to be one object with its head: four objects less are most of what a small agent takes.
_SMALL = 1024


def _packed(loaded: Loaded) -> "bytes | Loaded":
    """A small agent of one part as one byte string, any other as it is."""
    parts, next_number, digest = loaded
    if len(parts) > 1 or len(parts[0]) > _SMALL or len(digest) != DIGEST_BYTES:
        return loaded
    return next_number.to_bytes(_NUMBER_BYTES, "little") + digest + parts[0]


def _unpacked(kept: "bytes | Loaded") -> Loaded:
    if isinstance(kept, Loaded):
        return Loaded(list(kept.parts), kept.next_number, kept.digest)
    number = int.from_bytes(kept[:_NUMBER_BYTES], "little")
    return Loaded([kept[_HEAD_BYTES:]], number, kept[_NUMBER_BYTES:_HEAD_BYTES])


def _digest(kept: "bytes | Loaded") -> bytes:
    return kept.digest if isinstance(kept, Loaded) else kept[_NUMBER_BYTES:_HEAD_BYTES]


class MemoryStorage:
    """Fills the Storage port with dicts."""

    path: str | None = None

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._agents: dict[str, bytes | Loaded] = {}
        self._buckets: dict[int, list[str]] = {}
        self._operations: dict[str, Operation] = {}
        self._notes: dict[str, bytes] = {}
        self._records: dict[int, Record] = {}

    def load(self, agent_id: str) -> Loaded:
        found = self._agents.get(agent_id)
        return Loaded([], 0, b"") if found is None else _unpacked(found)

    def agents(self) -> Iterator[str]:
        for agent_id, _ in self.heads():
            yield agent_id

    def agent_count(self) -> int:
        return len(self._agents)

    def digest(self, agent_id: str) -> bytes:
        found = self._agents.get(agent_id)
        return b"" if found is None else _digest(found)

    def heads(self, first: int = 0, beyond: int = BUCKETS) -> Iterator[tuple[str, bytes]]:
        few = beyond - first < len(self._buckets)
        for bucket in range(first, beyond) if few else sorted(self._buckets):
            if first <= bucket < beyond:
                for agent_id in sorted(self._buckets.get(bucket, ())):
                    yield agent_id, _digest(self._agents[agent_id])

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
            parts = [part.data] if part.snapshot or found is None else [*_unpacked(found).parts, part.data]
            self._agents[part.agent_id] = _packed(Loaded(parts, part.number + 1, part.digest))
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

    def begin(self, batch: Batch) -> int | None:
        self.write(batch)
        return None

    def end(self, error: int) -> None:
        pass

    def rest(self, idle: bool) -> None:
        pass

    def bytes_on_disk(self) -> int:
        return 0

    def close(self, clean: bool) -> None:
        pass
