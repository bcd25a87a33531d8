"""Large deltas in chunks: whole, once, and whatever happens to the network in between."""

import heapq
from itertools import count
from random import Random

import pytest

from replication.config import Config
from replication.messages import Chunk, ChunkReceived, decode, encode
from replication.transfer import Incoming, Outgoing, name_of

CONFIG = Config(chunk_bytes=1000, chunk_window=4, transfer_retry=1.0, transfer_keep=20.0, transfers_max=2)
DELTA = Random(1).randbytes(50_500)


class Line:
    """A sender and a receiver, and a network that loses, doubles and reorders what is between them."""

    def __init__(self, seed=0, loss=0.0, doubled=0.0, delay=(0.01, 0.02), config=CONFIG):
        self.random, self.loss, self.doubled, self.delay = Random(seed), loss, doubled, delay
        self.outgoing, self.incoming = Outgoing(config), Incoming(config)
        self.config = config
        self.events, self.number, self.now = [], count(), 0.0
        self.arrived, self.ended, self.chunks = [], 0, 0
        self.largest_window = 0

    def carry(self, fn, message):
        for _ in range(2 if self.random.random() < self.doubled else 1):
            if self.random.random() >= self.loss:
                at = self.now + self.random.uniform(*self.delay)
                heapq.heappush(self.events, (at, next(self.number), fn, decode(encode(message))))

    def take_chunk(self, chunk):
        report, delta = self.incoming.chunk("a", chunk, self.now)
        if report:
            self.carry(self.take_report, report)
        if delta is not None:
            self.arrived.append((chunk.agent_id, delta))

    def take_report(self, report):
        self.ended += self.outgoing.received("b", report, self.now)

    def run(self, seconds, until=lambda: False):
        end = self.now + seconds
        while self.now < end and not until():
            for send in self.outgoing.ready():
                assert send.peer == "b" and len(encode(send.message)) < self.config.chunk_bytes + 100
                self.chunks += 1
                self.carry(self.take_chunk, send.message)
            if self.events and self.events[0][0] <= self.now + 0.1:
                self.now, _, fn, message = heapq.heappop(self.events)
                fn(message)
            else:
                self.now += 0.1
                self.outgoing.tick(self.now)
                self.incoming.tick(self.now)
        return until()

    def start(self, delta=DELTA, agent_id="agent"):
        return self.outgoing.start("b", agent_id, delta, self.now)


def test_a_delta_arrives_whole_once():
    line = Line()
    assert line.start() and line.outgoing.is_sending("b", "agent") and not line.outgoing.is_sending("c", "agent")
    assert line.start()  # again: it is the same one
    line.run(10)
    assert line.arrived == [("agent", DELTA)] and line.ended == 1
    assert line.chunks == 51 and not len(line.outgoing) and not len(line.incoming)
    assert not line.outgoing.is_sending("b", "agent") and not line.incoming.arriving("agent", 0.0)


@pytest.mark.parametrize("seed", range(8))
def test_a_bad_network_only_delays(seed):
    line = Line(seed, loss=0.3, doubled=0.3, delay=(0.01, 1.5))
    line.start()
    line.start(DELTA[:20_000], "other")
    line.run(400, lambda: len(line.outgoing) == 0)
    line.run(5)
    assert sorted(line.arrived) == [("agent", DELTA), ("other", DELTA[:20_000])]


def test_only_a_few_chunks_are_on_their_way():
    outgoing = Outgoing(CONFIG)
    outgoing.start("b", "agent", DELTA, 0.0)
    assert [send.message.offset for send in outgoing.ready()] == [0, 1000, 2000, 3000]
    outgoing.received("b", ChunkReceived(name_of("agent", DELTA), 2000), 0.1)
    assert [send.message.offset for send in outgoing.ready()] == [4000, 5000]


def test_it_goes_on_where_it_was_after_the_link_was_gone():
    line = Line()
    line.start()
    line.run(60, lambda: line.chunks >= 30)
    line.loss = 1.0
    line.run(15)
    line.loss = 0.0
    line.outgoing.connected("b", line.now)
    before = line.chunks
    line.run(10)
    assert line.arrived == [("agent", DELTA)]
    assert line.chunks - before <= 51 - 30 + 5


def test_a_receiver_that_forgot_gets_all_of_it_again():
    line = Line()
    line.start()
    line.run(60, lambda: line.chunks >= 30)
    line.incoming = Incoming(CONFIG)
    line.run(30)
    assert line.arrived == [("agent", DELTA)] and line.ended == 1


def test_it_is_given_up_after_a_silence_on_both_sides():
    line = Line()
    line.start()
    line.run(60, lambda: line.chunks >= 30)
    line.loss = 1.0
    line.run(CONFIG.transfer_keep + 1)
    assert not len(line.outgoing) and not len(line.incoming)
    assert line.chunks < 60 and not line.arrived


def test_a_late_chunk_does_not_begin_it_again():
    line = Line()
    line.start()
    line.run(10)
    name = name_of("agent", DELTA)
    late = Chunk(name, "agent", 0, len(DELTA), DELTA[:1000])
    assert line.incoming.chunk("a", late, line.now) == (ChunkReceived(name, len(DELTA)), None)
    assert len(line.incoming) == 0


def test_what_does_not_match_its_name_is_not_handed_out():
    incoming = Incoming(CONFIG)
    name = name_of("agent", DELTA)
    spoiled = bytes([DELTA[0] ^ 1]) + DELTA[1:]
    for offset in range(0, len(DELTA), 1000):
        chunk = Chunk(name, "agent", offset, len(DELTA), spoiled[offset : offset + 1000])
        arrival = incoming.chunk("a", chunk, 0.0)
        assert arrival.delta is None
    assert arrival.report is None and incoming.spoiled == 1 and len(incoming) == 0
    # Another peer's is another transfer, and is not spoiled by it.
    for offset in range(0, len(DELTA), 1000):
        arrival = incoming.chunk("c", Chunk(name, "agent", offset, len(DELTA), DELTA[offset : offset + 1000]), 0.0)
    assert arrival.delta == DELTA
    # Nor is one for another agent under the name of this one.
    for offset in range(0, len(DELTA), 1000):
        arrival = incoming.chunk("d", Chunk(name, "else", offset, len(DELTA), DELTA[offset : offset + 1000]), 0.0)
        assert arrival.delta is None


def test_chunks_of_another_size_fill_the_gaps():
    incoming = Incoming(CONFIG)
    name, total = name_of("agent", DELTA), len(DELTA)
    for offset in (3000, 7000, 9000):
        assert incoming.chunk("a", Chunk(name, "agent", offset, total, DELTA[offset : offset + 1000]), 0.0).report == (
            name,
            0,
        )
    ends = []
    at = 0
    while at < total:
        report, delta = incoming.chunk("a", Chunk(name, "agent", at, total, DELTA[at : at + 1700]), 0.0)
        ends.append(report.offset)
        at += 1700
    assert delta == DELTA and ends == sorted(ends) and 3000 + 1000 in ends


NAME = name_of("agent", DELTA)


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk(NAME, "agent", 0, 0, b""),
        Chunk(NAME, "agent", 0, 10, b""),
        Chunk(NAME, "agent", 5, 10, b"123456"),
        Chunk(NAME, "agent", 2**70, 10, b"1"),
        Chunk(NAME, "agent", 0, CONFIG.transfer_bytes_max + 1, b"1"),
        Chunk(NAME, "agent", 0, 2**70, b"1"),
        Chunk(b"", "agent", 0, 10, b"1"),
        Chunk(NAME + b"x", "agent", 0, 10, b"1"),
    ],
    ids=repr,
)
def test_a_senseless_chunk_does_nothing(chunk):
    incoming = Incoming(CONFIG)
    assert incoming.chunk("a", chunk, 0.0) == (None, None) and len(incoming) == 0


def test_what_is_not_whole_takes_no_more_memory_than_it_was_granted():
    incoming = Incoming(CONFIG)
    for offset in range(1, 5000):
        incoming.chunk("a", Chunk(NAME, "agent", offset, 10_000, bytes(4000)), 0.0)
    (partial,) = incoming._partials.values()
    assert sum(map(len, partial.early.values())) <= 10_000
    # Another length under the same name is not taken.
    assert incoming.chunk("a", Chunk(NAME, "agent", 0, 20_000, bytes(4000)), 0.0) == (None, None)


def test_there_is_room_for_whole_deltas_only():
    incoming = Incoming(Config(transfer_bytes_max=100_000, transfers_max=2))
    one = Chunk(b"1" * 16, "agent", 0, 60_000, b"x")
    assert incoming.chunk("a", one, 0.0).report
    assert not incoming.chunk("b", one._replace(transfer=b"2" * 16), 0.0).report
    assert incoming.chunk("b", one._replace(transfer=b"2" * 16, total=40_000), 0.0).report
    incoming.tick(60.0)
    assert len(incoming) == 0
    assert incoming.chunk("b", one, 60.0).report
    incoming = Incoming(Config(transfers_max=2))
    taken = [
        bytes([k]) * 16 for k in range(5) if incoming.chunk("a", one._replace(transfer=bytes([k]) * 16), 0.0).report
    ]
    assert len(taken) == 2


def test_only_so_many_are_sent_at_a_time():
    outgoing = Outgoing(CONFIG._replace(transfer_bytes_max=120_000))
    assert outgoing.start("b", "1", DELTA, 0.0) and outgoing.start("b", "2", DELTA[1:], 0.0)
    assert not outgoing.start("b", "3", DELTA[2:], 0.0)  # too many for this peer
    assert not outgoing.start("c", "3", DELTA[2:], 0.0)  # too many bytes
    assert outgoing.start("c", "4", DELTA[:1000], 0.0)
    outgoing.forget("b")
    assert outgoing.start("b", "3", DELTA[2:], 0.0) and len(outgoing) == 2


def test_senseless_reports_do_nothing():
    outgoing = Outgoing(CONFIG)
    outgoing.start("b", "agent", DELTA, 0.0)
    outgoing.ready()
    for transfer, offset in ((b"x" * 16, 0), (NAME, len(DELTA) + 1), (NAME, 2**70)):
        assert not outgoing.received("b", ChunkReceived(transfer, offset), 0.0)
    assert not outgoing.received("c", ChunkReceived(NAME, len(DELTA)), 0.0)
    assert len(outgoing) == 1 and not outgoing.ready()


def test_a_transfer_whose_sender_is_gone_keeps_nobody_from_being_asked():
    incoming = Incoming(CONFIG)
    outgoing = Outgoing(CONFIG)
    outgoing.start("b", "agent", DELTA, 0.0)
    first = outgoing.ready()[0].message
    assert isinstance(first, Chunk)
    incoming.chunk("a", first, 0.0)
    assert incoming.arriving("agent", 1.0)
    assert not incoming.arriving("agent", 5.0)
    assert len(incoming) == 1  # and it can still be gone on with
