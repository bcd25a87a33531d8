"""The journal of small parts: a store says the same with it as one in memory, whenever it is looked at, and by whom."""

import random
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.errors import CorruptStore
from replication.identity import succeed
from replication.storage import Batch, Part
from replication.storage.journal import PART_BYTES_MAX, Journal
from replication.storage.memory import MemoryStorage
from replication.storage.reader import StoreReader
from replication.storage.sqlite import SQLiteStorage
from replication.storage.verify import connect

AGENTS = 12


def opened(path, journal_bytes):
    return SQLiteStorage(path, "n", "aaaaaa", "os", 1 << 20, journal_bytes)


class Writer:
    """Writes the same batches into a store on disk and one in memory."""

    def __init__(self, path, journal_bytes):
        self.path, self.journal_bytes = path, journal_bytes
        self.disk = opened(path, journal_bytes)
        self.model = MemoryStorage(succeed(None, "n", "", "aaaaaa"))
        self.numbers = dict.fromkeys((f"agent-{k}" for k in range(AGENTS)), 0)

    def write(self, seed, count):
        rng = random.Random(seed)
        parts = []
        for agent_id in rng.sample(sorted(self.numbers), count):
            number = self.numbers[agent_id]
            self.numbers[agent_id] += 1
            size = rng.choice((0, 20, 100, PART_BYTES_MAX, PART_BYTES_MAX + 1, 40_000 if rng.random() < 0.1 else 9))
            parts.append(
                Part(agent_id, number, rng.randbytes(size), number == 0 or rng.random() < 0.1, rng.randbytes(16))
            )
        for storage in (self.disk, self.model):
            storage.write(Batch(parts))

    def reopen(self, clean):
        self.disk.close(clean)
        self.disk = opened(self.path, self.journal_bytes)

    def compare(self, storage):
        heads = dict(self.model.heads())
        assert dict(storage.heads()) == heads
        for agent_id in self.numbers:
            assert storage.load(agent_id) == self.model.load(agent_id)

    def compare_all(self):
        self.compare(self.disk)
        with closing(StoreReader(f"{self.path}/store.db")) as reader:
            self.compare(reader)
        assert self.disk.sums() == self.model.sums()
        assert self.disk.agent_count() == self.model.agent_count()
        for first in (0, 20_000, 50_000):
            assert list(self.disk.heads(first, first + 15_000)) == list(self.model.heads(first, first + 15_000))
        for agent_id in self.numbers:
            assert self.disk.digest(agent_id) == self.model.digest(agent_id)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 1 << 30), st.integers(0, AGENTS)),
        st.tuples(st.just("reopen"), st.booleans()),
    ),
    min_size=1,
    max_size=12,
)


@given(steps, st.sampled_from([0, 200, 5000, 1 << 20]))
def test_with_the_journal_a_store_says_the_same(tmp_path_factory, steps, journal_bytes):
    writer = Writer(str(tmp_path_factory.mktemp("journal")), journal_bytes)
    with closing(StoreReader(f"{writer.path}/store.db")) as reader:
        for step, *arguments in steps:
            getattr(writer, step)(*arguments)
            writer.compare_all()
            writer.compare(reader)  # one that has seen what was moved since
    writer.disk.close(clean=False)


def test_what_was_moved_leaves_nothing_behind(tmp_path):
    writer = Writer(str(tmp_path), 2000)
    for seed in range(200):
        writer.write(seed, AGENTS)
    connection = connect(f"{tmp_path}/store.db", read_only=True)
    count, size = connection.execute("SELECT count(*), sum(length(data)) FROM record WHERE kind = 4").fetchone()
    assert 0 < count < 30 and size < 100_000
    writer.reopen(clean=True)
    assert connection.execute("SELECT count(*) FROM record WHERE kind = 4").fetchone() == (0,)
    connection.close()
    writer.compare_all()


def test_many_parts_of_an_agent_move_into_few_rows(tmp_path):
    storage = opened(tmp_path, 100_000)
    for number in range(100):
        parts = [Part(f"agent-{k}", number, bytes(50), number == 0, bytes(16)) for k in range(10)]
        storage.write(Batch(parts))
    storage.close(clean=True)
    connection = connect(f"{tmp_path}/store.db", read_only=True)
    assert connection.execute("SELECT count(*) FROM record WHERE kind = 1").fetchone()[0] <= 20
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET data = substr(data, 2) WHERE kind = 4",
        "UPDATE record SET number = number + 1 WHERE kind = 4",
        "UPDATE record SET kind = 3 WHERE kind = 4",
        "DELETE FROM record WHERE kind = 4",
    ],
)
def test_a_changed_journal_is_damage(tmp_path, statement):
    writer = Writer(str(tmp_path), 1 << 20)
    writer.write(1, AGENTS)
    writer.disk.close(clean=False)
    connection = connect(f"{tmp_path}/store.db", read_only=False)
    assert connection.execute(statement).rowcount == 1
    connection.close()
    with pytest.raises(CorruptStore):
        opened(tmp_path, 1 << 20)


def test_a_missing_part_is_found_though_every_row_is_whole(tmp_path):
    """As a bug of ours could leave it: no checksum can tell."""
    journal = Journal()
    moves = journal.plan([Part(f"agent-{k}", 3, b"delta", False, bytes(16)) for k in range(20)], 1 << 20)
    journal.done(moves, 1)
    storage = opened(tmp_path, 1 << 20)
    storage.write(Batch(moves.taken))
    with pytest.raises(CorruptStore, match="agent-5"):
        storage.load("agent-5")
    storage.close(clean=False)
