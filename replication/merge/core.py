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

from collections.abc import Callable, Iterable
from typing import Any

from crdt import VersionVector
from replication.config import Config
from replication.core import NOTHING, Change, Delivery, Landing, Ready, Send, Told
from replication.merge.channel import Channel, Flight, Sent, forgotten, parts_of, size_of
from replication.messages import Chunk, ChunkReceived, Deltas, Item, Kept, Message, Stored
from replication.ticket import Ticket
from replication.transfer import Incoming, Outgoing

# Outcomes of what this node's disk has, or is about to have.
_HELD = frozenset(("landed", "known"))
# Makes a tuple of names from the values in their order; to call its class takes three times as long.
_new_tuple = tuple.__new__


class _Waiting:
    """Callers that wait for acknowledgements of one agent, and what must be held for the newest of them."""

    __slots__ = ("ask_at", "sent", "tickets")

    def __init__(self) -> None:
        self.sent: Sent
        self.ask_at = 0.0
        self.tickets: list[Ticket] = []


class MergeCore:
    """Carries changes straight to every replica. Fills the Carrier port.

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
        self._fresh: list[tuple[Item, Sent]] = []  # for everybody
        self._is_urgent = False
        self._waiting: dict[str, _Waiting] = {}
        self._missing: dict[tuple[str, int], tuple[int, ...]] = {}
        self._kept: dict[str, list[Kept]] = {}  # by peer: what to answer
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
        urgent = False
        for ticket in change.tickets:
            ticket.count = change.made
            urgent = urgent or bool(ticket.acks)
        if not urgent:
            self._settle += change.tickets
        if not (change.delta or urgent):
            return
        sent = _new_tuple(Sent, (change.agent_id, change.top, change.made, not change.delta))
        version = b"" if change.delta else self._asked_of(sent).to_bytes()
        item = _new_tuple(Item, (change.agent_id, change.delta, version))
        if len(item.delta) > self._config.chunk_bytes:
            for peer, channel in self._channels.items():
                self._offer_in_chunks(peer, channel, item, sent)
        else:
            self._fresh.append((item, sent))
        if urgent:
            self._wait_for(sent, change.tickets)

    def _wait_for(self, sent: Sent, tickets: Iterable[Ticket]) -> None:
        self._is_urgent = True
        waiting = self._waiting.setdefault(sent.agent_id, _Waiting())
        waiting.sent = sent
        waiting.ask_at = self._now + self._config.ack_timeout
        for ticket in tickets:
            (waiting.tickets if ticket.acks else self._settle).append(ticket)
        self._review(sent.agent_id)

    def told(self, told: Told, now: float) -> None:
        """A delta that repair wished for: it is acknowledged like any other."""
        self._now = now
        channel = self._channels.get(told.tell.peer)
        if channel is not None and told.delta:
            item = Item(told.tell.agent_id, told.delta, b"")
            sent = Sent(told.tell.agent_id, told.top, told.top.get(self._writer_of(told.tell.agent_id), 0))
            self._offer(told.tell.peer, channel, item, sent, urgent=told.tell.agent_id in self._waiting)

    def _offer(self, peer: str, channel: Channel, item: Item, sent: Sent, urgent: bool) -> None:
        if len(item.delta) > self._config.chunk_bytes:
            self._offer_in_chunks(peer, channel, item, sent)
            return
        if size_of(item) > self._room(channel):
            self.counts["no_room"] += 1
            self._mark_behind(channel, sent)
            return
        self._queued[peer] = channel
        channel.enqueue(item, sent, urgent)

    def _offer_in_chunks(self, peer: str, channel: Channel, item: Item, sent: Sent) -> None:
        """Whether it arrived is asked afterwards; what is on its way already is not sent twice."""
        self._mark_behind(channel, sent)
        if not self._outgoing.is_sending(peer, item.agent_id):
            self._outgoing.start(peer, item.agent_id, item.delta, self._now)

    def _mark_behind(self, channel: Channel, sent: Sent) -> None:
        channel.mark_behind(sent, self._config.behind_max)

    def _spread(self) -> None:
        """Put what is for everybody into messages: the same ones for all who have room."""
        fresh, self._fresh = self._fresh, []
        urgent, self._is_urgent = self._is_urgent, False
        for part, size in parts_of(fresh, self._config.message_bytes_max):
            message = self._message(part, urgent)
            sent = tuple([each for _, each in part])
            for peer, channel in self._channels.items():
                if size <= self._room(channel):
                    self._dispatch(peer, channel, message, sent, size)
                else:
                    for item, each in part:
                        self._offer(peer, channel, item, each, urgent)

    def _pack(self, peer: str, channel: Channel) -> None:
        """Put what is queued for one peer into messages."""
        queue, urgent = channel.take_queue()
        for part, size in parts_of(queue, self._config.message_bytes_max):
            self._dispatch(peer, channel, self._message(part, urgent), tuple([sent for _, sent in part]), size)

    def _message(self, part: list[tuple[Item, Sent]], urgent: bool) -> Deltas:
        self._next_sequence += 1
        return Deltas(self._next_sequence - 1, tuple([item for item, _ in part]), urgent)

    def _dispatch(self, peer: str, channel: Channel, message: Deltas, sent: tuple[Sent, ...], size: int) -> None:
        channel.depart(message.sequence, Flight(self._now, size, sent))
        self._send.append(Send(peer, message))
        self.counts["sent_messages"] += 1
        self.counts["sent_items"] += len(sent)
        self.counts["sent_bytes"] += size

    def _room(self, channel: Channel) -> int:
        return self._config.channel_bytes_max - channel.bytes_in_flight - channel.queued_bytes

    # Hearing back

    def step(self, peer: str, message: Message, now: float) -> None:
        self._now = now
        if isinstance(message, Deltas) and message.items:
            self._deliver.append(Delivery(peer, message.items, (peer, message.sequence), message.urgent))
        elif isinstance(message, Stored):
            channel = self._channels.get(peer)
            if channel is not None:
                for kept in message.kept:
                    flight = channel.end(kept.sequence)
                    if flight is not None:
                        self._acknowledged(peer, channel, flight, frozenset(kept.missing))
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
            self._deliver.append(Delivery(peer, (Item(chunk.agent_id, arrival.delta, b""),)))

    def _acknowledged(self, peer: str, channel: Channel, flight: Flight, missing: frozenset[int]) -> None:
        channel.patience = 0.0
        if not (missing or channel.behind or self._waiting):
            self.counts["acked"] += len(flight.items)
            return
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
                self._held(peer, sent)
        if lacking:
            self._repair(peer, lacking, self._now)

    def _held(self, peer: str, sent: Sent) -> None:
        """The peer has this on disk."""
        waiting = self._waiting.get(sent.agent_id)
        if waiting is None:
            return
        # What was made again may have kept its former names: of the own writer's nothing is there to go by then.
        if sent.made or waiting.sent.top <= sent.top:
            for ticket in waiting.tickets:
                if ticket.count <= sent.made:
                    ticket.acknowledge(peer)
        self._review(sent.agent_id)

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
        self._fresh = forgotten(agent_id, self._fresh)
        for channel in self._channels.values():
            channel.forget(agent_id)
        waiting = self._waiting.get(agent_id)
        if waiting is not None:
            waiting.sent = Sent(agent_id, top, made)
            for ticket in waiting.tickets:
                ticket.recount(made)

    # Receiving

    def landed(self, landing: Landing, now: float) -> None:
        if landing.delivery.token is not None:
            outcomes = landing.outcomes
            places = [] if _HELD.issuperset(outcomes) else [at for at, each in enumerate(outcomes) if each not in _HELD]
            self._missing[landing.delivery.token] = tuple(places)

    def durable(self, token: Any, now: float) -> None:
        missing = self._missing.pop(token, None)
        if missing is not None:
            peer, sequence = token
            self._kept.setdefault(peer, []).append(Kept(sequence, missing))

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
            channel.end(sequence)
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

    def _asked_of(self, sent: Sent) -> VersionVector:
        """What of a change to ask for: the part this node made; what else it held is for others to see to."""
        return VersionVector({self._writer_of(sent.agent_id): sent.made}) if sent.made else sent.top

    def ready(self) -> Ready:
        self._send += self._outgoing.ready()
        if self._kept:
            self._send += [Send(peer, Stored(tuple(kept))) for peer, kept in self._kept.items()]
            self._kept.clear()
        if self._fresh:
            self._spread()
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
