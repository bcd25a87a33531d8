"""The log on disk: whatever was written, cut and restarted, what is read is what a naive model has."""

from random import Random

import msgpack
import pytest

from replication.message_fields import MessageError
from replication.raft.configuration import Configuration
from replication.raft.log import CONFIGURATION, DATA, NOOP, Entry
from replication.raft.messages import Snapshot
from replication.raft.ready import Saved, Write
from replication.storage import Record
from replication.strong.journal import Base, RecordLog, read

FIRST = Configuration(("a", "b", "c"))


class Model:
    """What a disk holds, said plainly; and the records that stand for it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.term, self.vote = 0, ""
        self.entries: dict[int, Entry] = {}
        self.base = Base(Snapshot(0, 0, FIRST, b""), b"", 0, 0)
        self.records: list[Record] = []
        self.log = RecordLog(1)
        self.asked: list[str] = []
        self.writes = 0
        self.trimmed = 0

    @property
    def last(self) -> int:
        return max(self.entries, default=self.base.snapshot.last_index)

    def draw_entries(self) -> tuple[Entry, ...]:
        draw = self.random
        return tuple(
            Entry(self.term, draw.choice((NOOP, DATA, CONFIGURATION)), draw.randbytes(draw.randrange(20)))
            for _ in range(draw.randrange(4))
        )

    def draw_snapshot(self, index: int) -> Snapshot:
        return Snapshot(index, self.term, Configuration(("a", "b")), self.random.randbytes(8))

    def write(self) -> None:
        """Entries at the end, or over some that are not committed; perhaps with a term and a vote."""
        draw = self.random
        if draw.random() < 0.4:
            self.term, self.vote = self.term + draw.randrange(3), draw.choice(("", "a", "b"))
        first = draw.randint(self.base.snapshot.last_index + 1, self.last + 1)
        self.put(first, None)

    def install(self) -> None:
        """A snapshot from elsewhere, in place of all entries."""
        self.term = max(self.term, 1)
        index = self.last + self.random.randint(1, 5)
        base = Base(self.draw_snapshot(index), self.random.randbytes(5), index, self.term)
        self.base, self.entries = base, {}
        self.put(index + 1, base)

    def put(self, first: int, base: Base | None) -> None:
        self.writes += 1
        entries = self.draw_entries()
        snapshot = None if base is None else base.snapshot
        self.records.append(self.log.write(Write(self.writes, self.term, self.vote, snapshot, first, entries), base))
        if entries:
            self.entries = {index: each for index, each in self.entries.items() if index < first}
            self.entries |= dict(enumerate(entries, first))

    def ask(self) -> None:
        """Operations that are put to the group."""
        op_ids = [self.random.randbytes(4).hex() for _ in range(self.random.randint(1, 3))]
        self.asked += op_ids
        self.records.append(self.log.asked(op_ids))

    def snapshot(self) -> None:
        """One of the own state, some of whose entries are kept; records that are not needed go, now or never."""
        draw, old = self.random, self.base
        if self.last == old.snapshot.last_index:
            return
        index = draw.randint(old.snapshot.last_index + 1, self.last)
        offset = draw.randint(old.offset, index)
        term = self.entries[offset].term if offset > old.offset else old.offset_term
        self.base = Base(self.draw_snapshot(index), draw.randbytes(5), offset, term)
        self.entries = {index: each for index, each in self.entries.items() if index > offset}
        undecided = [each for each in self.asked if draw.random() < 0.5]
        self.records += self.log.base(self.base, self.term, self.vote, undecided)
        if draw.random() < 0.8:
            self.asked = undecided
            below = self.log.trim(offset)
            self.trimmed += sum(record.number < below for record in self.records)
            self.records = [record for record in self.records if record.number >= below]

    def saved(self) -> Saved:
        entries = tuple(self.entries[index] for index in sorted(self.entries))
        base = self.base
        return Saved(
            self.term, self.vote, base.snapshot, base.offset, base.offset_term, entries, base.snapshot.last_index
        )

    def check(self) -> RecordLog:
        start, log = read(self.records, FIRST)
        assert start.saved == self.saved()
        assert start.machine == self.base.machine
        assert start.asked >= set(self.asked), "what has no verdict is remembered"
        return log


@pytest.mark.parametrize("seed", range(40))
def test_what_is_read_is_what_was_written(seed: int) -> None:
    random = Random(seed)
    model = Model(random)
    for _ in range(60):
        what = random.random()
        if what < 0.6:
            model.write()
        elif what < 0.7:
            model.ask()
        elif what < 0.85:
            model.snapshot()
        elif what < 0.92:
            model.install()
        else:  # a restart
            model.log = model.check()
        model.check()
    numbers = [record.number for record in model.records]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), "in order, without gaps"
    assert model.trimmed > 0


def test_records_do_not_gather() -> None:
    model = Model(Random(1))
    for _ in range(50):
        for _ in range(10):
            model.write()
            model.ask()
        model.base = Base(model.draw_snapshot(model.last), b"machine", model.last, model.term)
        model.entries = {}
        model.asked = model.asked[-1:]
        model.records += model.log.base(model.base, model.term, model.vote, model.asked)
        below = model.log.trim(model.base.offset)
        model.records = [record for record in model.records if record.number >= below]
        assert len(model.records) < 70, "of what was written over since, a little stays until the next"
        model.check()
        assert len(read(model.records, FIRST)[0].asked) < 100


def test_a_node_without_records_begins_with_the_members_it_was_given() -> None:
    start, log = read([], FIRST)
    assert start.saved == Saved(0, "", Snapshot(0, 0, FIRST, b""))
    assert start.machine == b""
    assert log.write(Write(1, 1, "a", None, 1, ()), None).number == 1


def test_a_log_in_which_nothing_is_but_what_was_asked_has_no_members_yet() -> None:
    """Who is to vote at first is in the first record of a base."""
    log = RecordLog(1)
    _, log = read([log.asked(["once"])], FIRST)
    assert log.is_new
    records = [*log.base(Base(Snapshot(0, 0, FIRST, b""), b"", 0, 0), 0, "")]
    assert not log.is_new and records[0].number == 2
    assert not read(records, FIRST)[1].is_new


def test_the_members_of_a_snapshot_count_and_not_those_that_were_given() -> None:
    log = RecordLog(1)
    others = Configuration(("x",), (), ("y",))
    start, _ = read(log.base(Base(Snapshot(5, 1, others, b"id"), b"machine", 5, 1), 1, "x"), FIRST)
    assert start.saved.snapshot.configuration == others


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"w" + msgpack.packb([]),
        b"w" + msgpack.packb([1, "a", [], 1, [[1, 2]]]),
        b"w" + msgpack.packb([-1, "a", [], 1, []]),
        b"w" + msgpack.packb([1, b"a", [], 1, []]),
        b"w" + msgpack.packb(7),
        b"w",
        b"w\xc1",
        b"w" + msgpack.packb([1, "a", [], 1, []]) + b"\0",
        b"w" + msgpack.packb({(): 1})[:-1] + b"\x80",
        b"a" + msgpack.packb([[1]]),
        b"a" + msgpack.packb(["once"]),
        b"b" + msgpack.packb([[1, 1, [["a"], [], [], []]], b"", 0, 0]),
    ],
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        read([Record(1, data)], FIRST)


def test_a_damaged_record_is_read_or_refused_and_nothing_else() -> None:
    random = Random(3)
    model = Model(random)
    for _ in range(30):
        model.write()
        model.snapshot()
    refused = 0
    for _ in range(500):
        records = list(model.records)
        place = random.randrange(len(records))
        data = bytearray(records[place].data)
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        records[place] = Record(records[place].number, bytes(data))
        try:
            read(records, FIRST)
        except MessageError:
            refused += 1
    assert refused


def test_a_gap_is_refused() -> None:
    """Among the records, and among the entries: a log that lacks one is none."""
    log = RecordLog(1)
    entry = Entry(1, DATA, b"x")
    one, two, three = (log.write(Write(k, 1, "", None, k, (entry,)), None) for k in (1, 2, 3))
    read([one, two, three], FIRST)
    with pytest.raises(MessageError, match="record 3 comes after record 1"):
        read([one, three], FIRST)
    with pytest.raises(MessageError, match="lacks an entry"):
        read([one, three._replace(number=2)], FIRST)
