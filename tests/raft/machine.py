"""A node of the group with a made-up disk and state: does what its core says, when it is told to.

The disk has writes that are durable and writes that are under way; a crash keeps the first, and of the others as many
as it likes, the last of them perhaps in part. The state is a checksum of everything applied, so that two that have
applied the same are equal, and those that have not are not.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from zlib import crc32

from replication.raft.configuration import Configuration
from replication.raft.core import Raft
from replication.raft.log import Entry
from replication.raft.messages import Snapshot
from replication.raft.options import Options
from replication.raft.ready import Apply, ChunkWish, Ready, Saved, Send, Write


def digest_after(digest: int, entry: Entry) -> int:
    return crc32(entry.data, crc32(b"%d %d" % (entry.term, entry.kind), digest))


def snapshot_bytes(digest: int, size: int) -> bytes:
    return digest.to_bytes(8, "big") + bytes(size)


class Disk:
    """What a crash leaves."""

    def __init__(self, configuration: Configuration) -> None:
        self.term, self.vote = 0, ""
        self.snapshot = Snapshot(0, 0, configuration, b"")
        self.offset = self.offset_term = 0
        self.entries: list[Entry] = []
        self.files: dict[bytes, bytes] = {b"": snapshot_bytes(0, 0)}  # snapshots by name

    @property
    def last(self) -> int:
        return self.offset + len(self.entries)

    def term_at(self, index: int) -> int:
        if index == self.offset:
            return self.offset_term
        return self.entries[index - self.offset - 1].term if self.offset < index <= self.last else -1

    def do(self, write: Write, incoming: bytes, steps: int = 3, entries: int | None = None) -> None:
        """All of it, or its first steps, and of the last so many entries."""
        if steps >= 1:
            self.term, self.vote = write.term, write.vote
        if steps >= 2 and write.snapshot is not None:
            self.snapshot = write.snapshot
            self.files[write.snapshot.id] = incoming
            self.offset, self.offset_term = write.snapshot.last_index, write.snapshot.last_term
            self.entries.clear()
        if steps >= 3 and write.entries:
            assert self.offset < write.first <= self.last + 1, "a gap in the log"
            del self.entries[write.first - self.offset - 1 :]
            self.entries += write.entries[:entries]

    def saved(self, applied: int) -> Saved:
        return Saved(
            self.term, self.vote, self.snapshot, self.offset, self.offset_term, tuple(self.entries), applied
        )  # fmt: skip


class Machine:
    def __init__(self, name: str, disk: Disk, options: Options, random: Random) -> None:
        self.name, self.disk, self.options, self.random = name, disk, options, random
        self.core: Raft
        self.lives = 0
        # Told of entries that are applied: the index, the entry and the state after it.
        self.on_applied: Callable[[int, Entry, int], None] = lambda index, entry, digest: None

    def start(self, now: float, applied: int | None = None, digest: int | None = None) -> None:
        """From the disk; with the state as of the newest snapshot, or a later one that was kept apart."""
        snapshot = self.disk.snapshot
        self.index = snapshot.last_index
        self.digest = int.from_bytes(self.disk.files[snapshot.id][:8], "big")
        if applied is not None and digest is not None and self.index <= applied <= self.disk.last:
            self.index, self.digest = applied, digest
        self.lives += 1
        self.queue: deque[Write] = deque()
        self.reading: deque[ChunkWish] = deque()
        self.applying: Apply | None = None
        self.partial: tuple[Snapshot, bytearray] | None = None
        self.served: list[int] = []
        self.core = Raft(self.name, self.disk.saved(self.index), self.options, self.random, now)

    def take(self, ready: Ready) -> tuple[Send, ...]:
        """Begin what it says; what is to be sent is the caller's."""
        for piece in ready.pieces:
            if piece.offset == 0:
                self.partial = (piece.snapshot, bytearray())
            assert self.partial is not None and self.partial[0] == piece.snapshot
            assert len(self.partial[1]) == piece.offset, "a gap in a snapshot"
            self.partial[1].extend(piece.data)
        if ready.write is not None:
            if ready.write.snapshot is not None:
                assert self.applying is None, "a snapshot is installed while entries are applied"
                assert self.partial is not None and self.partial[0] == ready.write.snapshot
            self.queue.append(ready.write)
        self.reading += ready.chunks
        if ready.apply is not None:
            assert self.applying is None and ready.apply.first == self.index + 1
            assert not any(write.snapshot for write in self.queue), "applied while a snapshot is installed"
            self.applying = ready.apply
        self.served += ready.reads
        return ready.send

    def write_done(self, now: float, count: int = 1) -> None:
        """The oldest writes are durable."""
        write = None
        for _ in range(count):
            write = self.queue.popleft()
            self.disk.do(write, self._incoming(write))
            if write.snapshot is not None:
                self.index = write.snapshot.last_index
                self.digest = int.from_bytes(self.disk.files[write.snapshot.id][:8], "big")
                self.partial = None
        if write is not None:
            self.core.persisted(write.number, now)

    def _incoming(self, write: Write) -> bytes:
        return bytes(self.partial[1]) if write.snapshot is not None and self.partial is not None else b""

    def apply_done(self) -> None:
        assert self.applying is not None
        for entry in self.applying.entries:
            self.index += 1
            self.digest = digest_after(self.digest, entry)
            self.on_applied(self.index, entry, self.digest)
        self.applying = None
        self.core.applied(self.index)

    def chunk_done(self, now: float, unreadable: bool = False) -> None:
        wish = self.reading.popleft()
        data = None if unreadable else self.disk.files[wish.snapshot.id]
        if data is None:
            self.core.chunk_read(wish, None, False, now)
        else:
            end = wish.offset + wish.length
            self.core.chunk_read(wish, data[wish.offset : end], end >= len(data), now)

    def take_snapshot(self, size: int) -> bool:
        """Of everything applied; made durable at once. Old ones that are not being sent go."""
        if self.index <= self.core.snapshot.last_index or any(write.snapshot for write in self.queue):
            return False
        name = f"{self.name}.{self.lives}.{self.index}".encode()
        self.disk.files[name] = snapshot_bytes(self.digest, size)
        snapshot = self.core.snapshot_taken(self.index, name)
        assert snapshot is not None
        self.disk.snapshot = snapshot
        kept = self.core.snapshots_in_use()
        self.disk.files = {name: data for name, data in self.disk.files.items() if name in kept}
        return True

    def compact(self, index: int) -> None:
        if cut := self.core.compact(index):
            offset, offset_term = cut
            assert self.disk.term_at(offset) == offset_term
            del self.disk.entries[: offset - self.disk.offset]
            self.disk.offset, self.disk.offset_term = cut

    def crash(self) -> None:
        """Of the writes under way some are found to have been done: some of the oldest, the next perhaps in part."""
        done = self.random.randint(0, len(self.queue))
        for place, write in enumerate(self.queue):
            if place < done:
                self.disk.do(write, self._incoming(write))
            elif place == done:
                entries = self.random.randint(0, len(write.entries))
                self.disk.do(write, self._incoming(write), self.random.randint(0, 3), entries)
