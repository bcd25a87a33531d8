"""What one peer was sent and has not acknowledged, bounded in bytes; and how much fits in a message.

Knows nothing of what is done about what stays unacknowledged.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from crdt import VersionVector
from replication.messages import Item

# An item costs this much in a message beside its delta, its agent's id and its version.
_ITEM_BYTES = 16


class Sent(NamedTuple):
    """One item in flight: the version its receiver has with it, and how much of that this node made."""

    agent_id: str
    top: VersionVector
    made: int
    is_question: bool = False


class Flight(NamedTuple):
    """A message that was sent and not acknowledged."""

    sent_at: float
    size: int
    items: tuple[Sent, ...]


class Channel:
    """What one peer was sent."""

    def __init__(self) -> None:
        self.queue: list[tuple[Item, Sent]] = []
        self.queued_bytes = 0
        self.urgent = False
        self.flights: OrderedDict[int, Flight] = OrderedDict()
        self.bytes_in_flight = 0
        # Agents the peer may lack something of, with what it should have: to be asked about.
        self.behind: OrderedDict[str, Sent] = OrderedDict()
        self.ask_at = 0.0
        self.patience = 0.0

    def enqueue(self, item: Item, sent: Sent, urgent: bool) -> None:
        self.queue.append((item, sent))
        self.queued_bytes += size_of(item)
        self.urgent = self.urgent or urgent

    def take_queue(self) -> tuple[list[tuple[Item, Sent]], bool]:
        """What is queued, and whether somebody waits for it."""
        taken = self.queue, self.urgent
        self.queue, self.queued_bytes, self.urgent = [], 0, False
        return taken

    def depart(self, sequence: int, flight: Flight) -> None:
        self.flights[sequence] = flight
        self.bytes_in_flight += flight.size

    def end(self, sequence: int) -> Flight | None:
        """The flight was acknowledged, or is given up; None if there is none of that number."""
        flight = self.flights.pop(sequence, None)
        if flight is not None:
            self.bytes_in_flight -= flight.size
        return flight

    def mark_behind(self, sent: Sent, count_max: int) -> None:
        known = self.behind.get(sent.agent_id)
        if known is None or known.top <= sent.top:  # what is asked about must not fall back to less
            self.behind[sent.agent_id] = sent  # one that is there keeps its turn to be asked about
        if len(self.behind) > count_max:
            # Whoever is dropped here is found by the periodic comparison of everything.
            self.behind.popitem(last=False)

    def forget(self, agent_id: str) -> None:
        """What an answer to what was sent of an agent says does not count any more."""
        self.behind.pop(agent_id, None)
        self.queue = forgotten(agent_id, self.queue)
        nothing = Sent(agent_id, VersionVector(), 0)
        for sequence, flight in self.flights.items():
            items = tuple([nothing if each.agent_id == agent_id else each for each in flight.items])
            self.flights[sequence] = flight._replace(items=items)


def forgotten(agent_id: str, queue: list[tuple[Item, Sent]]) -> list[tuple[Item, Sent]]:
    """The queue, with nothing that an answer could say of this agent."""
    nothing = Sent(agent_id, VersionVector(), 0)
    return [(item, nothing if sent.agent_id == agent_id else sent) for item, sent in queue]


def parts_of(queue: list[tuple[Item, Sent]], bytes_max: int) -> Iterator[tuple[list[tuple[Item, Sent]], int]]:
    """What fits in a message each, with its size."""
    first = size = 0
    for place, (item, _) in enumerate(queue):
        if size >= bytes_max:
            yield queue[first:place], size
            first, size = place, 0
        size += size_of(item)
    if queue:
        yield queue[first:], size


def size_of(item: Item) -> int:
    """The bytes that an item takes in a message, about."""
    return len(item.delta) + len(item.agent_id) + len(item.version) + _ITEM_BYTES
