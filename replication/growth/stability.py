"""Bounded growth: when what removals and old writers left behind may go, as a core.

An agent's cut is causally stable when every node holds it and whoever may purge holds all that any of them wrote
before (Wuu and Bernstein, 1984; Baquero, Almeida and Shoker, 2017). Nothing that nodes tell each other on the
way says so for sure, so it is asked for: now and then, for the agents that have much to drop.

- The first node by name asks all others that have not left how far they are (`Poll`). Each answers with the version
  that its disk holds, and the name under which it writes from now on (`Standings`). A stored version is a whole
  state the node was in, so whatever it writes later, even after a crash, it writes knowing all of that.
- The cut is what all have stored. It is stable if the asker holds every answer whole.
- Who answers promises to wait with what comes from anybody who is not asked until he is as far (`promises`), and does
  not answer while it sees somebody of whom the asker does not know.
- Former incarnations of those that answered, if the answer knows all of them, and the writers of nodes gone for
  long, are retired.

The purge itself is a change of the asker's, carried like any other. Two that ask at the same time both keep
to the rule, and purges commute. A poll is not repeated: if an answer is missing, the next look asks again.

Pure. Knows nothing of states: `Growth` measures and purges.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, NamedTuple, Protocol

from crdt import DecodeError, VersionVector
from replication.config import Config
from replication.core import NOTHING, Ready, Send
from replication.growth.absences import Waits
from replication.growth.promises import Promises
from replication.identity import node_of
from replication.messages import Message, Poll, Standing, Standings

# Agents that are measured in one tick, so that nothing else waits long.
_MEASURED_AT_ONCE = 16
# One of which so much would go was long to measure: the others' turn comes in the next tick.
_MUCH = 1000


class Answer(NamedTuple):
    """How far a node is in an agent, as in `messages.Standing`."""

    writer: str
    stored: VersionVector
    held: VersionVector


class Purge(NamedTuple):
    """What may go: removals below the cut, and these writers, with the counts of their events."""

    cut: VersionVector
    retired: VersionVector


Decide = Callable[[str, VersionVector, VersionVector], Purge | None]
# Told who answered, in which round, of which agent, and what it holds of that.
Heard = Callable[[str, int, str, VersionVector], None]


class Growth(Protocol):
    """The agents of this node."""

    def take_changed(self) -> list[str]:
        """The agents that changed since this was last asked."""

    def excess(self, agent_id: str, gone: frozenset[str]) -> int | None:
        """How much would go if all that is held were stable and `gone` were gone for good; None if busy."""

    def standing(self, agent_id: str) -> Standing | None:
        """How far this node is; None if that cannot be told at this moment."""

    def purge(self, agent_id: str, decide: Decide, carried: bool) -> bool | None:
        """Ask `decide` with the own writer, the version held and the one stored, and do so; whether anything went.

        None if it is worth another try: it is busy, or somebody is not as far yet.
        """


class _Round:
    """A poll on its way: whom it was sent to, and what they answered of which agent."""

    def __init__(self, number: int, asked: tuple[str, ...], agents: tuple[str, ...], until: float) -> None:
        self.number = number
        self.asked = asked
        self.until = until
        self.answers: dict[str, dict[str, Answer]] = {agent_id: {} for agent_id in agents}
        self.heard: set[str] = set()


class Stability:
    """The core. `waits` says whom to wait for, at a time; `heard` is told what is answered to `ask`."""

    handles: tuple[type[Message], ...] = (Poll, Standings)

    def __init__(
        self,
        name: str,
        growth: Growth,
        promises: Promises,
        config: Config,
        first_round: int,
        waits: Callable[[float], Waits],
        heard: Heard = lambda peer, number, agent_id, held: None,
    ) -> None:
        self._heard = heard
        self._name = name
        self._promises = promises
        self._reachable: tuple[str, ...] = ()
        self._growth = growth
        self._config = config
        self._waits = waits
        self._number = first_round
        self._look_at: float | None = None
        self._changed: dict[str, None] = {}
        self._due: dict[str, None] = {}
        self._again: dict[str, None] = {}  # due, but not before the next look
        self._round: _Round | None = None
        self._send: list[Send] = []
        self._absent: tuple[str, ...] = ()
        self._gone: frozenset[str] = frozenset()
        self.counts = dict.fromkeys(("polls", "purges", "measured", "unanswered", "answered"), 0)

    @property
    def is_busy(self) -> bool:
        """Whether there is more to do than wait for the next look."""
        return bool(self._changed)

    def peers(self, names: tuple[str, ...], now: float) -> None:
        self._reachable = names
        self._promises.peers(names, now)

    def tick(self, now: float) -> None:
        self._promises.tick(now)
        if self._look_at is None:
            self._look_at = now + self._config.purge_interval
        if now >= self._look_at:
            self._look_at = now + self._config.purge_interval
            self._look(now)
        if self._changed:
            self._measure(now)
        if self._round is not None and now >= self._round.until:
            self.counts["unanswered"] += 1
            self._again.update(dict.fromkeys(self._round.answers))
            self._round = None

    def step(self, peer: str, message: Message, now: float) -> None:
        if isinstance(message, Poll):
            self._answer(peer, message)
        elif isinstance(message, Standings):
            self._hear(peer, message, now)

    def ready(self) -> Ready:
        if not self._send:
            return NOTHING
        send, self._send = tuple(self._send), []
        return Ready(persist=self._promises.take_notes(), send=send)

    def status(self) -> dict[str, Any]:
        return {**self.counts, "due": len(self._due) + len(self._again), "waits_for": list(self._absent)}

    def ask(self, agents: tuple[str, ...]) -> int:
        """Ask everybody what he holds of these, whatever for; the number of the round."""
        self._number += 1
        self._send += [Send(peer, Poll(self._number, agents, ())) for peer in self._reachable]
        return self._number

    # Looking

    def _look(self, now: float) -> None:
        changed = self._growth.take_changed()
        waits = self._waits(now)
        self._absent, self._gone = waits.absent, waits.gone
        if waits.ask and self._name > min(waits.ask):
            # Another asks; should it go, what grows from then on is seen here.
            self._changed.clear()
            self._due.clear()
            self._again.clear()
            return
        self._changed.update(dict.fromkeys(changed))
        self._due.update(self._again)
        self._again.clear()
        self._bound(self._changed)
        self._bound(self._due)
        self._ask(now)

    def _measure(self, now: float) -> None:
        for agent_id in list(islice(self._changed, _MEASURED_AT_ONCE)):
            del self._changed[agent_id]
            excess = self._growth.excess(agent_id, self._gone)
            self.counts["measured"] += 1
            if excess is None or excess >= self._config.purge_min:
                self._due[agent_id] = None
            if excess is not None and excess >= _MUCH:
                break
        self._bound(self._due)
        if not self._changed:
            self._ask(now)

    def _bound(self, agents: dict[str, None]) -> None:
        while len(agents) > self._config.purge_queue_max:
            del agents[next(iter(agents))]

    # Asking

    def _ask(self, now: float) -> None:
        if self._round is not None or not self._due:
            return
        waits = self._waits(now)
        self._absent = waits.absent
        if waits.absent:
            return
        agents = tuple(islice(self._due, self._config.sync_loads_max))
        for agent_id in agents:
            del self._due[agent_id]
        self._number += 1
        self._round = _Round(self._number, waits.ask, agents, now + self._config.ack_timeout_max)
        if not waits.ask:
            self._conclude(now)
            return
        self.counts["polls"] += 1
        among = (self._name, *waits.ask)
        self._send += [Send(peer, Poll(self._number, agents, among)) for peer in waits.ask]

    def _answer(self, peer: str, poll: Poll) -> None:
        standings: list[Standing] = []
        size = 0
        # Who has come back to this node, and not to the asker yet, may tell it anything.
        is_complete = not poll.among or set(self._reachable) <= set(poll.among)
        for agent_id in poll.agents[: self._config.sync_loads_max] if is_complete else ():
            standing = self._growth.standing(agent_id)
            if standing is not None and size < self._config.sync_message_bytes:
                size += len(agent_id) + len(standing.stored) + len(standing.held) + len(standing.writer)
                standings.append(standing)
                if standing.stored and poll.among:
                    self._promises.make(agent_id, VersionVector.from_bytes(standing.stored))
        self.counts["answered"] += 1
        self._send.append(Send(peer, Standings(poll.round, tuple(standings))))

    def _hear(self, peer: str, message: Standings, now: float) -> None:
        round = self._round
        if round is not None and (message.round != round.number or peer not in round.asked):
            round = None
        for standing in message.standings:
            try:
                stored = VersionVector.from_bytes(standing.stored) if standing.stored else VersionVector()
                held = VersionVector.from_bytes(standing.held) if standing.held else stored
            except DecodeError:
                continue
            if round is None:
                self._heard(peer, message.round, standing.agent_id, held)
            elif standing.agent_id in round.answers:
                round.answers[standing.agent_id][peer] = Answer(standing.writer, stored, held)
        if round is not None:
            round.heard.add(peer)
            if len(round.heard) == len(round.asked):
                self._conclude(now)

    def _conclude(self, now: float) -> None:
        """Everybody has answered: purge what can be."""
        round, self._round = self._round, None
        assert round is not None
        waits = self._waits(now)
        if waits.absent or not set(waits.ask) <= set(round.asked):
            self._again.update(dict.fromkeys(round.answers))
            return  # somebody came or went meanwhile
        for agent_id, answers in round.answers.items():
            if len(answers) < len(round.asked):
                self._again[agent_id] = None
                continue

            def decide(
                writer: str, held: VersionVector, stored: VersionVector, answers: dict[str, Answer] = answers
            ) -> Purge | None:
                return decide_purge(self._name, writer, held, stored, answers, waits.gone)

            done = self._growth.purge(agent_id, decide, bool(round.asked))
            if done is None:
                self._again[agent_id] = None
            elif done:
                self.counts["purges"] += 1
        self._ask(now)


def decide_purge(
    name: str,
    writer: str,
    held: VersionVector,
    stored: VersionVector,
    answers: Mapping[str, Answer],
    gone: frozenset[str],
) -> Purge | None:
    """What may go, given what everybody answered; None if somebody has what this node has not.

    `name` and `writer` are this node's, `held` is what it has in memory: a purge is written together with that.
    The own disk is one more who must have what is cut, for it gets the purge as a delta like everybody else.
    """
    # What is held may have dropped a name since: with everything that was known of it.
    cut = VersionVector({each: min(count, held.get(each, 0)) for each, count in stored.items()})
    current = {name: writer, **{peer: answer.writer for peer, answer in answers.items()}}
    for answer in answers.values():
        if not answer.stored <= held or _has_strangers(answer.held, held, current):
            return None
        cut = VersionVector({each: min(count, answer.stored.get(each, 0)) for each, count in cut.items()})
    retired = {}
    for each, count in held.items():
        node = node_of(each)
        if node not in current:
            is_former = node in gone
        else:
            # Who writes under a name that the answer does not know has been restarted since: it is the current one.
            knew = held if node == name else answers[node].held
            is_former = current[node] != each and knew.get(each, 0) >= count
        # What is on its way to somebody's disk must not come too late.
        if is_former and all(answer.held.get(each, 0) <= count for answer in answers.values()):
            retired[each] = count
    return Purge(cut, VersionVector(retired))


def _has_strangers(theirs: VersionVector, held: VersionVector, current: Mapping[str, str]) -> bool:
    """Whether somebody has, on its way to his disk, what a node that was not asked wrote, and is not held here."""
    return any(count > held.get(each, 0) and node_of(each) not in current for each, count in theirs.items())
