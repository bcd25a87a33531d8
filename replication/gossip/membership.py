"""Who else is there: SWIM with Lifeguard, as a core.

Every member probes the others in turn and passes on, in the same messages, what it heard of whom
(Das, Gupta, Motivala, "SWIM", DSN 2002; Dadgar, Phillips, Currey, arXiv 1707.00788). What is held of
members is in `roster`, how claims compare and travel in `claims`, how answers are waited for in
`probes`. Here is what joins them to the driver: messages in and out, links that come and go, the
exchange of everything (push-pull), and a process that was stopped.

Fresh claims also travel in pings of their own, which need no answer, so that a refutation is
faster than the verdict.

Pure: reads no clock, opens nothing. The driver must call `tick` several times in a `probe_timeout`.
"""

from collections.abc import Iterator, Mapping
from math import log2
from random import Random
from typing import Any, NamedTuple

from replication.config import Config
from replication.core import NOTHING, Ready, Send
from replication.gossip.claims import (
    ALIVE,
    DEAD,
    LEFT,
    OPENINGS_MAX,
    STATES,
    SUSPECT,
    first_incarnation,
    opening_of,
    size_of,
)
from replication.gossip.probes import Prober
from replication.gossip.roster import Event, Roster
from replication.gossip.suspicion import LocalHealth
from replication.messages import Claim, Members, Message, NoPong, Ping, PingRequest, Pong
from replication.storage import Note

# Under which the members are kept on disk.
NOTE_KEY = "members"
# Bytes of claims in one message of an exchange; what is more goes into the next.
_TABLE_BYTES = 256 << 10
# Whom fresh claims are sent each time, beside the pings of probes.
_CLAIM_PEERS = 3
# Who hears from the leaving member itself.
_FAREWELLS_MAX = 16
# Clusters above this exchange everything more seldom, by the logarithm.
_PUSH_PULL_MEMBERS = 32


class MemberView(NamedTuple):
    """What this node holds of a member. `incarnation` counts its openings."""

    name: str
    address: str
    state: str
    incarnation: int
    meta: Mapping[str, str]


class Membership:
    """The members of a cluster as one of them sees them.

    `incarnation` is the number of this node's opening; `remembered` is what an earlier opening gave
    in its notes. ValueError if name, address, incarnation or metadata cannot be a member's.
    """

    handles: tuple[type[Message], ...] = (Ping, Pong, PingRequest, NoPong, Members)

    def __init__(
        self,
        name: str,
        address: str,
        incarnation: int,
        config: Config,
        rng: Random,
        meta: Mapping[str, str],
        remembered: bytes | None = None,
    ) -> None:
        if config.probe_timeout >= config.probe_interval:
            raise ValueError(
                f"probe_timeout={config.probe_timeout} must be less than probe_interval={config.probe_interval}: "
                "when a member does not answer, the rest of the interval is for asking others"
            )
        self._config = config
        self._rng = rng
        self._health = LocalHealth(config.local_health_max)
        own = Claim(name, address, ALIVE, first_incarnation(incarnation) + 1, dict(meta), "")
        self._roster = Roster(own, config, self._health, rng)
        self._prober = Prober(self._roster, self._health, config, rng, self._send)
        self._outgoing: list[Send] = []
        self._now: float | None = None
        self._claims_at = self._exchange_at = self._note_at = 0.0
        self._caught_up = False  # whether somebody told everything since this node began or slept
        self._pauses = 0
        self._view_of: dict[str, MemberView] = {}
        self._views: tuple[MemberView, ...] = ()
        if remembered is not None:
            self._roster.restore(remembered)

    # Core

    def peers(self, names: tuple[str, ...], now: float) -> None:
        pass

    def step(self, peer: str, message: Message, now: float) -> None:
        self._pass_to(now)
        present = self._is_reachable(peer)
        match message:
            case Ping():
                self._prober.answer(peer, message, self._hear(message.claims, now))
            case Pong():
                self._hear(message.claims, now)
                self._prober.pong(peer, message.sequence)
            case PingRequest():
                self._hear(message.claims, now)
                self._prober.run_errand(peer, message, now)
            case NoPong():
                self._prober.no_pong(peer, message.sequence)
            case Members():
                self._hear_everything(peer, message, now)
        if not present and self._is_reachable(peer):
            self._tell_everything(peer, reply=True)

    def tick(self, now: float) -> None:
        self._pass_to(now)
        if self._roster.own.state != LEFT:
            self._prober.tick(now)
        if now >= self._claims_at:
            self._claims_at = now + self._config.claim_interval
            self._tell_claims()
            self._roster.forget_gone(now - self._config.dead_kept)
        if now >= self._exchange_at:
            self._exchange_at = now + self._exchange_interval()
            for peer in self._roster.some(1):
                self._tell_everything(peer, reply=True)

    def ready(self) -> Ready:
        note = self._note()
        if not (note or self._outgoing):
            return NOTHING
        send = tuple(self._outgoing)
        self._outgoing.clear()
        return Ready(note, send)

    # Links

    def met(self, peer: str, address: str, incarnation: int, now: float) -> None:
        """A link with a peer was made, and it proved to be of that name; these are from its handshake."""
        self._pass_to(now)
        if not 0 <= incarnation < OPENINGS_MAX:
            self._roster.refused += 1
            return
        if peer == self._roster.own.name:
            self._roster.conflict(address, incarnation)
            return
        present = self._is_reachable(peer)
        self._roster.hear(Claim(peer, address, ALIVE, first_incarnation(incarnation), {}, ""), now)
        if not (present and self._caught_up):
            self._tell_everything(peer, reply=True)

    def lost(self, peer: str, now: float) -> None:
        """The last link with a peer broke. That is a hint, and no verdict: it is probed next."""
        self._pass_to(now)
        if self._is_reachable(peer):
            self._roster.order.hurry(peer)

    def lag(self, seconds: float) -> None:
        """The event loop was late by so much: others that seem slow may not be."""
        if seconds >= self._config.probe_timeout / 2:
            self._health.worsen()

    # Members

    def members(self) -> tuple[MemberView, ...]:
        """Everybody by name, with this node, the dead and the left.

        The same tuple until something changes, and in the next one the same views of all that did not.
        """
        if self._roster.changed_names:
            for name in self._roster.changed_names:
                claim = self._claim_of(name)
                if claim is None:
                    self._view_of.pop(name, None)
                else:
                    self._view_of[name] = _view(claim)
            self._roster.changed_names.clear()
            self._views = tuple([self._view_of[name] for name in self._roster.names()])
        return self._views

    def alive(self) -> tuple[str, ...]:
        """The other members that are not even suspected, by name."""
        return tuple(name for name in self._roster.reachable if name not in self._roster.suspicions)

    def reachable(self) -> tuple[str, ...]:
        """The other members to talk to, by name: those alive and those suspected."""
        return tuple(self._roster.reachable)

    def address_of(self, name: str) -> str | None:
        """Where a member, whatever its state, may be dialled; "" if nowhere, None if it is not known."""
        claim = self._claim_of(name)
        return None if claim is None else claim.address

    def meta_of(self, name: str) -> Mapping[str, str]:
        """What a member, whatever its state, says of itself."""
        claim = self._claim_of(name)
        return {} if claim is None else claim.meta

    def state_of(self, name: str) -> str:
        """One of `STATES`; "" of one that is not known."""
        claim = self._claim_of(name)
        return "" if claim is None else STATES[claim.state]

    def take_events(self) -> tuple[Event, ...]:
        """What became of members since this was last asked."""
        events = tuple(self._roster.events)
        self._roster.events.clear()
        return events

    def remembered(self) -> bytes:
        """What the constructor of a later opening takes."""
        return self._roster.remembered()

    def set_address(self, address: str) -> None:
        """This node is to be dialled elsewhere from now on."""
        own = self._roster.own
        if address != own.address:
            self._roster.speak(own.incarnation + 1, address=address, state=own.state)

    def set_meta(self, meta: Mapping[str, str]) -> None:
        """Something else is to be known of this node from now on."""
        own = self._roster.own
        if meta != own.meta:
            self._roster.speak(own.incarnation + 1, state=own.state, meta=dict(meta))

    def leave(self, now: float) -> None:
        """Tell others that this node goes, so that nobody suspects it. Send what `ready` gives, then go."""
        self._pass_to(now)
        self._roster.speak(0, state=LEFT)
        for peer in self._roster.some(_FAREWELLS_MAX):
            self._send(peer, Ping(0, (self._roster.own,)))

    def forget(self, name: str, now: float) -> None:
        """Hold a dead member for one that left, here and everywhere. It can come back.

        ValueError if there is no dead member of that name.
        """
        held = self._roster.get(name)
        if held is None or held.state != DEAD:
            state = "not a member here" if held is None else STATES[held.state]
            raise ValueError(f"{name!r} is {state}: only a dead member can be forgotten")
        self._roster.dismiss(name, now)

    def retire(self, name: str, opening: int, now: float) -> None:
        """A member will not come back from that opening or an earlier one: hold it for one that left."""
        held = self._roster.get(name)
        if held is not None and held.state != LEFT and opening_of(held.incarnation) <= opening:
            self._roster.dismiss(name, now)

    def rest(self) -> None:
        """There is nobody, and no time passes until somebody comes."""
        self._now = None

    def status(self) -> dict[str, Any]:
        """Counters since this node was opened, and how it is."""
        roster, prober = self._roster, self._prober
        return {
            "members": roster.count,
            "suspects": len(roster.suspicions),
            "gone": len(roster.gone),
            "local_health": self._health.factor,
            "claims_queued": len(roster.queue),
            "probes": prober.probes,
            "probes_failed": prober.failures,
            "suspicions_raised": roster.accusations,
            "suspicions_false": roster.false_accusations,
            "suspicions_refuted": roster.refutations,
            "deaths_declared": roster.deaths,
            "deaths_false": roster.false_deaths,
            "claims_refused": roster.refused,
            "errands_refused": prober.errands_refused,
            "rival_claims": roster.rival_claims,
            "pauses": self._pauses,
        }

    # Hearing

    def _hear(self, claims: tuple[Claim, ...], now: float) -> tuple[str, ...]:
        """Land claims; the names of those that the sender should hear better about."""
        return tuple([claim.name for claim in claims if self._roster.hear(claim, now)])

    def _hear_everything(self, peer: str, message: Members, now: float) -> None:
        self._hear(message.claims, now)
        self._caught_up = True
        if message.reply:
            self._tell_everything(peer, reply=False)

    # Telling

    def _tell_claims(self) -> None:
        for peer in self._roster.some(_CLAIM_PEERS) if len(self._roster.queue) else ():
            claims = self._roster.claims_for(peer)
            if claims:
                self._send(peer, Ping(0, claims))

    def _tell_everything(self, peer: str, reply: bool) -> None:
        parts = list(_parts(self._roster.all()))
        for part in parts[:-1]:
            self._send(peer, Members(False, part))
        self._send(peer, Members(reply, parts[-1]))

    def _exchange_interval(self) -> float:
        if not self._caught_up:
            return self._config.probe_interval
        return self._config.push_pull_interval * max(1.0, 1 + log2(self._roster.count / _PUSH_PULL_MEMBERS))

    def _send(self, peer: str, message: Message) -> None:
        self._outgoing.append(Send(peer, message))

    def _note(self) -> tuple[Note, ...]:
        """What is remembered, if that changed; at most one in each `probe_interval`, since it is all members."""
        if not self._roster.changed or self._now is None or self._now < self._note_at:
            return ()
        self._roster.changed = False
        self._note_at = self._now + self._config.probe_interval
        return (Note(NOTE_KEY, self._roster.remembered()),)

    # Time

    def _pass_to(self, now: float) -> None:
        """Notice when time went by without this node: it was stopped, and must not blame others for it."""
        if self._now is None:
            self._prober.start(now)
            self._exchange_at = now + self._rng.random() * self._config.probe_interval
        elif now - self._now > self._config.probe_timeout:
            self._pauses += 1
            self._health.worsen()
            self._prober.wake(now, now - self._now)
            self._caught_up = False
            self._exchange_at = now + self._config.probe_timeout
        self._now = now

    def _claim_of(self, name: str) -> Claim | None:
        return self._roster.own if name == self._roster.own.name else self._roster.get(name)

    def _is_reachable(self, name: str) -> bool:
        held = self._roster.get(name)
        return held is not None and held.state <= SUSPECT


def _parts(claims: list[Claim]) -> Iterator[tuple[Claim, ...]]:
    """The claims in as few messages as they fit; at least one part."""
    part: list[Claim] = []
    size = 0
    for claim in claims:
        size += size_of(claim)
        if size > _TABLE_BYTES and part:
            yield tuple(part)
            part, size = [], size_of(claim)
        part.append(claim)
    yield tuple(part)


def _view(claim: Claim) -> MemberView:
    return MemberView(claim.name, claim.address, STATES[claim.state], opening_of(claim.incarnation), claim.meta)
