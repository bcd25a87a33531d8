"""Repairs: what two nodes hold of one agent at one version, in different states, becomes equal again.

Anti-entropy finds such an agent (`sync`), and one of the two begins a session of `reconcile` with the
other. Here is what such a session needs to be safe between nodes that fail, lie, or differ again:

- Bounded: sessions at once, and of one peer half as many; seconds of work a second; seconds without a
  word from the peer. A message too large to be sent at once goes in chunks, between others (`transfer`).
- Two that begin at once keep the session of the smaller name. What comes twice or late is not heard.
- It ends: a peer that is silent is tried again after waits that double. One with which sessions come to
  their end and the agent still differs is given up for as long as this node's state stays as it is:
  the two do not repair alike, and somebody has to look.
- It touches an agent only while the disk holds all of it, so nothing leaves this node that a crash
  could take back. After a crash in between, the agent differs still, and is repaired anew.

Any two nodes that differ repair each other; what they hold afterwards is the union of both, so in
whatever order pairs meet, all end with the same.

Pure: a core as in `core`. States are in the hands of `Treat`.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, NamedTuple

from crdt import CRDTError, VersionVector
from crdt.repair import KEY_BYTES, symbols_end
from replication.budget import Budget
from replication.config import Config
from replication.core import NOTHING, Ready, Send
from replication.message_fields import MessageError
from replication.messages import (
    Message,
    RepairAnswer,
    RepairChunk,
    RepairChunkReceived,
    RepairEnd,
    RepairEntries,
    RepairMore,
    RepairOffer,
    RepairSymbols,
    decode,
    encode,
)
from replication.repair import reconcile
from replication.repair.messages import OfSession, heard, told
from replication.repair.reconcile import Initiator, Responder
from replication.transfer import Incoming, Outgoing

# Does a step on the state of an agent (None: unknown here) and says how many seconds it took; None: not now.
Treat = Callable[[str, str, Callable[[Any], None]], float | None]

# Why a session ended before its end; what else a peer may say counts as "failed".
REASONS = ("stale", "equal", "unknown", "busy", "failed", "given up")
# Sessions with one peer that came to their end without this node's state changing any more.
_TRIES_MAX = 3
# Parts of this node's time that repairs may take.
_EFFORT = 0.1
_REMEMBERED_MAX = 1000
# What bytes from a peer may raise in a step; then nothing was changed.
_REFUSED = (CRDTError, TypeError, OverflowError)


class Tries(NamedTuple):
    """What came of the sessions with one peer about one agent, since this node's state was this."""

    version: VersionVector
    digest: bytes
    completed: int = 0
    in_vain: int = 0  # not come to their end
    until: float = 0.0  # none is begun before


class _Session:
    """One session, and this node's side of it, which is made when it is this agent's turn."""

    __slots__ = ("agent_id", "digest", "has_spoken", "heard", "key", "message", "party", "peer", "version")

    def __init__(self, peer: str, agent_id: str, key: bytes, now: float) -> None:
        self.peer, self.agent_id, self.key = peer, agent_id, key
        self.heard = now
        self.message: OfSession | None = None  # that came and is not answered
        self.party: Initiator | Responder | None = None
        self.has_spoken = False
        self.version = VersionVector()
        self.digest = b""

    @property
    def is_begun_here(self) -> bool:
        return isinstance(self.party, Initiator) or (self.party is None and self.message is None)


class Repairs:
    """The core.

    `on_end(agent_id, peer, outcome)` is called when a session came to its end ("repaired"), and each time a peer would
    be asked again that was given up ("given up").
    """

    handles = (
        RepairOffer, RepairMore, RepairSymbols, RepairAnswer, RepairEntries, RepairEnd,
        RepairChunk, RepairChunkReceived,
    )  # fmt: skip

    def __init__(
        self, name: str, treat: Treat, config: Config, random: Random, on_end: Callable[[str, str, str], None]
    ) -> None:
        self._name = name
        self._treat = treat
        self._config = config
        self._random = random
        self._on_end = on_end
        self._sessions: dict[tuple[str, bytes], _Session] = {}
        self._due: deque[_Session] = deque()
        self._effort = Budget(_EFFORT)
        self._over: dict[tuple[str, bytes], None] = {}
        self._tries: dict[tuple[str, str], Tries] = {}
        self._outgoing = Outgoing(config, RepairChunk)
        self._incoming = Incoming(config, RepairChunkReceived)
        self._out: list[Send] = []
        self._counts = dict.fromkeys(("begun", "answered", "repaired", "silent", "no_room", *REASONS), 0)
        self._seconds = 0.0

    # What the driver tells

    def begin(self, peer: str, agent_id: str, now: float) -> bool:
        """The two were found to differ at one version; whether a session about it is under way now."""
        if self._with(peer, agent_id) is not None:
            return True
        tries = self._tries.get((peer, agent_id))
        if (tries is not None and now < tries.until) or not self._has_room(peer):
            return False
        session = self._add(peer, agent_id, self._random.randbytes(KEY_BYTES), now)
        self._due.append(session)
        self._work(now)
        return True

    def peers(self, names: tuple[str, ...], now: float) -> None:
        for session in [each for each in self._sessions.values() if each.peer not in names]:
            self._remove(session)

    def agreed(self, peer: str) -> None:
        """This node and the peer hold the same of everything."""
        for key in [key for key in self._tries if key[0] == peer]:
            del self._tries[key]

    def tick(self, now: float) -> None:
        self._outgoing.tick(now)
        self._incoming.tick(now)
        for session in [each for each in self._sessions.values() if now >= each.heard + self._config.repair_timeout]:
            self._break_off(session, "silent", now)
        self._work(now)

    def ready(self) -> Ready:
        out, chunks = self._out, self._outgoing.ready()
        if not (out or chunks):
            return NOTHING
        self._out = []
        return Ready(send=(*out, *chunks))

    def status(self) -> dict[str, Any]:
        return {
            **{word.replace(" ", "_"): count for word, count in self._counts.items()},
            "sessions": len(self._sessions),
            "seconds": self._seconds,
        }

    # What peers say

    def step(self, peer: str, message: Message, now: float) -> None:
        if isinstance(message, RepairChunk):
            self._take_chunk(peer, message, now)
        elif isinstance(message, RepairChunkReceived):
            self._outgoing.received(peer, message, now)
            self._heard_of(peer, now)
        elif isinstance(message, OfSession):
            self._take(peer, message, now)

    def _take_chunk(self, peer: str, chunk: RepairChunk, now: float) -> None:
        arrival = self._incoming.chunk(peer, chunk, now)
        if arrival.report is not None:
            self._heard_of(peer, now)
            self._out.append(Send(peer, arrival.report))
        if arrival.delta is not None:
            try:
                message = decode(arrival.delta, len(arrival.delta))
            except MessageError:
                return
            if isinstance(message, OfSession):
                self._take(peer, message, now)

    def _heard_of(self, peer: str, now: float) -> None:
        """A large message is on its way to or from it."""
        for session in self._sessions.values():
            if session.peer == peer:
                session.heard = now

    def _take(self, peer: str, message: OfSession, now: float) -> None:
        session = self._sessions.get((peer, message.session))
        if isinstance(message, RepairOffer):
            session = self._offered(peer, message, now) if session is None else None
        if session is None:
            return
        session.heard = now
        if isinstance(message, RepairEnd):
            self._break_off(session, message.reason if message.reason in REASONS else "failed", now, tell=False)
        elif session.message is None:
            session.message = message
            self._due.append(session)
            self._work(now)

    def _offered(self, peer: str, offer: RepairOffer, now: float) -> _Session | None:
        """The session that a peer begins; None if it is over, cannot be, or this node has begun one itself."""
        if len(offer.session) != KEY_BYTES or (peer, offer.session) in self._over:
            return None
        own = self._with(peer, offer.agent_id)
        if own is not None:
            # Both found it at once, or the peer gave up a session of which this node has heard no more.
            if own.is_begun_here and self._name < peer:
                return None
            self._remove(own)
        if not self._has_room(peer):
            self._counts["no_room"] += 1
            self._out.append(Send(peer, RepairEnd(offer.session, "busy")))
            return None
        return self._add(peer, offer.agent_id, offer.session, now)

    # Working

    def _work(self, now: float) -> None:
        """Do the steps that are due, as far as there is time for them, and their agents are at rest."""
        busy: list[_Session] = []
        while self._due and self._effort.is_open(now):
            session = self._due.popleft()
            if self._sessions.get((session.peer, session.key)) is not session:
                continue
            seconds = self._treat(session.agent_id, session.peer, partial(self._act, session, now))
            if seconds is None:
                busy.append(session)
            else:
                session.heard = now  # the peer waits for this side as long as it has to wait for its time
                self._effort.spend(seconds)
                self._seconds += seconds
        self._due.extend(busy)

    def _act(self, session: _Session, now: float, state: Any) -> None:
        """One step, with the agent's state in hand."""
        if state is None:
            self._break_off(session, "unknown", now)
            return
        try:
            if session.party is None:
                self._open(session, state, now)
                return
            reply = self._go_on(session, state) if session.has_spoken else self._speak(session, state)
        except _REFUSED:
            self._complete(session, now, "failed")
            self._out.append(Send(session.peer, RepairEnd(session.key, "failed")))
            return
        session.message = None
        if reply is not None:
            self._send(session, reply, now)
        if session.party.is_over and (session.peer, session.key) in self._sessions:
            self._complete(session, now, "repaired")

    def _open(self, session: _Session, state: Any, now: float) -> None:
        """Look at all entries. What follows is another step: of a large agent each takes its time."""
        session.version, session.digest = state.version, state.digest()
        tries = self._tries.get((session.peer, session.agent_id))
        is_same = tries is not None and (tries.version, tries.digest) == (session.version, session.digest)
        offer = session.message
        if tries is not None and is_same and tries.completed >= _TRIES_MAX:
            self._break_off(session, "given up", now)
        elif not isinstance(offer, RepairOffer):
            self._counts["begun"] += 1
            session.party = Initiator(state, session.key)
            self._due.append(session)
        elif offer.digest == session.digest:
            self._break_off(session, "equal", now)
        elif (theirs := VersionVector.from_bytes(offer.version)) != session.version:
            self._break_off(session, "stale", now)
        else:
            self._counts["answered"] += 1
            session.party = Responder(state, reconcile.Offer(session.key, theirs, offer.symbols))
            self._due.append(session)

    def _speak(self, session: _Session, state: Any) -> Message:
        """The first word of this side."""
        session.has_spoken = True
        if isinstance(session.party, Responder):
            return told(session.key, session.party.answer(state))
        assert session.party is not None
        symbols = session.party.offer().symbols
        return RepairOffer(session.key, session.agent_id, session.version.to_bytes(), session.digest, symbols)

    def _go_on(self, session: _Session, state: Any) -> Message | None:
        party, message = session.party, session.message
        assert party is not None and message is not None
        match party, message:  # what comes twice: the other side always asks for as many as it has
            case Initiator(), RepairMore() if message.number != party.sent:
                return None
            case Responder(), RepairSymbols() if symbols_end(message.symbols) <= party.received:
                return None
        said = heard(message)
        reply = None if said is None else party.step(state, said)
        return None if reply is None else told(session.key, reply)

    def _send(self, session: _Session, message: Message, now: float) -> None:
        if sum(len(field) for field in message if isinstance(field, bytes)) <= self._config.chunk_bytes:
            self._out.append(Send(session.peer, message))
        elif not self._outgoing.start(
            session.peer, session.agent_id, encode(message, self._config.transfer_bytes_max), now
        ):
            self._break_off(session, "busy", now)

    # Beginning and ending

    def _with(self, peer: str, agent_id: str) -> _Session | None:
        """The session with a peer about an agent."""
        return next((each for each in self._sessions.values() if (each.peer, each.agent_id) == (peer, agent_id)), None)

    def _has_room(self, peer: str) -> bool:
        of_peer = sum(each.peer == peer for each in self._sessions.values())
        return len(self._sessions) < self._config.repairs_max and of_peer < max(1, self._config.repairs_max // 2)

    def _add(self, peer: str, agent_id: str, key: bytes, now: float) -> _Session:
        session = self._sessions[peer, key] = _Session(peer, agent_id, key, now)
        return session

    def _remove(self, session: _Session) -> None:
        if self._sessions.pop((session.peer, session.key), None) is not None:
            _remember(self._over, (session.peer, session.key), None)

    def _complete(self, session: _Session, now: float, outcome: str) -> None:
        """It came to its end; whether it was of use shows when the two are compared again."""
        self._remove(session)
        self._counts[outcome] += 1
        before = self._tries.get((session.peer, session.agent_id))
        is_same = before is not None and (before.version, before.digest) == (session.version, session.digest)
        completed = 1 + (before.completed if before is not None and is_same else 0)
        until = now + self._wait(completed)
        _remember(
            self._tries, (session.peer, session.agent_id), Tries(session.version, session.digest, completed, 0, until)
        )
        if outcome == "repaired":
            self._on_end(session.agent_id, session.peer, outcome)

    def _break_off(self, session: _Session, reason: str, now: float, tell: bool = True) -> None:
        """It ends before its end."""
        is_known_there = session.party is not None or session.message is not None
        if tell and is_known_there and reason != "silent":
            self._out.append(Send(session.peer, RepairEnd(session.key, reason)))
        is_ours = session.is_begun_here
        self._remove(session)
        self._counts[reason] += 1
        if is_ours:
            key = session.peer, session.agent_id
            tries = self._tries.get(key, Tries(session.version, session.digest))
            tries = tries._replace(in_vain=tries.in_vain + 1)
            wait = self._wait(tries.in_vain)
            if reason == "given up":  # by whichever of the two
                tries = Tries(session.version, session.digest, _TRIES_MAX)
                wait = self._config.sync_wait_max
                self._on_end(session.agent_id, session.peer, reason)
            _remember(self._tries, key, tries._replace(until=max(tries.until, now + wait)))

    def _wait(self, times: int) -> float:
        """Seconds until another session, after so many of no use: once may happen."""
        if times < 2:
            return 0.0
        return min(self._config.sync_ask_timeout * 2.0 ** min(times - 2, 64), self._config.sync_wait_max)


def _remember(table: dict[Any, Any], key: Any, value: Any) -> None:
    """Put it last into a table from which the oldest goes."""
    table.pop(key, None)
    table[key] = value
    if len(table) > _REMEMBERED_MAX:
        del table[next(iter(table))]
