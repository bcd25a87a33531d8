"""Large deltas in chunks: each side of it, for all peers of a node.

A transfer is named by the hash of what it carries, so the same delta to the same peer is one transfer
however often it is begun. The receiver reports up to where it has everything without a gap; the sender
keeps a few chunks beyond that on their way, and after a silence goes back to the last report. So
chunks may be lost, doubled and reordered, the link may break for a while, and the receiver may even
have forgotten all: its next report says so. Because only a few chunks of one delta are on their way at
a time, other messages go between them.

What a receiver hands out is whole and matches its name, or it is nothing.

Pure: bytes in, messages out; time is an argument.
"""

import hashlib
from io import BytesIO
from typing import NamedTuple

from replication.config import Config
from replication.core import Send
from replication.messages import PAYLOAD_BYTES_MAX, Chunk, ChunkReceived, RepairChunk, RepairChunkReceived

_NAME_BYTES = 16
# Chunks that came before an earlier one, kept for one transfer; an honest sender has no more under way.
_EARLY_MAX = 64
# A transfer of which nothing came for so many retries may have lost its sender: another may be asked.
_STALLED_RETRIES = 4
# Transfers that are remembered to be over.
_OVER_MAX = 1000


def name_of(agent_id: str, delta: bytes) -> bytes:
    """The name of the transfer of this delta."""
    hashed = _hash_of(agent_id)
    hashed.update(delta)
    return hashed.digest()


def _hash_of(agent_id: str) -> "hashlib.blake2b":
    encoded = agent_id.encode()
    return hashlib.blake2b(len(encoded).to_bytes(4, "little") + encoded, digest_size=_NAME_BYTES)


class _Line:
    """One delta on its way to one peer."""

    __slots__ = ("agent_id", "delta", "heard", "peer", "reported", "sent", "timer", "wait")

    def __init__(self, peer: str, agent_id: str, delta: bytes, now: float) -> None:
        self.peer = peer
        self.agent_id = agent_id
        self.delta = delta
        self.sent = 0  # everything below is on its way or there
        self.reported = 0  # the peer's last word
        self.heard = now  # of something new
        self.timer = now  # when to go back, if nothing is heard until then
        self.wait = 0.0


class Outgoing:
    """The sending side. `kind` is the message that a chunk is sent as."""

    def __init__(self, config: Config, kind: type[Chunk] | type[RepairChunk] = Chunk) -> None:
        self._config = config
        self._kind = kind
        self._chunk_bytes = min(config.chunk_bytes, PAYLOAD_BYTES_MAX // 2)
        self._lines: dict[tuple[str, bytes], _Line] = {}
        self._out: list[Send] = []

    def __len__(self) -> int:
        return len(self._lines)

    def start(self, peer: str, agent_id: str, delta: bytes, now: float) -> bool:
        """Begin to send a delta, or go on; False if too many are on their way to the peer, or too many bytes in all."""
        assert delta
        name = name_of(agent_id, delta)
        line = self._lines.get((peer, name))
        if line is None:
            lines = [each for each in self._lines.values() if each.peer == peer]
            total = sum(len(each.delta) for each in {id(each.delta): each for each in self._lines.values()}.values())
            if len(lines) >= self._config.transfers_max or total + len(delta) > self._config.transfer_bytes_max:
                return False
            same = next((each.delta for (_, other), each in self._lines.items() if other == name), delta)
            line = self._lines[peer, name] = _Line(peer, agent_id, same, now)
            line.wait = self._config.transfer_retry
            self._fill(name, line, now)
        return True

    def is_sending(self, peer: str, agent_id: str) -> bool:
        """Whether a delta of the agent is on its way to the peer; then there is no need for another yet."""
        return any(line.peer == peer and line.agent_id == agent_id for line in self._lines.values())

    def received(self, peer: str, message: ChunkReceived | RepairChunkReceived, now: float) -> bool:
        """The peer's report; whether that was the last of a transfer, which is over."""
        line = self._lines.get((peer, message.transfer))
        if line is None or message.offset > len(line.delta):
            return False
        if message.offset == len(line.delta):
            del self._lines[peer, message.transfer]
            return True
        if message.offset > line.reported:
            line.heard = now
            line.wait = self._config.transfer_retry
            line.timer = now + line.wait
        line.reported = message.offset
        line.sent = max(line.sent, line.reported)
        self._fill(message.transfer, line, now)
        return False

    def connected(self, peer: str, now: float) -> None:
        """There is a new link to the peer: what was on the old one may be lost."""
        for line in self._lines.values():
            if line.peer == peer:
                line.timer, line.wait = now, self._config.transfer_retry

    def forget(self, peer: str) -> None:
        """The peer has left for good."""
        for key in [key for key in self._lines if key[0] == peer]:
            del self._lines[key]

    def tick(self, now: float) -> None:
        for (peer, name), line in list(self._lines.items()):
            if now >= line.heard + self._config.transfer_keep:
                del self._lines[peer, name]
            elif now >= line.timer:
                # One chunk only: its report says where the peer is, and the window opens from there.
                line.sent = line.reported
                self._send(name, line)
                line.timer = now + line.wait
                line.wait = min(2 * line.wait, self._config.transfer_keep / 4)

    def ready(self) -> tuple[Send, ...]:
        """The chunks to send now; each is handed out once."""
        if not self._out:
            return ()
        out, self._out = self._out, []
        return tuple(out)

    def _fill(self, name: bytes, line: _Line, now: float) -> None:
        if line.sent == line.reported:
            line.timer = now + line.wait
        window = line.reported + self._config.chunk_window * self._chunk_bytes
        while line.sent < min(window, len(line.delta)):
            self._send(name, line)

    def _send(self, name: bytes, line: _Line) -> None:
        data = line.delta[line.sent : line.sent + self._chunk_bytes]
        self._out.append(Send(line.peer, self._kind(name, line.agent_id, line.sent, len(line.delta), data)))
        line.sent += len(data)


class Arrival(NamedTuple):
    """What came of a chunk: the report to send back, and the delta if it is whole now."""

    report: ChunkReceived | RepairChunkReceived | None
    delta: bytes | None


_NOTHING = Arrival(None, None)


class _Partial:
    """What has come of one delta from one peer."""

    __slots__ = ("agent_id", "body", "early", "early_bytes", "end", "hashed", "heard", "total")

    def __init__(self, agent_id: str, total: int, now: float) -> None:
        self.agent_id = agent_id
        self.total = total
        self.body = BytesIO()  # grows with what comes, and gives its bytes away without a copy
        self.end = 0  # everything below is in the body
        self.early: dict[int, bytes] = {}
        self.early_bytes = 0
        self.hashed = _hash_of(agent_id)
        self.heard = now

    def add(self, offset: int, data: bytes) -> bool:
        """Whether that was new."""
        if offset > self.end:
            # Together never more than the whole: overlapping chunks must not cost more memory than was granted.
            is_too_much = self.end + self.early_bytes + len(data) > self.total
            if offset in self.early or len(self.early) >= _EARLY_MAX or is_too_much:
                return False
            self.early[offset] = data
            self.early_bytes += len(data)
            return True
        if offset + len(data) <= self.end:
            return False
        self._append(data[self.end - offset :])
        for early in sorted(self.early):
            if early > self.end:
                break
            self.early_bytes -= len(self.early[early])
            self._append(self.early.pop(early)[self.end - early :])
        return True

    def _append(self, data: bytes) -> None:
        self.body.write(data)
        self.hashed.update(data)
        self.end += len(data)


class Incoming:
    """The receiving side. `kind` is the message that what has come is reported by."""

    def __init__(self, config: Config, kind: type[ChunkReceived] | type[RepairChunkReceived] = ChunkReceived) -> None:
        self._config = config
        self._kind = kind
        self._partials: dict[tuple[str, bytes], _Partial] = {}
        # Transfers that are over, so that a late chunk does not begin them again: until when, and the report.
        self._over: dict[tuple[str, bytes], tuple[float, ChunkReceived | RepairChunkReceived | None]] = {}
        self.spoiled = 0

    def __len__(self) -> int:
        return len(self._partials)

    def arriving(self, agent_id: str, now: float) -> bool:
        """Whether a delta of the agent is on its way here: something of it came not long ago."""
        since = now - _STALLED_RETRIES * self._config.transfer_retry
        return any(each.agent_id == agent_id and each.heard > since for each in self._partials.values())

    def chunk(self, peer: str, message: Chunk | RepairChunk, now: float) -> Arrival:
        """Take a chunk. One that makes no sense, or for which there is no room, is as if it had not come."""
        key = peer, message.transfer
        over = self._over.get(key)
        if over is not None and now < over[0]:
            return Arrival(over[1], None)
        end = message.offset + len(message.data)
        if not message.data or end > message.total or len(message.transfer) != _NAME_BYTES:
            return _NOTHING
        partial = self._partials.get(key)
        if partial is None:
            if not self._has_room(peer, message.total):
                return _NOTHING
            partial = self._partials[key] = _Partial(message.agent_id, message.total, now)
        elif (partial.agent_id, partial.total) != (message.agent_id, message.total):
            return _NOTHING
        if partial.add(message.offset, message.data):
            partial.heard = now
        if partial.end < partial.total:
            return Arrival(self._kind(message.transfer, partial.end), None)
        return self._finish(key, partial, now)

    def tick(self, now: float) -> None:
        """Drop what nobody went on with."""
        for key in [
            key for key, partial in self._partials.items() if now >= partial.heard + self._config.transfer_keep
        ]:
            del self._partials[key]
        for key in [key for key, (until, _) in self._over.items() if now >= until]:
            del self._over[key]

    def forget(self, peer: str) -> None:
        """The peer has left for good."""
        for key in [key for key in self._partials if key[0] == peer]:
            del self._partials[key]

    def _has_room(self, peer: str, total: int) -> bool:
        """Counting whole deltas, not what has come of them: else two that fill the memory by halves wait for ever."""
        declared = sum(partial.total for partial in self._partials.values())
        of_peer = sum(key[0] == peer for key in self._partials)
        return declared + total <= self._config.transfer_bytes_max and of_peer < self._config.transfers_max

    def _finish(self, key: tuple[str, bytes], partial: _Partial, now: float) -> Arrival:
        del self._partials[key]
        report: ChunkReceived | RepairChunkReceived | None = self._kind(key[1], partial.total)
        delta: bytes | None = partial.body.getvalue()
        if partial.hashed.digest() != key[1]:
            self.spoiled += 1
            report = delta = None
        self._over[key] = (now + self._config.transfer_keep, report)
        while len(self._over) > _OVER_MAX:
            del self._over[next(iter(self._over))]
        return Arrival(report, delta)
