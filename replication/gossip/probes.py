"""Finding out who answers: probes, probes for others, and the last words of suspects.

The probe of SWIM 3.1 and 4.3: one member an interval, directly, then through a few others, who say
so if they get no answer either (Lifeguard's nack); without those, the fault may be here. Three
things are added to it, all for links that lose messages:

- the second ping of a probe goes to the target too, not only through others;
- a suspect is pinged, by some in large clusters, until it is dead or has refuted; a ping to it says
  that it is suspected, and a pong from it says that it is not dead;
- nobody is held for dead without having been asked for a last word, also when others say so.

Knows nothing of links, addresses or who is told; reads and changes the roster.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from replication.config import Config
from replication.gossip.roster import Roster
from replication.gossip.suspicion import LocalHealth
from replication.messages import Message, NoPong, Ping, PingRequest, Pong

# Probes for others at a time; requests beyond are not served.
_ERRANDS_MAX = 1024
# How many members ask a suspect in each `probe_timeout`, about.
_ASKERS = 16
# Every so many probe intervals a dead member is pinged too: the other half of a partition comes back
# that way. A node that is alone has nothing else to do.
_INTERVALS_TO_THE_DEAD = 5
# The part of `probe_timeout` after which the one who asked for a probe hears that there is no answer.
_PATIENCE = 0.8


class _Probe:
    """One member, waited for."""

    __slots__ = ("again_at", "answers", "ends_at", "helpers", "incarnation", "target")

    def __init__(self, target: str, incarnation: int, again_at: float, ends_at: float) -> None:
        self.target = target
        self.incarnation = incarnation
        self.again_at: float | None = again_at
        self.ends_at = ends_at
        self.helpers: tuple[str, ...] = ()
        self.answers: list[str] = []  # helpers that said they got no answer


class _Errand(NamedTuple):
    """A probe for another member."""

    requester: str
    sequence: int
    target: str
    ends_at: float


class Prober:
    """Runs the probes of one node. `send` takes a peer and a message."""

    def __init__(
        self, roster: Roster, health: LocalHealth, config: Config, rng: Random, send: Callable[[str, Message], None]
    ) -> None:
        self._roster = roster
        self._health = health
        self._config = config
        self._rng = rng
        self._send = send
        # Not from 0: pongs for an earlier opening of this node must not fit.
        self._sequence = 1 + rng.getrandbits(32)
        self._probes: dict[int, _Probe] = {}
        self._errands: dict[int, _Errand] = {}
        self._next_at = self._knock_at = 0.0
        self.probes = self.failures = self.errands_refused = 0

    def start(self, now: float) -> None:
        # Nodes that start together should not probe together.
        self._next_at = self._knock_at = now + self._rng.random() * self._config.probe_interval

    def wake(self, now: float, slept: float) -> None:
        """This node was asleep: whoever did not answer may have done so meanwhile."""
        self._probes.clear()
        self._errands.clear()
        self._roster.doubts.clear()
        self._next_at = max(self._next_at, now + self._config.probe_timeout)
        for suspicion in self._roster.suspicions.values():
            suspicion.extend(slept)

    # Messages

    def answer(self, peer: str, ping: Ping, owed: tuple[str, ...]) -> None:
        if ping.sequence:
            self._send(peer, Pong(ping.sequence, self._roster.claims_for(peer, owed)))

    def pong(self, peer: str, sequence: int) -> None:
        errand = self._errands.get(sequence)
        if errand is not None and errand.target == peer:
            del self._errands[sequence]
            self._send(errand.requester, Pong(errand.sequence, self._roster.claims_for(errand.requester)))
        probe = self._probes.get(sequence)
        if probe is not None and (peer == probe.target or peer in probe.helpers):
            del self._probes[sequence]
            self._health.improve()

    def no_pong(self, peer: str, sequence: int) -> None:
        probe = self._probes.get(sequence)
        if probe is not None and peer in probe.helpers and peer not in probe.answers:
            probe.answers.append(peer)

    def run_errand(self, peer: str, request: PingRequest, now: float) -> None:
        if request.target == self._roster.own.name:
            self._send(peer, Pong(request.sequence, self._roster.claims_for(peer)))
        elif self._roster.get(request.target) is None:
            self._send(peer, NoPong(request.sequence))
        elif len(self._errands) >= _ERRANDS_MAX:
            self.errands_refused += 1
        else:
            ends_at = now + self._config.probe_timeout * _PATIENCE
            sequence = self._ping(request.target)
            self._errands[sequence] = _Errand(peer, request.sequence, request.target, ends_at)

    # Time

    def tick(self, now: float) -> None:
        for sequence, errand in list(self._errands.items()):
            if now >= errand.ends_at:
                del self._errands[sequence]
                self._send(errand.requester, NoPong(errand.sequence))
        for sequence, probe in list(self._probes.items()):
            if now >= probe.ends_at:
                del self._probes[sequence]
                self._failed(probe, now)
            elif probe.again_at is not None and now >= probe.again_at:
                probe.again_at = None
                self._ask_helpers(sequence, probe)
        if self._roster.suspicions:
            self._hear_suspects(now)
        if self._roster.doubts:
            self._hear_doubted(now)
        if now >= self._next_at:
            self._next_at = now + self._config.probe_interval * self._health.factor
            self._probe(now)
        if now >= self._knock_at:
            self._knock_at = now + self._config.probe_interval * (
                _INTERVALS_TO_THE_DEAD if self._roster.reachable else 1
            )
            self._knock()

    def _probe(self, now: float) -> None:
        name = self._roster.order.next(self._roster.reachable)
        held = None if name is None else self._roster.get(name)
        if name is None or held is None:
            return
        self.probes += 1
        factor = self._health.factor
        sequence = self._ping(name)
        self._probes[sequence] = _Probe(
            name,
            held.incarnation,
            now + self._config.probe_timeout * factor,
            now + self._config.probe_interval * factor,
        )

    def _ask_helpers(self, sequence: int, probe: _Probe) -> None:
        others = [name for name in self._roster.some(self._config.indirect_probes + 1) if name != probe.target]
        probe.helpers = tuple(others[: self._config.indirect_probes])
        for helper in probe.helpers:
            claims = self._roster.claims_for(helper)
            self._send(helper, PingRequest(sequence, probe.target, claims))
        self._send(probe.target, Ping(sequence, self._roster.claims_for(probe.target)))

    def _failed(self, probe: _Probe, now: float) -> None:
        self.failures += 1
        # Helpers that said nothing at all: either all of them are gone, or this node does not hear well.
        self._health.worsen(len(probe.helpers) - len(probe.answers) if probe.helpers else 1)
        held = self._roster.get(probe.target)
        if held is not None and held.incarnation == probe.incarnation:
            self._roster.accuse(probe.target, now)

    def _hear_suspects(self, now: float) -> None:
        timeout = self._config.probe_timeout
        for name, suspicion in list(self._roster.suspicions.items()):
            if suspicion.verdict_at is not None:
                if now >= suspicion.verdict_at:
                    self._roster.bury(name, now)
            elif now >= suspicion.ends_at:
                suspicion.verdict_at = now + timeout * self._health.factor
                self._ping(name)
            elif now >= suspicion.ask_at:
                suspicion.ask_at = now + timeout
                if self._rng.random() * self._roster.count < _ASKERS:
                    self._ping(name)

    def _hear_doubted(self, now: float) -> None:
        for name, doubt in list(self._roster.doubts.items()):
            if doubt.verdict_at is None:
                doubt.verdict_at = now + self._config.probe_interval * self._health.factor
            elif now >= doubt.verdict_at:
                self._roster.believe(name, now)
                continue
            if now >= doubt.ask_at:
                doubt.ask_at = now + self._config.probe_timeout
                self._ping(name)

    def _knock(self) -> None:
        dead = [name for name in self._roster.gone if self._roster.is_dead(name)]
        if dead:
            self._ping(self._rng.choice(dead))

    def _ping(self, name: str) -> int:
        self._sequence += 1
        self._send(name, Ping(self._sequence, self._roster.claims_for(name)))
        return self._sequence
