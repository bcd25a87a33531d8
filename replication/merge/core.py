"""`crdt_enhanced`: a change goes straight to every replica, and each says when it has it on disk.

One `Channel` for each peer keeps what was sent and not yet acknowledged, bounded in bytes. What
finds no room, or no answer, is not kept: only the agent's name is, as being behind at that peer, and
`repair` brings the two together by comparing versions. So a slow or absent peer costs a name for
each agent at most, and never memory in proportion to what it misses.

A delta too large for one message goes in chunks, between other messages (`transfer`).

An acknowledgement may be lost while the change arrived. So after a silence the question is whether
the peer holds that version (an item without a delta), and only if it does not is there a repair.

Pure. Knows nothing of links; a message may be lost, doubled or late.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from crdt import VersionVector
from replication.config import Config
from replication.core import NOTHING, Change, Delivery, Landing, Ready, Send, Told
from replication.messages import Chunk, ChunkReceived, Deltas, Item, Message, Stored
from replication.ticket import Ticket
from replication.transfer import Incoming, Outgoing

# An item costs this much in a message beside its delta and its agent's id.
_ITEM_BYTES = 16


class _Sent(NamedTuple):
    """One item in flight: the version its receiver has with it, and how much of that this node made."""

    agent_id: str
    top: VersionVector
    made: int
    is_question: bool = False


class _Flight(NamedTuple):
    """A message that was sent and not acknowledged."""

    sent_at: float
    size: int
    items: tuple[_Sent, ...]


class _Waiting:
    """Callers that wait for acknowledgements of one agent, and what must be held for the newest of them."""

    __slots__ = ("ask_at", "sent", "tickets")

    def __init__(self) -> None:
        self.sent: _Sent
        self.ask_at = 0.0
        self.tickets: list[Ticket] = []


class Channel:
    """What one peer was sent."""

    def __init__(self) -> None:
        self.queue: list[tuple[Item, _Sent]] = []
        self.queued_bytes = 0
        self.urgent = False
        self.flights: OrderedDict[int, _Flight] = OrderedDict()
        self.bytes_in_flight = 0
        # Agents the peer may lack something of, with what it should have: to be asked about.
        self.behind: OrderedDict[str, _Sent] = OrderedDict()
        self.ask_at = 0.0
        self.patience = 0.0


class MergeCore:
    """Carries changes straight to every replica. Fills the Core port.

    writer_of the name under which this node writes an agent
    repair    called with a peer and agents of which it lacks something
    replicas  the names of all other replicas, those that cannot be reached now included
    """

    handles: tuple[type[Message], ...] = (Deltas, Stored, Chunk, ChunkReceived)

    def __init__(
        self,
        writer_of: Callable[[str], str],
        config: Config,
        first_sequence: int,
        repair: Callable[[str, Iterable[str], float], None],
        replicas: Callable[[], tuple[str, ...]],
    ) -> None:
        self._writer_of = writer_of
        self._config = config
        # Never used twice, also when a peer was away: an answer from before would be taken for one of now.
        self._next_sequence = first_sequence
        self._repair = repair
        self._replicas = replicas
        self._outgoing = Outgoing(config)
        self._incoming = Incoming(config)
        self._now = 0.0
        self._channels: dict[str, Channel] = {}
        self._queued: dict[str, Channel] = {}  # those with something queued
        self._waiting: dict[str, _Waiting] = {}
        self._missing: dict[tuple[str, int], list[int]] = {}
        self._send: list[Send] = []
        self._deliver: list[Delivery] = []
        self._settle: list[Ticket] = []
        self.counts = dict.fromkeys(("sent_items", "sent_messages", "sent_bytes", "acked", "unanswered", "no_room"), 0)

    # Sending

    def peers(self, names: tuple[str, ...], now: float) -> None:
        for name in names:
            if name not in self._channels:
                self._outgoing.connected(name, now)
                channel = self._channels[name] = Channel()
                for waiting in self._waiting.values():
                    self._mark_behind(channel, waiting.sent)
        remaining = set(names)
        for name in [name for name in self._channels if name not in remaining]:
            self._drop(name)
        for agent_id in list(self._waiting):
            self._review(agent_id)

    def _drop(self, name: str) -> None:
        """A peer cannot be reached. What it lacks is found out when it is back."""
        del self._channels[name]
        self._queued.pop(name, None)

    def propose(self, change: Change, now: float) -> None:
        self._now = now
        sent = _Sent(change.agent_id, change.top, change.made, not change.delta)
        item = Item(change.agent_id, change.delta, b"" if change.delta else self._asked_of(sent).to_bytes())
        urgent = any(ticket.acks for ticket in change.tickets)
        if change.delta or urgent:
            for peer, channel in self._channels.items():
                self._offer(peer, channel, item, sent, urgent)
        for ticket in change.tickets:
            ticket.count = change.made
        self._settle += [ticket for ticket in change.tickets if not ticket.acks]
        if urgent:
            waiting = self._waiting.setdefault(change.agent_id, _Waiting())
            waiting.sent = sent
            waiting.ask_at = now + self._config.ack_timeout
            waiting.tickets += [ticket for ticket in change.tickets if ticket.acks]
            self._review(change.agent_id)

    def told(self, told: Told, now: float) -> None:
        """A delta that repair wished for: it is acknowledged like any other."""
        self._now = now
        channel = self._channels.get(told.tell.peer)
        if channel is not None and told.delta:
            item = Item(told.tell.agent_id, told.delta, b"")
            sent = _Sent(told.tell.agent_id, told.top, told.top.get(self._writer_of(told.tell.agent_id), 0))
            self._offer(told.tell.peer, channel, item, sent, urgent=told.tell.agent_id in self._waiting)

    def _offer(self, peer: str, channel: Channel, item: Item, sent: _Sent, urgent: bool) -> None:
        if len(item.delta) > self._config.chunk_bytes:
            self._offer_in_chunks(peer, channel, item, sent)
            return
        size = len(item.delta) + len(item.agent_id) + len(item.version) + _ITEM_BYTES
        if channel.bytes_in_flight + channel.queued_bytes + size > self._config.channel_bytes_max:
            self.counts["no_room"] += 1
            self._mark_behind(channel, sent)
            return
        channel.queue.append((item, sent))
        self._queued[peer] = channel
        channel.queued_bytes += size
        channel.urgent = channel.urgent or urgent

    def _offer_in_chunks(self, peer: str, channel: Channel, item: Item, sent: _Sent) -> None:
        """Whether it arrived is asked afterwards; what is on its way already is not sent twice."""
        self._mark_behind(channel, sent)
        if not self._outgoing.is_sending(peer, item.agent_id):
            self._outgoing.start(peer, item.agent_id, item.delta, self._now)

    def _mark_behind(self, channel: Channel, sent: _Sent) -> None:
        known = channel.behind.get(sent.agent_id)
        if known is None or known.top <= sent.top:  # what is asked about must not fall back to less
            channel.behind[sent.agent_id] = sent  # one that is there keeps its turn to be asked about
        if len(channel.behind) > self._config.behind_max:
            # Whoever is dropped here is found by the periodic comparison of everything.
            channel.behind.popitem(last=False)

    def _pack(self, peer: str, channel: Channel) -> None:
        """Put what is queued into messages of bounded size."""
        queue, channel.queue, channel.queued_bytes = channel.queue, [], 0
        urgent, channel.urgent = channel.urgent, False
        while queue:
            size = taken = 0
            while taken < len(queue) and (size == 0 or size < self._config.message_bytes_max):
                item = queue[taken][0]
                size += len(item.delta) + len(item.agent_id) + len(item.version) + _ITEM_BYTES
                taken += 1
            part, queue = queue[:taken], queue[taken:]
            sequence = self._next_sequence
            self._next_sequence += 1
            channel.flights[sequence] = _Flight(self._now, size, tuple(sent for _, sent in part))
            channel.bytes_in_flight += size
            self._send.append(Send(peer, Deltas(sequence, tuple(item for item, _ in part), urgent)))
            self.counts["sent_messages"] += 1
            self.counts["sent_items"] += len(part)
            self.counts["sent_bytes"] += size

    # Hearing back

    def step(self, peer: str, message: Message, now: float) -> None:
        self._now = now
        if isinstance(message, Deltas) and message.items:
            self._missing[peer, message.sequence] = []
            for place, item in enumerate(message.items):
                token = (peer, message.sequence)
                self._deliver.append(Delivery(peer, *item, token, place, message.urgent))
        elif isinstance(message, Stored):
            channel = self._channels.get(peer)
            flight = channel.flights.pop(message.sequence, None) if channel is not None else None
            if channel is not None and flight is not None:
                self._acknowledged(peer, channel, flight, frozenset(message.missing))
        elif isinstance(message, Chunk):
            self._take_chunk(peer, message)
        elif isinstance(message, ChunkReceived) and self._outgoing.received(peer, message, now):
            channel = self._channels.get(peer)
            if channel is not None:
                channel.ask_at = now

    def _take_chunk(self, peer: str, chunk: Chunk) -> None:
        arrival = self._incoming.chunk(peer, chunk, self._now)
        if arrival.report is not None:
            self._send.append(Send(peer, arrival.report))
        if arrival.delta is not None:
            self._deliver.append(Delivery(peer, chunk.agent_id, arrival.delta))

    def _acknowledged(self, peer: str, channel: Channel, flight: _Flight, missing: frozenset[int]) -> None:
        channel.bytes_in_flight -= flight.size
        channel.patience = 0.0
        lacking = []
        for place, sent in enumerate(flight.items):
            if place in missing:
                if sent.is_question and not sent.made:
                    # Of others' changes the comparison that follows sees the rest: a version may name who is forgotten.
                    channel.behind.pop(sent.agent_id, None)
                else:
                    self._mark_behind(channel, sent)
                if sent.is_question:
                    lacking.append(sent.agent_id)
                else:
                    # What it builds on is mostly on its way from another: ask once more before repairing.
                    channel.ask_at = min(channel.ask_at, self._now + self._config.miss_patience)
            else:
                self.counts["acked"] += 1
                behind = channel.behind.get(sent.agent_id)
                if behind is not None and behind.top <= sent.top:
                    del channel.behind[sent.agent_id]
                self._held(peer, sent.agent_id, sent.made)
        if lacking:
            self._repair(peer, lacking, self._now)

    def _held(self, peer: str, agent_id: str, count: int) -> None:
        """The peer has this much of the own writer on disk."""
        waiting = self._waiting.get(agent_id)
        if waiting is None:
            return
        for ticket in waiting.tickets:
            if ticket.count <= count:
                ticket.acknowledge(peer)
        self._review(agent_id)

    def _review(self, agent_id: str) -> None:
        """Settle the callers whose promise holds; forget those that stopped waiting."""
        waiting = self._waiting[agent_id]
        left = []
        for ticket in waiting.tickets:
            if self._is_enough(ticket):
                self._settle.append(ticket)
            elif not ticket.abandoned:
                left.append(ticket)
        waiting.tickets = left
        if not left:
            del self._waiting[agent_id]

    def _is_enough(self, ticket: Ticket) -> bool:
        if isinstance(ticket.acks, int):
            return len(ticket.acked) >= ticket.acks
        others = self._replicas()
        if ticket.acks == "all":
            return all(name in ticket.acked for name in others)
        # A majority of all replicas, of which this node is one.
        return len(ticket.acked) + 1 > (len(others) + 1) // 2

    def take_tickets(self) -> list[Ticket]:
        """The callers that wait; nobody will tell them from here any more."""
        waiting, self._waiting = self._waiting, {}
        return [ticket for each in waiting.values() for ticket in each.tickets]

    def rewritten(self, agent_id: str, top: VersionVector, made: int) -> None:
        """What this node had made of an agent it made again, under another name: that is to be acknowledged."""
        nothing = _Sent(agent_id, VersionVector(), 0)  # what an answer to what was sent before says now
        for channel in self._channels.values():
            channel.behind.pop(agent_id, None)
            channel.queue = [(item, nothing if sent.agent_id == agent_id else sent) for item, sent in channel.queue]
            for sequence, flight in channel.flights.items():
                items = tuple([nothing if each.agent_id == agent_id else each for each in flight.items])
                channel.flights[sequence] = flight._replace(items=items)
        waiting = self._waiting.get(agent_id)
        if waiting is not None:
            waiting.sent = _Sent(agent_id, top, made)
            for ticket in waiting.tickets:
                ticket.recount(made)

    # Receiving

    def landed(self, landing: Landing, now: float) -> None:
        if landing.delivery.token is not None and landing.outcome not in ("landed", "known"):
            self._missing.setdefault(landing.delivery.token, []).append(landing.delivery.place)

    def durable(self, token: Any, now: float) -> None:
        missing = self._missing.pop(token, None)
        if missing is not None:
            peer, sequence = token
            self._send.append(Send(peer, Stored(sequence, tuple(missing))))

    # Time

    def tick(self, now: float) -> None:
        self._now = now
        self._outgoing.tick(now)
        self._incoming.tick(now)
        for waiting in self._waiting.values():
            if now >= waiting.ask_at:
                self._ask_for(waiting, now)
        for peer, channel in self._channels.items():
            if channel.flights:
                self._expire(channel, now)
            if channel.behind and now >= channel.ask_at:
                self._ask(peer, channel, now)
        for agent_id in list(self._waiting):
            self._review(agent_id)

    def _ask_for(self, waiting: _Waiting, now: float) -> None:
        """Callers have waited long: whatever became of what was sent, ask everybody who has not acknowledged."""
        waiting.ask_at = now + self._config.ack_timeout
        for peer, channel in self._channels.items():
            if any(peer not in ticket.acked for ticket in waiting.tickets):
                self._mark_behind(channel, waiting.sent)

    def _expire(self, channel: Channel, now: float) -> None:
        """What was not answered may have arrived or not: it is asked about."""
        while channel.flights:
            sequence = next(iter(channel.flights))
            flight = channel.flights[sequence]
            if now - flight.sent_at < self._config.ack_timeout:
                return
            del channel.flights[sequence]
            channel.bytes_in_flight -= flight.size
            self.counts["unanswered"] += 1
            for sent in flight.items:
                self._mark_behind(channel, sent)

    def _ask(self, peer: str, channel: Channel, now: float) -> None:
        """Ask whether the peer holds what it should; what it does not is repaired when it says so."""
        channel.patience = min(max(2 * channel.patience, self._config.ack_timeout), self._config.ack_timeout_max)
        channel.ask_at = now + channel.patience
        for sent in list(channel.behind.values())[: self._config.behind_asked_max]:
            channel.behind.move_to_end(sent.agent_id)
            question = Item(sent.agent_id, b"", self._asked_of(sent).to_bytes())
            self._offer(peer, channel, question, sent._replace(is_question=True), urgent=False)

    def _asked_of(self, sent: _Sent) -> VersionVector:
        """What of a change to ask for: the part this node made; what else it held is for others to see to."""
        return VersionVector({self._writer_of(sent.agent_id): sent.made}) if sent.made else sent.top

    def ready(self) -> Ready:
        self._send += self._outgoing.ready()
        for peer, channel in self._queued.items():
            self._pack(peer, channel)
        self._queued.clear()
        if not (self._send or self._deliver or self._settle):
            return NOTHING
        ready = Ready((), tuple(self._send), tuple(self._deliver), tuple(self._settle))
        self._send, self._deliver, self._settle = [], [], []
        return ready

    def is_arriving(self, agent_id: str) -> bool:
        """Whether a large delta of the agent is on its way here."""
        return self._incoming.arriving(agent_id, self._now)

    def status(self) -> dict[str, Any]:
        """For each peer: what is in flight, and of how many agents it may lack something."""
        peers = {
            name: {"messages_in_flight": len(each.flights), "bytes_in_flight": each.bytes_in_flight,
                   "agents_behind": len(each.behind)}
            for name, each in self._channels.items()
        }  # fmt: skip
        waiting = sum(len(each.tickets) for each in self._waiting.values())
        return {**self.counts, "callers_waiting": waiting, "peers": peers}
