"""A storage that forgets with the process: for `open(None)`, and to test the layers above without a disk.

It lets agents leave memory in packed form. Knows nothing of files.
"""

from collections.abc import Iterator

from replication.identity import Identity
from replication.storage import Batch, Loaded, Operation


class MemoryStorage:
    """Fills the Storage port with two dicts."""

    path = None

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._agents: dict[str, tuple[list[bytes], int]] = {}
        self._operations: dict[str, Operation] = {}

    def load(self, agent_id: str) -> Loaded:
        parts, next_number = self._agents.get(agent_id, ((), 0))
        return Loaded(list(parts), next_number)

    def agents(self) -> Iterator[str]:
        yield from sorted(self._agents)

    def agent_count(self) -> int:
        return len(self._agents)

    def operations(self) -> list[Operation]:
        return sorted(self._operations.values(), key=lambda operation: operation.number)

    def write(self, batch: Batch) -> None:
        for part in batch.parts:
            parts, _ = self._agents.get(part.agent_id, ([], 0))
            # A new list, so that a load in another thread keeps what it saw.
            parts = [part.data] if part.snapshot else [*parts, part.data]
            self._agents[part.agent_id] = (parts, part.number + 1)
        for operation in batch.operations:
            self._operations[operation.op_id] = operation
        for operation in batch.forgotten:
            self._operations.pop(operation.op_id, None)

    def rest(self, idle: bool) -> None:
        pass

    def bytes_on_disk(self) -> int:
        return 0

    def close(self, clean: bool) -> None:
        pass
