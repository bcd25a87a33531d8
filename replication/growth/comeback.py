"""Two states of one agent that cannot be merged any more, since one was purged without the other: one gives way.

It is rebased onto the other (`Replicated.rebase`): what it alone had is written again on top, under a new writer's
name. Which of the two gives way, and whose events it writes again, must come to the same on every node
that holds one of the two, without asking:

- The one that does not hold what was purged gives way; if each lacks what the other has purged, the one that holds
  nothing alone, else the one that has purged less; and of histories that have nothing in common (two groups that met
  late), the smaller.
- Each node writes its own events again, of all its incarnations: two nodes that were away together hold
  the same events, and what both wrote again would be there twice. Events of nodes that cannot be reached are taken
  along by the first, by name, of the nodes present that have events to write again.
- Nobody writes the events of a former incarnation again where a later one has been heard, and that name has not: it
  was dropped, when everything that it stands for was held.

Before anything is written again, everybody who can be reached is asked whether he has it, but not before those who
come back at the same time, as when a partition ends, can be reached, too:

- Who holds it, and does not have to give way himself, keeps it, and it would be there twice. He is asked for his state
  then, instead.
- Who has to give way too, and holds some of the same, is met first. One of the two may have removed what the other
  would write again, under a name that nobody knows to be that of something removed.

What is needed for it is all of the other state. So of a delta that is refused only its sender is noted: it is
asked for everything, and what then comes is met here. Nothing is kept in between, so a crash does no harm; the
rebased state replaces the old one on disk in one write.

Knows nothing of messages or of who is where.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from random import Random
from typing import Any

from crdt import DecodeError, VersionVector
from crdt.version import span_of
from replication.changes import BEHIND, LANDED
from replication.config import Config
from replication.identity import incarnation_of, node_of
from replication.slot import Slot
from replication.store import Store

# Peers that are to be asked for everything of an agent; more are found again by comparing.
_WANTED_MAX = 1000
# After so many rounds of `ack_timeout` it is written again, whoever has not answered or not given what he has.
_ROUNDS_MAX = 10
# In `ack_timeout_max`: after that, an inquiry is of something else.
_FORGOTTEN_AFTER = 20
_NEVER = float("inf")


class _Inquiry:
    """Whether somebody else has what `peer` lacks. `answers` are those to the round `number`; `held` was held here."""

    __slots__ = ("answers", "ask_at", "began", "held", "number", "peer", "rounds", "valid_until")

    def __init__(self, peer: str, held: VersionVector, now: float, ask_at: float) -> None:
        self.peer = peer
        self.held = held
        self.began, self.ask_at = now, ask_at
        self.valid_until = 0.0
        self.number = self.rounds = 0
        self.answers: dict[str, VersionVector] = {}


class Comeback:
    """Fills the Meeting port of `delivery`.

    reachable  the names of the other nodes that can be reached now
    rewritten  called with an agent, its version, and the new writer's count, after a rebase
    """

    def __init__(
        self,
        store: Store,
        name: str,
        config: Config,
        random: Random,
        reachable: Callable[[], Iterable[str]],
        rewritten: Callable[[str, VersionVector, int], None],
    ) -> None:
        self._store = store
        self._name = name
        self._random = random
        self._reachable = reachable
        self._rewritten = rewritten
        self._timeout, self._timeout_max = config.ack_timeout, config.ack_timeout_max
        # Answers hold until the state has come for which they were asked: comparing may put that off for so long.
        self._valid = config.ack_timeout_max + config.sync_ask_timeout + config.sync_wait_max
        self._asked_at_once = config.sync_loads_max
        # Within this everybody who can be reached has been dialled.
        self._patience = config.redial_max
        self._now = 0.0
        self._wanted: dict[tuple[str, str], None] = {}
        self._inquiries: dict[str, _Inquiry] = {}
        self.counts = dict.fromkeys(("rebased", "adopted", "renamed"), 0)

    def take_wanted(self, now: float) -> list[tuple[str, str]]:
        """Peers and agents of which all is needed to go on."""
        self._now = now
        wanted, self._wanted = list(self._wanted), {}
        return wanted

    def inquire(self, ask: Callable[[tuple[str, ...]], int]) -> None:
        """Let `ask` ask everybody what he holds of some agents, and say in which round; `heard` is told the answers."""
        due = (agent_id for agent_id, inquiry in self._inquiries.items() if self._now >= inquiry.ask_at)
        agents = tuple(islice(due, self._asked_at_once))
        number = ask(agents) if agents else 0
        for agent_id in agents:
            inquiry = self._inquiries[agent_id]
            inquiry.number, inquiry.answers = number, {}
            inquiry.rounds += 1
            inquiry.ask_at = self._now + self._timeout if inquiry.rounds < _ROUNDS_MAX else _NEVER

    def heard(self, peer: str, number: int, agent_id: str, held: VersionVector) -> None:
        inquiry = self._inquiries.get(agent_id)
        if inquiry is not None and inquiry.rounds and inquiry.number == number:
            inquiry.answers[peer] = held
            if inquiry.answers.keys() >= self._others(inquiry.peer):
                inquiry.valid_until, inquiry.ask_at = self._now + self._valid, _NEVER
                self._wanted[inquiry.peer, agent_id] = None

    def meet(self, slot: Slot, peer: str, data: bytes, is_behind: bool) -> bool:
        base, top = span_of(data)
        ours = slot.state
        if base:
            if (is_behind or not is_related(ours.version, top)) and len(self._wanted) < _WANTED_MAX:
                self._wanted[peer, slot.agent_id] = None
            return False
        theirs = self._store.empty()
        if theirs._land(data, True) != LANDED or not gives_way(ours, theirs, is_behind):
            return False
        writers = to_write_again(ours.version, theirs.version, self._name, self._reachable())
        if writers and not self._is_its_turn(slot, peer, theirs, writers):
            return False
        self._inquiries.pop(slot.agent_id, None)
        self._replace(slot, ours._rebase(theirs, self._new_name(), writers))
        return True

    def _is_its_turn(self, slot: Slot, peer: str, theirs: Any, writers: set[str]) -> bool:
        """Whether nobody has more of these writers than `theirs`, or is to be met before; if not known, it is asked."""
        others, now = self._others(peer), self._now
        inquiry = self._inquiry(slot, peer)
        if others <= inquiry.answers.keys() and now < inquiry.valid_until:
            first = _first_holder(inquiry.answers, theirs, writers) or _first_unmet(
                inquiry.answers, theirs, inquiry.held, slot.state.version
            )
            if first is None:
                return True
            self._wanted[first, slot.agent_id] = None
        if inquiry.ask_at == _NEVER:  # what was answered is not enough
            if inquiry.rounds >= _ROUNDS_MAX:
                return True
            inquiry.peer, inquiry.ask_at = peer, now + self._timeout
        return False

    def _inquiry(self, slot: Slot, peer: str) -> _Inquiry:
        inquiry = self._inquiries.get(slot.agent_id)
        if inquiry is None or self._now >= inquiry.began + _FORGOTTEN_AFTER * self._timeout_max:
            inquiry = self._inquiries[slot.agent_id] = _Inquiry(
                peer, slot.state.version, self._now, self._now + self._patience
            )
            if len(self._inquiries) > _WANTED_MAX:
                del self._inquiries[next(iter(self._inquiries))]
        return inquiry

    def _others(self, peer: str) -> set[str]:
        return set(self._reachable()) - {peer, self._name}

    def adopt(self, slot: Slot, origin: str, parts: list[bytes]) -> bool:
        theirs = self._store.empty()
        for part in parts:
            if theirs._land(part, False) > 1:
                raise DecodeError(f"agent {slot.agent_id!r} lacks what one of its parts builds on", 0)
        ours = slot.state
        there = [name for name in self._reachable() if name != origin]
        if gives_way(ours, theirs, ours.fork("probe")._land(theirs.to_bytes(), False) == BEHIND):
            writers = to_write_again(ours.version, theirs.version, self._name, there)
            self._replace(slot, ours._rebase(theirs, self._new_name(), writers))
            return True
        # The other node is gone for good, and this one writes its events again.
        writers = to_write_again(theirs.version, ours.version, origin, there)
        slot.state._merge_bytes(theirs._rebase(ours, self._new_name(), writers).to_bytes())
        self.counts["adopted"] += 1
        slot.merged = True
        if not slot.dirty:
            self._store.changes.mark(slot)
        return True

    def rename(self, slot: Slot) -> None:
        self.counts["renamed"] += 1
        self._go_on(slot, slot.state.fork(self._new_name()))

    def _replace(self, slot: Slot, state: Any) -> None:
        self.counts["rebased"] += 1
        self._go_on(slot, state)
        version = state.version
        self._rewritten(slot.agent_id, version, version.get(state.replica, 0))

    def _go_on(self, slot: Slot, state: Any) -> None:
        """With this state from now on, of which the next flush writes all; a crash before it leaves the old one."""
        self._store.writers.rename(slot.agent_id, state.replica)
        slot.state, slot.stored, slot.told, slot.merged = state, None, 0, True
        if not slot.dirty:
            self._store.changes.mark(slot)

    def _new_name(self) -> str:
        return self._store.writers.fresh(f"{self._random.getrandbits(24):06x}")


def _alone(ours: VersionVector, theirs: VersionVector) -> set[str]:
    """The writers of which `theirs` lacks something."""
    return {writer for writer, count in ours.items() if count > theirs.get(writer, 0) and not is_past(writer, theirs)}


def is_past(writer: str, version: VersionVector) -> bool:
    """Whether a version lacks a writer because its name was dropped: a later incarnation knew all that it wrote."""
    node, number = node_of(writer), incarnation_of(writer)
    return writer not in version and any(node_of(each) == node and incarnation_of(each) > number for each in version)


def is_related(a: VersionVector, b: VersionVector) -> bool:
    """Whether two histories have anything in common."""
    return any(writer in b for writer in a)


def gives_way(ours: Any, theirs: Any, is_behind: bool) -> bool:
    """Whether of two states that cannot be merged the first is to be rebased; false for the other, if true for it.

    `is_behind`: the first lacks what the second has purged.
    """
    if (theirs.fork("probe")._land(ours.to_bytes(), False) == BEHIND) != is_behind:
        return is_behind
    a, b = ours.version, theirs.version
    if {node_of(writer) for writer in a}.isdisjoint(node_of(writer) for writer in b):
        return _size(a) < _size(b)
    # Nothing that changes as long as both go on writing: else each might give way in turn.
    return (bool(_alone(a, b)), _size(ours._cut)) < (bool(_alone(b, a)), _size(theirs._cut))


def _first_holder(answers: Mapping[str, VersionVector], theirs: Any, writers: set[str]) -> str | None:
    """Who has more of these writers, and does not have to give way to `theirs`."""
    version = theirs.version
    for name, held in sorted(answers.items()):
        stays = _has_purged(held, theirs) and is_related(held, version)
        if stays and any(held.get(writer, 0) > version.get(writer, 0) for writer in writers):
            return name
    return None


def _first_unmet(
    answers: Mapping[str, VersionVector], theirs: Any, before: VersionVector, ours: VersionVector
) -> str | None:
    """Who has to give way to `theirs` as well, and holds some of the same that it lacks, and not all of it.

    He may have removed what is here, or not know that it was. What was written here after `before` is not waited for.
    """
    version = theirs.version
    for name, held in sorted(answers.items()):
        if _has_purged(held, theirs) or not _alone(held, version) & _alone(ours, version):
            continue
        if _lacks(held, before, version) or _lacks(ours, held, version):
            return name
    return None


def _has_purged(held: VersionVector, theirs: Any) -> bool:
    """Whether who holds this holds all that `theirs` has purged."""
    # The names of retired writers may have been dropped where more was purged.
    retired = theirs._retired
    return VersionVector({writer: count for writer, count in theirs._cut.items() if writer not in retired}) <= held


def _lacks(one: VersionVector, other: VersionVector, version: VersionVector) -> bool:
    """Whether the first lacks something that the other has and `version` has not."""
    return any(one.get(writer, 0) < other[writer] for writer in _alone(other, version))


def _size(version: VersionVector) -> tuple[int, int, bytes]:
    return len({node_of(writer) for writer in version}), sum(version.values()), version.to_bytes()


def to_write_again(ours: VersionVector, theirs: VersionVector, name: str, reachable: Iterable[str]) -> set[str]:
    """The writers whose events the node `name` writes again when it goes on from `theirs`."""
    alone = _alone(ours, theirs)
    authors = {node_of(writer) for writer in alone}
    present = {name, *reachable}
    takes_along = min(authors & present, default=name) == name
    return {writer for writer in alone if (node := node_of(writer)) == name or (takes_along and node not in present)}
