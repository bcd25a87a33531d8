"""Who is a member, and what is held of each: where claims land.

Knows nothing of messages or of when to probe. Everything about other members is the claim of the
highest rank that was heard; about this node it is its own word, and claims that say otherwise are
refuted by one of a higher incarnation (SWIM 4.2).
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import msgpack

from replication.config import Config
from replication.gossip.claims import (
    ALIVE,
    DEAD,
    INCARNATION_MAX,
    LEFT,
    SUSPECT,
    ClaimQueue,
    check_claim,
    first_incarnation,
    opening_of,
    rank,
    size_of,
)
from replication.gossip.suspicion import LocalHealth, Suspicion
from replication.messages import Claim

# Bytes of claims in one message, so that it stays one packet; more only if one claim may be larger.
CLAIMS_BYTES_MAX = 1200
# A claim's bytes besides what is in its metadata: two names, an address, numbers, msgpack's headers.
_CLAIM_BYTES_AROUND = 640
# Events that nobody took; the oldest are lost.
_EVENTS_MAX = 65_536
# Deaths that others declared and this node looks into, at a time; more are heard of again.
_DOUBTS_MAX = 64
# Claims under this node's name from one other address that may still be its own former self's.
_RIVAL_CLAIMS_FORGIVEN = 2
# Such addresses that are told apart.
_RIVALS_MAX = 16


class Event(NamedTuple):
    """What became of a member.

    kind  "joined", "suspected", "alive" (again), "dead", "left", or "conflict": another node uses
          this node's name, at `address`
    """

    kind: str
    name: str
    address: str
    incarnation: int


class Doubt:
    """Somebody says that a member is dead, which is alive as far as this node knows."""

    __slots__ = ("ask_at", "claim", "verdict_at")

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.ask_at = 0.0
        self.verdict_at: float | None = None  # when it is believed; None before the member was asked


class ProbeOrder:
    """Whom to probe next: everybody once a round, in random order, new ones anywhere in it (SWIM 4.3)."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._round: list[str] = []
        self._urgent: dict[str, None] = {}

    def add(self, name: str) -> None:
        """Take in one that is not in it."""
        self._round.insert(self._rng.randrange(len(self._round) + 1), name)

    def remove(self, name: str) -> None:
        self._urgent.pop(name, None)
        if name in self._round:
            self._round.remove(name)

    def hurry(self, name: str) -> None:
        """Probe it before the others."""
        self._urgent[name] = None

    def next(self, reachable: list[str]) -> str | None:
        """None if there is nobody."""
        if self._urgent:
            name = next(iter(self._urgent))
            del self._urgent[name]
            return name
        if not self._round:
            self._round = reachable.copy()
            self._rng.shuffle(self._round)
        return self._round.pop() if self._round else None


class Roster:
    """All members with what is held of them, and what is to be told to others."""

    def __init__(self, own: Claim, config: Config, health: LocalHealth, rng: Random) -> None:
        check_claim(own, config)
        self.own = own
        self.claims_bytes_max = max(CLAIMS_BYTES_MAX, config.meta_bytes_max + _CLAIM_BYTES_AROUND)
        self.queue = ClaimQueue(config.claim_retransmit_factor)
        self.order = ProbeOrder(rng)
        self.suspicions: dict[str, Suspicion] = {}
        self.doubts: dict[str, Doubt] = {}
        self.reachable: list[str] = []  # alive and suspect, by name
        self.gone: dict[str, float] = {}  # dead and left: since when, the earliest first
        self.events: deque[Event] = deque(maxlen=_EVENTS_MAX)
        self.changed = False  # what `remembered` gives
        self.changed_names = {own.name}  # of whom something else is held; emptied by who takes note
        self.refused = self.accusations = self.false_accusations = self.deaths = self.false_deaths = 0
        self.refutations = self.rival_claims = 0
        self._rivals: dict[str, int] = {}  # claims under this name by address
        self._held: dict[str, Claim] = {}
        self._names: list[str] = [own.name]  # of all, in order
        self._config = config
        self._health = health
        self._rng = rng
        self.queue.put(own)

    # What is held

    def get(self, name: str) -> Claim | None:
        """What is held of another member."""
        return self._held.get(name)

    def all(self) -> list[Claim]:
        """Every member, this one included, in no order of meaning."""
        return [self.own, *self._held.values()]

    def names(self) -> tuple[str, ...]:
        """Of every member, this one included, in order."""
        return tuple(self._names)

    def is_dead(self, name: str) -> bool:
        """Whether a member is held for dead, and has not left."""
        held = self._held.get(name)
        return held is not None and held.state == DEAD

    @property
    def count(self) -> int:
        """Members that take part, this one included."""
        return len(self.reachable) + 1

    def some(self, count: int) -> list[str]:
        """Up to so many of the others that take part, at random."""
        return self._rng.sample(self.reachable, min(count, len(self.reachable)))

    def remembered(self) -> bytes:
        """What a later opening should know: name, address and opening of all that have not left."""
        kept = sorted(claim for claim in self._held.values() if claim.state != LEFT)
        packed: bytes = msgpack.packb([(claim.name, claim.address, opening_of(claim.incarnation)) for claim in kept])
        return packed

    def restore(self, remembered: bytes) -> None:
        """Take what `remembered` gave in an earlier opening; entries that cannot be are counted as refused."""
        try:
            entries = msgpack.unpackb(remembered, use_list=False)
            claims = [Claim(n, a, ALIVE, first_incarnation(o), {}, "") for n, a, o in entries]
        except Exception:  # only a hint: the node finds the others by its seeds
            self.refused += 1
            return
        for claim in claims:
            if self._acceptable(claim) and claim.name != self.own.name:
                self._take(claim, 0.0, news=False)
        self.changed = False

    # What is heard

    def hear(self, claim: Claim, now: float) -> bool:
        """Land a claim. True if its sender knows less than this node and should be told."""
        held = self._held.get(claim.name)
        if claim == held and claim.state != SUSPECT:
            return False  # most of what is heard, by far
        if held is not None and rank(claim) < rank(held):
            return True
        if not self._acceptable(claim):
            return False
        if claim.name == self.own.name:
            return self._hear_of_self(claim)
        if held is None:
            # The dead are not news to those who never knew them; else they would be remembered for ever.
            if claim.state < DEAD:
                self._take(claim, now)
        elif rank(claim) == rank(held):
            if claim.state == SUSPECT:
                self._confirm(claim.name, claim.by)
        elif claim.state == DEAD and held.state < DEAD:
            # It may be hours old, from the other side of a partition: the member is asked first.
            self._doubt(claim)
        else:
            self._take(claim, now)
        return False

    def accuse(self, name: str, now: float) -> None:
        """This node found out by itself that the member does not answer."""
        held = self._held.get(name)
        if held is None or held.state > SUSPECT:
            return
        self.accusations += 1
        if held.state == SUSPECT:
            self._confirm(name, self.own.name)
        else:
            self._take(held._replace(state=SUSPECT, by=self.own.name), now)

    def bury(self, name: str, now: float) -> None:
        """A suspect did not speak up in time."""
        self.deaths += 1
        self._take(self._held[name]._replace(state=DEAD, by=self.own.name), now)

    def believe(self, name: str, now: float) -> None:
        """One whose death was doubted did not speak up."""
        self._take(self.doubts.pop(name).claim, now)

    def dismiss(self, name: str, now: float) -> None:
        """Hold a dead member for one that left, and tell all."""
        self._take(self._held[name]._replace(state=LEFT, by=""), now)

    def forget_gone(self, before: float) -> None:
        """Forget those that are gone since earlier than `before`."""
        while self.gone and next(iter(self.gone.values())) < before:
            self._forget(next(iter(self.gone)))

    def conflict(self, address: str, opening: int) -> None:
        """Another node goes by this node's name."""
        self.events.append(Event("conflict", self.own.name, address, opening))

    # What is said

    def speak(
        self,
        incarnation: int,
        *,
        address: str | None = None,
        state: int = ALIVE,
        meta: dict[str, str] | None = None,
    ) -> None:
        """Say of this node, at an incarnation or a higher one, what holds now."""
        own = self.own
        self.own = own._replace(
            incarnation=min(max(own.incarnation, incarnation), INCARNATION_MAX - 1),
            address=own.address if address is None else address,
            state=state,
            meta=own.meta if meta is None else meta,
        )
        self.changed_names.add(own.name)
        self.queue.put(self.own)

    def claims_for(self, peer: str, owed: tuple[str, ...] = ()) -> tuple[Claim, ...]:
        """What a message to `peer` should carry, within `claims_bytes_max`.

        First what is held against itself, so that it can refute (Lifeguard's buddy system), then what
        it is behind in, then what is fresh.
        """
        chosen: dict[str, Claim] = {}
        room = self.claims_bytes_max
        for claim in self._first_for(peer, owed):
            size = size_of(claim)
            if claim.name not in chosen and size <= room:
                chosen[claim.name] = claim
                room -= size
        return (*chosen.values(), *self.queue.take(room, self.count, (peer, *chosen)))

    # How it is kept

    def _first_for(self, peer: str, owed: tuple[str, ...]) -> Iterator[Claim]:
        if peer in self.doubts:
            yield self.doubts[peer].claim
        elif peer in self._held and self._held[peer].state != ALIVE:
            yield self._held[peer]
        for name in owed:
            claim = self.own if name == self.own.name else self._held.get(name)
            if claim is not None:
                yield claim

    def _acceptable(self, claim: Claim) -> bool:
        try:
            check_claim(claim, self._config)
        except (TypeError, ValueError, AttributeError):
            self.refused += 1
            return False
        return True

    def _hear_of_self(self, claim: Claim) -> bool:
        own = self.own
        if own.state == LEFT or rank(claim) < rank(own):
            return rank(claim) < rank(own)
        same = claim.address == own.address and claim.meta == own.meta
        if same and rank(claim) == rank(own):
            return False
        if not same:
            self._rivalled(claim)
        if claim.state in (SUSPECT, DEAD):
            self.refutations += 1
            self._health.worsen()
        self.speak(claim.incarnation + 1)
        return True

    def _rivalled(self, claim: Claim) -> None:
        # A node whose incarnation did not rise meets claims of its former self, but outbids them for good.
        self.rival_claims += 1
        count = self._rivals.get(claim.address, 0) + 1
        if count > 1 or len(self._rivals) < _RIVALS_MAX:
            self._rivals[claim.address] = count
        if count == _RIVAL_CLAIMS_FORGIVEN + 1:
            self.conflict(claim.address, opening_of(claim.incarnation))

    def _doubt(self, claim: Claim) -> None:
        doubt = self.doubts.get(claim.name)
        if len(self.doubts) < _DOUBTS_MAX if doubt is None else rank(claim) > rank(doubt.claim):
            self.doubts[claim.name] = Doubt(claim)

    def _confirm(self, name: str, accuser: str) -> None:
        if self.suspicions[name].confirm(accuser):
            self.queue.put(self._held[name]._replace(by=accuser))

    def _take(self, claim: Claim, now: float, *, news: bool = True) -> None:
        name, held = claim.name, self._held.get(claim.name)
        if held is None and not self._make_room():
            self.refused += 1
            return
        if held is None:
            insort(self._names, name)
        self._held[name] = claim
        self.changed_names.add(name)
        self._index(claim, now)
        if news:
            self.queue.put(claim)
        if held is not None and held.state in (SUSPECT, DEAD) and claim.state == ALIVE:
            self._exonerated(held, claim)
        self._tell(held, claim)
        if held is None or _remembered_as(held) != _remembered_as(claim):
            self.changed = True

    def _make_room(self) -> bool:
        if len(self._held) + 1 >= self._config.members_max and self.gone:
            self._forget(next(iter(self.gone)))
        return len(self._held) + 1 < self._config.members_max

    def _index(self, claim: Claim, now: float) -> None:
        name = claim.name
        self.suspicions.pop(name, None)
        self.gone.pop(name, None)
        if name in self.doubts and rank(claim) >= rank(self.doubts[name].claim):
            del self.doubts[name]
        place = bisect_left(self.reachable, name)
        listed = place < len(self.reachable) and self.reachable[place] == name
        if claim.state in (DEAD, LEFT):
            self.gone[name] = now
            if listed:
                del self.reachable[place]
                self.order.remove(name)
            return
        if not listed:
            insort(self.reachable, name)
            self.order.add(name)
        if claim.state == SUSPECT:
            self.suspicions[name] = Suspicion(claim.by, now, self.count, self._config)

    def _forget(self, name: str) -> None:
        self.changed = self.changed or self._held[name].state != LEFT
        self.changed_names.add(name)
        del self._held[name], self.gone[name], self._names[bisect_left(self._names, name)]
        self.doubts.pop(name, None)
        self.queue.drop(name)

    def _exonerated(self, held: Claim, claim: Claim) -> None:
        """Count what was wrong: a later opening may well have been dead before."""
        if opening_of(held.incarnation) == opening_of(claim.incarnation) and held.by == self.own.name:
            self.false_accusations += held.state == SUSPECT
            self.false_deaths += held.state == DEAD

    def _tell(self, held: Claim | None, claim: Claim) -> None:
        before = LEFT if held is None else held.state
        if claim.state == before:
            return
        if claim.state == ALIVE:
            kind = "joined" if before == LEFT else "alive"
        else:
            kind = ("suspected", "dead", "left")[claim.state - SUSPECT]
        self.events.append(Event(kind, claim.name, claim.address, opening_of(claim.incarnation)))


def _remembered_as(claim: Claim) -> tuple[str, int, bool]:
    return claim.address, opening_of(claim.incarnation), claim.state == LEFT
