"""What this node has told of how far it is, and whom it therefore lets tell it more only once they are as far.

Who answers a poll (`stability`) gives leave to drop what is below its answer, and learns only later whether that was
done. Meanwhile somebody may come back who was not among those polled, and hold events that nobody counted on.
Were they taken in here, and were he then met by one who has purged, he would write them again under another
name, for he does not hold what was purged; and they would be there twice.

So from the answer on, what comes from anybody else waits until its sender holds all that was answered. Then he holds
every cut that may come of it, and has nothing to write again. He gets it by comparing, as anybody does who lacks
something; nothing is lost by refusing him, and nothing is waited for by others.

- A promise is on disk before the answer leaves: a crash changes nothing.
- What would be refused in any case, since it is from before what was purged here already, is not held up: that has
  to be heard of.
- Two that each answered without the other, and purged nothing yet, would wait for each other. So nobody is refused for
  longer than `ack_timeout_max` while he can be reached.
- The oldest promises go when there are too many.

Pure: time is told by `tick`.
"""

from collections.abc import Callable, Iterable, Mapping

from crdt import DecodeError, VersionVector
from crdt.version import span_of
from replication.config import Config
from replication.storage import Note

# Before the agent's id: under which it is kept on disk.
NOTE_PREFIX = "promise "
_PROMISES_MAX = 1000
_REFUSED_MAX = 10_000


class _Promise:
    """`stored` was answered; who was `present` was polled too, and who was `let_in` has shown since to be as far."""

    __slots__ = ("let_in", "present", "stored")

    def __init__(self, stored: VersionVector, present: frozenset[str]) -> None:
        self.stored = stored
        self.present = present
        self.let_in: set[str] = set()


class Promises:
    """`notes` is what a store keeps, of all kinds.

    held  gives the version of an agent and its cut, as `span_of` does without retired writers; None if it is busy
    """

    def __init__(
        self,
        notes: Mapping[str, bytes],
        config: Config,
        held: Callable[[str], tuple[VersionVector, VersionVector] | None],
    ) -> None:
        self._held = held
        self._patience = config.ack_timeout_max
        self._now = 0.0
        self._present: frozenset[str] = frozenset()
        self._news: dict[str, Note] = {}
        # Since when what a peer tells of an agent is refused.
        self._refused: dict[tuple[str, str], float] = {}
        # Who was polled is not on disk: after a restart everybody has to show that he is as far.
        self._promises = {
            key.removeprefix(NOTE_PREFIX): _Promise(VersionVector.from_bytes(data), frozenset())
            for key, data in notes.items()
            if key.startswith(NOTE_PREFIX)
        }

    def __len__(self) -> int:
        return len(self._promises)

    def make(self, agent_id: str, stored: VersionVector) -> None:
        """This is about to be answered to a poll of at least those who can be reached; `take_notes` before it is."""
        before = self._promises.pop(agent_id, None)
        promise = self._promises[agent_id] = _Promise(stored, self._present)
        if before is not None and not self._present <= before.present:
            # Nobody knows yet what came of the earlier answer: who was not polled then still has to be as far.
            promise.present = self._present & (before.present | before.let_in)
        self._keep(agent_id, stored.to_bytes())
        if len(self._promises) > _PROMISES_MAX:
            oldest = next(iter(self._promises))
            del self._promises[oldest]
            self._keep(oldest, b"")

    def take_notes(self) -> tuple[Note, ...]:
        """What has to be on disk before an answer leaves."""
        notes, self._news = tuple(self._news.values()), {}
        return notes

    def tick(self, now: float) -> None:
        self._now = now

    def peers(self, names: Iterable[str], now: float) -> None:
        """These can be reached now."""
        self._now = now
        self._present = frozenset(names)
        for key in [key for key in self._refused if key[0] not in self._present]:
            del self._refused[key]

    def lets_in(self, peer: str, agent_id: str, delta: bytes) -> bool:
        """Whether what this peer tells of an agent may land. O(1) but for who was not polled."""
        promise = self._promises.get(agent_id)
        if promise is None or peer in promise.present or peer in promise.let_in:
            return True
        try:
            top = span_of(delta)[1]
        except DecodeError:
            return True  # what cannot be read does not land either
        held, cut = self._held(agent_id) or (promise.stored, VersionVector())
        if not cut <= top:
            return True
        # What is not held here any more was dropped with its name, or written again.
        if any(top.get(writer, 0) < min(count, held.get(writer, 0)) for writer, count in promise.stored.items()):
            since = self._refused.setdefault((peer, agent_id), self._now)
            if len(self._refused) > _REFUSED_MAX:
                del self._refused[next(iter(self._refused))]
            if self._now < since + self._patience:
                return False
        self._refused.pop((peer, agent_id), None)
        promise.let_in.add(peer)
        return True

    def _keep(self, agent_id: str, data: bytes) -> None:
        key = NOTE_PREFIX + agent_id
        self._news[key] = Note(key, data)
