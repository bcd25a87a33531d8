"""Anti-entropy: any two nodes find what they differ in, and each gets what it lacks.

Now and then a node sends one peer the sum over all its agents (`Check`). If the peer has the same, both
are in sync. If not, they go down the summary tree together (`Sums`), to lists of agents (`Heads`), to
the versions of those that differ (`Holdings`); and whoever has what the other lacks tells it (`Tell`).

- Every answer follows from the message and from what is on disk now. So loss, duplication and
  reordering cost time only: the next check starts anew. A peer counts as in sync only when the sums
  over everything are equal, never because something was sent to it.
- What is lacking is asked for by the one that lacks it, never pushed: a node asks for no more at a
  time than it can take (`asks`), and of one peer at a time.
- Bounded: the bytes of a message, the agents asked for at a time, and the bytes a second that all of
  this may cost, of which no peer gets more than half. What a bound cut off is gone on with as soon as
  what was asked for is here; else, at the next check.

Pure: a core as in `core`. Knows nothing of how deltas travel.
"""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, NamedTuple

from crdt import DecodeError, VersionVector
from replication.budget import Budget
from replication.config import Config
from replication.core import NOTHING, Ready, Send, Tell
from replication.messages import PAYLOAD_BYTES_MAX, Check, Head, Heads, Holding, Holdings, InSync, Message, Sums
from replication.storage.buckets import BUCKETS, DIGEST_BYTES
from replication.sync.asks import Asks
from replication.sync.comparison import HEAD_BYTES, NODE_BYTES, RANGE_BYTES, Catalog, Comparison, NotValid
from replication.sync.summary import Summary

_VERSION_BYTES_MAX = PAYLOAD_BYTES_MAX // 4
# New peers that are checked at once; the others' turn comes.
_GREETED = 4
_DIVERGED_MAX = 1000
# A session that was cut off goes on when all but this part of what may be asked for has come.
_REFILL = 16
# Messages of full length that a comparison once begun may cost beyond what is allowed.
_CREDIT = 8
# What a Tell counts against the bytes a second; its delta is another's to bound.
_TELL_BYTES = 64


class Agreement(NamedTuple):
    """At this time a peer had, and still has, all that this node had when its root was this."""

    at: float
    root: int


class Divergence(NamedTuple):
    """An agent of which a peer holds the same version in another state, which must not be; how often it was found."""

    peer: str
    since: float
    times: int


class _Peer:
    """What is known of one peer."""

    __slots__ = ("budget", "is_cut")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.is_cut = False  # there was more than bounds allowed


class Sync:
    """The core. `on_diverged(agent_id, peer)` is called each time the two are found to diverge.

    It says whether that is being repaired; `on_agreed(peer)` is called each time the two are found to have the same.
    """

    handles = (Check, InSync, Sums, Heads, Holdings)

    def __init__(
        self,
        summary: Summary,
        catalog: Catalog,
        config: Config,
        random: Random,
        on_diverged: Callable[[str, str], bool] = lambda agent_id, peer: False,
        on_agreed: Callable[[str], None] = lambda peer: None,
    ) -> None:
        self.agreed: dict[str, Agreement] = {}
        self.diverged: dict[str, Divergence] = {}
        self._summary = summary
        self._catalog = catalog
        self._config = config
        self._random = random
        self._on_diverged = on_diverged
        self._on_agreed = on_agreed
        # Offers and what is asked for may stand in one message.
        self._message_bytes = min(config.sync_message_bytes, PAYLOAD_BYTES_MAX // 4)
        self._compare = Comparison(
            summary, catalog, self._message_bytes, max(1, config.sync_asks_max // 2), config.agent_id_bytes_max
        )
        self._asks = Asks(config.sync_asks_max, config.sync_ask_timeout, config.sync_wait_max)
        self._budget = Budget(config.sync_bytes_per_second)
        self._names: tuple[str, ...] = ()
        self._peers: dict[str, _Peer] = {}
        self._origin = random.randrange(BUCKETS)
        self._next_check: float | None = None
        self._to_check: dict[str, None] = {}
        self._out: list[Send | Tell] = []
        self._counts = dict.fromkeys(("checks", "in_sync", "tells", "asked", "throttled", "invalid"), 0)
        summary.on_change = self._changed

    # What the driver tells

    def peers(self, names: tuple[str, ...], now: float) -> None:
        known, self._names = set(self._names), names
        gained = [name for name in names if name not in known]
        self._random.shuffle(gained)
        self._to_check.update(dict.fromkeys(gained[:_GREETED]))
        remaining = set(names)
        for name in [name for name in self._peers if name not in remaining]:
            del self._peers[name]
            self._to_check.pop(name, None)
            self.agreed.pop(name, None)
            self._asks.forget(name)

    def repair(self, peer: str, agent_ids: Iterable[str], now: float) -> None:
        """Bring these agents and the peer's to the same state; some may be passed over when there are many."""
        holdings = [each for agent_id in agent_ids if (each := self._ask_with_version(peer, agent_id, now, True))]
        self._send_holdings(peer, holdings, reply=True, more=False)

    def fetch(self, peer: str, agent_id: str, now: float) -> None:
        """Ask the peer for all it has of an agent: a part, as it sent one, is of no use here, nor what others have."""
        self._asks.answered(agent_id)
        if self._may_ask(peer, agent_id, now, True):
            self._send_holdings(peer, [Holding(agent_id, b"", b"")], reply=False, more=False)

    def tick(self, now: float) -> None:
        self._asks.expire(now)
        if self._next_check is None:
            self._next_check = now + self._config.sync_interval * self._random.random()
        if now < self._next_check or not self._budget.is_open(now, 0):
            return
        self._next_check = now + self._config.sync_interval * self._random.uniform(0.75, 1.25)
        if self._names:
            self._origin = self._random.randrange(BUCKETS)
            self._to_check[self._random.choice(self._names)] = None

    def ready(self) -> Ready:
        if not (self._to_check or self._out):
            return NOTHING
        for peer in self._to_check:
            self._counts["checks"] += 1
            self._send(peer, Check(self._summary.root))
        self._to_check.clear()
        out, self._out = self._out, []
        return Ready(send=tuple(out))

    def status(self) -> dict[str, Any]:
        return {
            **self._counts,
            "asks": len(self._asks),
            "waits": self._asks.waiting,
            "agreed": {peer: agreement.at for peer, agreement in self.agreed.items()},
            "diverged": {agent_id: divergence._asdict() for agent_id, divergence in self.diverged.items()},
        }

    # What peers say

    def step(self, peer: str, message: Message, now: float) -> None:
        if isinstance(message, InSync | Check) and message.root == self._summary.root:
            self._agree(peer, now)
            if isinstance(message, Check):
                self._send(peer, InSync(message.root))
            return
        if isinstance(message, InSync):
            return  # of what was; the next check will tell
        state = self._state(peer)
        # Who may begin may also finish, on credit: half a way down is all for nothing.
        credit = 0 if isinstance(message, Check) else _CREDIT * self._message_bytes
        if not (self._budget.is_open(now, credit) and state.budget.is_open(now, credit)):
            self._counts["throttled"] += 1
            return
        self._spend(peer, _size(message))
        try:
            self._compare_with(peer, state, message, now)
        except NotValid:
            self._counts["invalid"] += 1

    def _compare_with(self, peer: str, state: _Peer, message: Message, now: float) -> None:
        if isinstance(message, Check):
            self._descend(peer, state, [(0, 0, message.root)])
        elif isinstance(message, Sums):
            state.is_cut |= message.more
            self._descend(peer, state, self._compare.below(message))
        elif isinstance(message, Heads):
            state.is_cut |= message.more
            self._take_heads(peer, state, message, now)
        elif isinstance(message, Holdings):
            state.is_cut |= message.more
            self._take_holdings(peer, message, now)

    def _agree(self, peer: str, now: float) -> None:
        self._counts["in_sync"] += 1
        self._state(peer).is_cut = False
        self.agreed[peer] = Agreement(now, self._summary.root)
        for agent_id in [agent_id for agent_id, found in self.diverged.items() if found.peer == peer]:
            del self.diverged[agent_id]
        self._on_agreed(peer)

    def _descend(self, peer: str, state: _Peer, theirs: list[tuple[int, int, int]]) -> None:
        found = self._compare.descend(theirs, self._origin, wants=self._asks.has_room(peer))
        state.is_cut |= found.more
        if found.nodes:
            self._send(peer, Sums(tuple(found.nodes), found.more))
        if found.ranges:
            self._send(peer, Heads(tuple(found.ranges), found.more))
        self._send_holdings(peer, [_offer(head) for head in found.offers], reply=True, more=found.more)

    def _take_heads(self, peer: str, state: _Peer, message: Heads, now: float) -> None:
        found = self._compare.differ(message)
        holdings = _Bounded(self._message_bytes)
        for agent_id in found.differing[: self._config.sync_loads_max]:
            if holdings.has_room():
                holdings.add(self._ask_with_version(peer, agent_id, now))
        for agent_id in found.missing:
            if holdings.has_room():
                holdings.add(self._ask_for_all(peer, agent_id, now))
        more = found.more or holdings.was_full or len(found.differing) > self._config.sync_loads_max
        state.is_cut |= more
        self._send_holdings(peer, [*holdings.items, *map(_offer, found.offers)], reply=True, more=more)

    def _take_holdings(self, peer: str, message: Holdings, now: float) -> None:
        answers = _Bounded(self._message_bytes)
        loads_left, tells_left = self._config.sync_loads_max, self._config.sync_asks_max
        for agent_id, version, digest in message.holdings:
            if not self._compare.is_head(agent_id, digest or bytes(DIGEST_BYTES)):
                raise NotValid(f"there is no agent {agent_id[:40]!r} with the digest {digest.hex()[:40]}")
            may_answer = message.reply and answers.has_room()
            if not version and digest:
                if may_answer:
                    answers.add(self._answer_offer(peer, agent_id, digest, now))
            elif not version and tells_left:
                tells_left -= 1
                self._tell(peer, agent_id, VersionVector())
            elif version and loads_left:
                loads_left -= 1
                answers.add(self._answer_version(peer, agent_id, version, digest, may_answer, now))
        self._send_holdings(peer, answers.items, reply=False, more=False)

    def _answer_offer(self, peer: str, agent_id: str, digest: bytes, now: float) -> Holding | None:
        mine = self._catalog.digest(agent_id)
        if mine == digest:
            return None
        return self._ask_with_version(peer, agent_id, now) if mine else self._ask_for_all(peer, agent_id, now)

    def _answer_version(
        self, peer: str, agent_id: str, version: bytes, digest: bytes, may_answer: bool, now: float
    ) -> Holding | None:
        """Tell the peer what it lacks; my version, if I lack something or cannot tell who does."""
        try:
            theirs = VersionVector.from_bytes(version)
        except DecodeError as error:
            raise NotValid(f"the version of agent {agent_id!r}: {error}") from None
        held = self._catalog.holding(agent_id)
        if held is None:
            return None
        mine, my_digest = held
        if not mine <= theirs:
            self._tell(peer, agent_id, theirs)
        if not theirs <= mine:
            return self._ask_with_version(peer, agent_id, now) if may_answer else None
        if mine == theirs and digest != my_digest:
            # Whoever begins a repair tells the peer by that.
            is_told = self._diverge(agent_id, peer, now)
            return Holding(agent_id, version, my_digest) if may_answer and not is_told else None
        self._asks.withdraw(peer, agent_id)
        return None

    def _diverge(self, agent_id: str, peer: str, now: float) -> bool:
        before = self.diverged.pop(agent_id, None)
        self.diverged[agent_id] = Divergence(peer, before.since if before else now, before.times + 1 if before else 1)
        while len(self.diverged) > _DIVERGED_MAX:
            del self.diverged[next(iter(self.diverged))]
        return self._on_diverged(agent_id, peer)

    # Asking

    def _may_ask(self, peer: str, agent_id: str, now: float, urgently: bool = False) -> bool:
        if not self._asks.has_room(peer):
            self._state(peer).is_cut = True
            return False
        if not self._asks.is_idle(peer, agent_id, now) or (not urgently and self._catalog.arriving(agent_id)):
            return False
        self._asks.add(peer, agent_id, now)
        self._counts["asked"] += 1
        return True

    def _ask_for_all(self, peer: str, agent_id: str, now: float) -> Holding | None:
        return Holding(agent_id, b"", b"") if self._may_ask(peer, agent_id, now) else None

    def _ask_with_version(self, peer: str, agent_id: str, now: float, urgently: bool = False) -> Holding | None:
        if not self._may_ask(peer, agent_id, now, urgently):
            return None
        held = self._catalog.holding(agent_id)
        if held is None:
            self._asks.withdraw(peer, agent_id)
            return None
        version, digest = held
        packed = version.to_bytes() if digest else b""
        # A version of so many writers that it fits in no message: then all of the agent has to come.
        return Holding(agent_id, packed, digest) if len(packed) <= _VERSION_BYTES_MAX else Holding(agent_id, b"", b"")

    def _changed(self, agent_ids: Sequence[str]) -> None:
        """These agents' states on disk changed: what was asked for has come, or it does no harm to think so."""
        if not self._asks:
            return
        for agent_id in agent_ids:
            peer = self._asks.landed(agent_id)
            state = self._peers.get(peer) if peer else None
            if peer and state and state.is_cut and self._asks.count(peer) <= self._config.sync_asks_max // _REFILL:
                state.is_cut = False
                self._to_check[peer] = None

    # Sending

    def _tell(self, peer: str, agent_id: str, since: VersionVector) -> None:
        self._counts["tells"] += 1
        self._spend(peer, _TELL_BYTES)
        self._out.append(Tell(peer, agent_id, since))

    def _send_holdings(self, peer: str, holdings: list[Holding], reply: bool, more: bool) -> None:
        if holdings:
            self._send(peer, Holdings(tuple(holdings), reply, more))

    def _send(self, peer: str, message: Message) -> None:
        if not isinstance(message, Check | InSync):
            self._spend(peer, _size(message))
        self._out.append(Send(peer, message))

    def _spend(self, peer: str, size: int) -> None:
        self._budget.spend(size)
        self._state(peer).budget.spend(size)

    def _state(self, peer: str) -> _Peer:
        state = self._peers.get(peer)
        if state is None:
            state = self._peers[peer] = _Peer(Budget(self._config.sync_bytes_per_second / 2))
        return state


class _Bounded:
    """Holdings for one message, until they are too many bytes."""

    def __init__(self, size: int) -> None:
        self.items: list[Holding] = []
        self.was_full = False
        self._left = size

    def has_room(self) -> bool:
        """Whether another may be added; one that is larger than what is left is taken all the same."""
        self.was_full = self.was_full or self._left <= 0
        return self._left > 0

    def add(self, holding: Holding | None) -> None:
        if holding is not None:
            self.items.append(holding)
            self._left -= _size_of_holding(holding)


def _offer(head: Head) -> Holding:
    return Holding(head.agent_id, b"", head.digest)


def _size_of_holding(holding: Holding) -> int:
    return HEAD_BYTES + len(holding.agent_id) + len(holding.version)


def _size(message: Message) -> int:
    """About the bytes that a message takes, without encoding it."""
    if isinstance(message, Sums):
        return NODE_BYTES * len(message.nodes)
    if isinstance(message, Heads):
        heads = [head for each in message.ranges for head in each.heads]
        return RANGE_BYTES * len(message.ranges) + sum(HEAD_BYTES + len(head.agent_id) for head in heads)
    if isinstance(message, Holdings):
        return sum(map(_size_of_holding, message.holdings))
    return 0
