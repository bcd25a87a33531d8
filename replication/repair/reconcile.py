"""Two nodes make one agent equal again whose versions agree and whose digests do not.

What versions cannot tell (a writer's name that lived twice, a restored backup, bad memory) the entries
can: the initiator streams coded symbols of its entries, the responder finds the difference from about
1.5 symbols per difference, and each sends the other what it lacks (crdt.repair). One round trip if the
first batch is large enough; else the responder asks for more, each time as many as it has had. When
symbols would cost more than the entries themselves, all entries are sent instead.

    initiator                           responder
      Offer(key, version, symbols) ->
                                      <- More(number)                  not enough yet
      Cells(symbols) ->
                                      <- Answer(entries, wanted)       what you lack; what I lack
      Repairs(entries) ->

Pure: messages in, messages out; whoever calls holds the agent's lock, brings the randomness, and drops
a session whose peer is silent. Knows nothing of agents' names, links or time. A lost message loses the
session and nothing else: the next round of anti-entropy begins another.

States that still change may be repaired: what is compared is the state of the moment in which the
session began, on both sides of one version.
"""

from __future__ import annotations

from math import isqrt
from typing import NamedTuple

from crdt import DecodeError, VersionVector
from crdt.document import Replicated
from crdt.repair import HASH_BYTES, KEY_BYTES, SYMBOLS_MAX, Sketch, entries, repair, symbols_end

# What a first batch finds at once: 200 differences, as 100 changed entries make them, in 2.8 kB.
EXPECTED_DIFFERENCES = 200
SYMBOLS_MIN = 8
# Fewer symbols than this are always tried; beyond, at most one symbol per this many entries.
SYMBOLS_TRIED_MIN = 1024
ENTRIES_PER_SYMBOL = 2


class Offer(NamedTuple):
    """Symbols of the initiator's entries, hashed under `key`, at `version`.

    `takes_version`: the versions may differ, and each side takes over the other's with its entries. For
    states that refuse each other's deltas; what one side has removed may then come back.
    """

    key: bytes
    version: VersionVector
    symbols: bytes
    takes_version: bool = False


class More(NamedTuple):
    """The next so many symbols, please."""

    number: int


class Cells(NamedTuple):
    """The next symbols."""

    symbols: bytes


class Answer(NamedTuple):
    """Entries that the initiator lacks, and hashes of those that the responder lacks (None: send all)."""

    entries: bytes
    wanted: tuple[int, ...] | None


class Repairs(NamedTuple):
    """Entries that the responder lacks. The end."""

    entries: bytes


class Stale(NamedTuple):
    """The versions differ: exchange deltas first. The end."""


Message = Offer | More | Cells | Answer | Repairs | Stale


def symbols_for(differences: int) -> int:
    """How many symbols tell so many differences at once, in 99 of 100 cases."""
    return max(SYMBOLS_MIN, (7 * differences) // 5 + 5 * isqrt(max(0, differences)))


def symbols_tried_max(entries_held: int) -> int:
    """After so many symbols it is cheaper to send all entries."""
    return min(SYMBOLS_MAX, max(SYMBOLS_TRIED_MIN, entries_held // ENTRIES_PER_SYMBOL))


class Initiator:
    """The side that found the digests to differ. `key`: 16 random bytes, never used before."""

    def __init__(
        self,
        state: Replicated,
        key: bytes,
        *,
        expected: int = EXPECTED_DIFFERENCES,
        takes_version: bool = False,
    ) -> None:
        self._sketch = Sketch(state, key)
        self._key = key
        self._takes_version = takes_version
        # How many symbols the other side was given, once the offer is made.
        self.sent = min(symbols_for(expected), SYMBOLS_MAX)
        self.is_over = False
        self.changed = False

    def offer(self) -> Offer:
        """The message that begins the session. O(entries)."""
        symbols = self._sketch.symbols(0, self.sent)
        return Offer(self._key, self._sketch.version, symbols, self._takes_version)

    def step(self, state: Replicated, message: Message) -> Message | None:
        """What to answer; None: nothing, it is over.

        `DecodeError`: the peer is not speaking of this session; nothing was changed, and it is over.
        """
        if self.is_over:
            return None
        self.is_over = True
        match message:
            case More(number=count):
                # The other side gives up at its own limit, so one that asks for more than we both hold is lying.
                if not 0 < count <= self.sent or self.sent + count > SYMBOLS_MAX:
                    raise DecodeError(f"reconcile: the peer asks for {count} symbols after {self.sent}")
                symbols = self._sketch.symbols(self.sent, count)
                self.sent += count
                self.is_over = False
                return Cells(symbols)
            case Answer(entries=data, wanted=wanted):
                if wanted is not None and not all(type(h) is int and 0 <= h < 1 << 8 * HASH_BYTES for h in wanted):
                    raise DecodeError("reconcile: the peer wants what is no entry's hash")
                version = self._sketch.version if self._takes_version else None
                reply = entries(state, self._key, wanted, version) if wanted is None or wanted else None
                self.changed = repair(state, data)
                return None if reply is None else Repairs(reply)
            case Stale():
                return None
            case _:
                raise DecodeError(f"reconcile: a {type(message).__name__} is not for the initiator")


class Responder:
    """The other side; made by the `Offer`. `DecodeError`: that makes no sense."""

    def __init__(self, state: Replicated, offer: Offer) -> None:
        if type(offer.key) is not bytes or len(offer.key) != KEY_BYTES:
            raise DecodeError(f"reconcile: a session's key is {KEY_BYTES} bytes")
        self._offer = offer
        self._sketch: Sketch | None = None
        self._batches: list[bytes] = [offer.symbols]
        self.is_over = False
        self.changed = False
        if offer.takes_version or state.version == offer.version:
            self._sketch = Sketch(state, offer.key)

    @property
    def received(self) -> int:
        """How many symbols have come."""
        return symbols_end(self._batches[-1])

    def answer(self, state: Replicated) -> Message:
        """The reply to the symbols so far. O(entries)."""
        if self._sketch is None:
            self.is_over = True
            return Stale()
        try:
            found = self._sketch.difference(*self._batches)
        except DecodeError:
            self.is_over = True
            raise
        version = self._sketch.version if self._offer.takes_version else None
        if found is not None:
            mine, theirs = found
            self.is_over = not theirs  # then nothing more will come
            return Answer(entries(state, self._offer.key, mine, version), tuple(theirs))
        if 2 * self.received > symbols_tried_max(len(self._sketch)):
            return Answer(entries(state, self._offer.key, None, version), None)
        return More(self.received)

    def step(self, state: Replicated, message: Message) -> Message | None:
        """What to answer; None: nothing, it is over. `DecodeError` as for the initiator."""
        if self.is_over:
            return None
        match message:
            case Cells(symbols=symbols):
                self._batches.append(symbols)
                return self.answer(state)
            case Repairs(entries=data):
                self.is_over = True
                self.changed = repair(state, data)
                return None
            case _:
                self.is_over = True
                raise DecodeError(f"reconcile: a {type(message).__name__} is not for the responder")
