"""What anti-entropy needs of a storage: digests in the order of the buckets, their sums, and notes."""

import sqlite3
from pathlib import Path
from random import Random

import pytest

from replication.errors import CorruptStore
from replication.identity import succeed
from replication.storage import Batch, Note, Part, Record
from replication.storage.buckets import BUCKETS, bucket_of, key_of, sums_of
from replication.storage.memory import MemoryStorage
from replication.storage.sqlite import SQLiteStorage


def on_disk(path, durability="fsync"):
    return SQLiteStorage(path, "n", "aaaaaa", durability, 1 << 20, 1 << 20)


@pytest.fixture(params=["memory", "sqlite"])
def storage(request, tmp_path):
    made = MemoryStorage(succeed(None, "n", "", "aaaaaa")) if request.param == "memory" else on_disk(tmp_path / "store")
    yield made
    made.close(clean=True)


def reopened(storage):
    """The same storage after a restart; one in memory has none."""
    if storage.path is None:
        return storage
    storage.close(clean=True)
    storage.__init__(storage.path, None, "bbbbbb", "fsync", 1 << 20, 1 << 20)
    return storage


def bytes_read():
    """Bytes that this process read from files."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def digest(k):
    return Random(k).randbytes(16)


def test_an_agent_is_loaded_as_it_was_written(storage):
    for size in (0, 1, 1024, 1025, 5000):
        whole, first, second = (Random(size + k).randbytes(size) for k in range(3))
        storage.write(Batch([Part(f"agent-{size}", 0, whole, True, digest(1))]))
        assert storage.load(f"agent-{size}") == ([whole], 1, digest(1))
        held = storage.load(f"agent-{size}")
        storage.write(Batch([Part(f"agent-{size}", 1, first, False, digest(2))]))
        storage.write(Batch([Part(f"agent-{size}", 2, second, False, digest(3))]))
        assert held.parts == [whole]
        assert storage.load(f"agent-{size}") == ([whole, first, second], 3, digest(3))
        storage.write(Batch([Part(f"agent-{size}", 3, second, True, digest(4))]))
        assert storage.load(f"agent-{size}") == ([second], 4, digest(4))
        assert storage.digest(f"agent-{size}") == digest(4)
    assert storage.load("another") == ([], 0, b"")


def test_heads_and_sums_follow_the_newest_parts(storage):
    rng = Random(3)
    newest = {}
    numbers = dict.fromkeys([f"agent-{k}" for k in range(300)] + ["é", "a\0b", "\U0001f600"], 0)
    for round_ in range(5):
        batch = Batch()
        for agent_id in rng.sample(sorted(numbers), 100):
            newest[agent_id] = digest(rng.random())
            snapshot = numbers[agent_id] == 0 or rng.random() < 0.2
            data = rng.randbytes(rng.choice((0, 10, 5000)))
            batch.parts.append(Part(agent_id, numbers[agent_id], data, snapshot, newest[agent_id]))
            numbers[agent_id] += 1
        storage.write(batch)
        if round_ in (1, 3):
            reopened(storage)
        expected = sorted(newest.items(), key=lambda head: key_of(head[0]))
        assert list(storage.heads()) == expected
        assert list(storage.agents()) == [agent_id for agent_id, _ in expected]
        for bucket in (0, BUCKETS - 1, *map(bucket_of, rng.sample(sorted(numbers), 5))):
            assert list(storage.heads(bucket, bucket + 1)) == [
                head for head in expected if bucket_of(head[0]) == bucket
            ]
        first, beyond = sorted(rng.sample(range(BUCKETS), 2))
        assert list(storage.heads(first, beyond)) == [head for head in expected if first <= bucket_of(head[0]) < beyond]
        assert storage.sums() == sums_of(newest.items()) == storage.sums()
        for agent_id in rng.sample(sorted(newest), 5):
            assert storage.load(agent_id).digest == storage.digest(agent_id) == newest[agent_id]
    assert (
        storage.load("nowhere") == ([], 0, b"")
        and storage.digest("nowhere") == b""
        and storage.agent_count() == len(newest)
    )


def test_the_first_and_the_last_bucket(monkeypatch, storage):
    for module in ("buckets", "memory"):
        monkeypatch.setattr(f"replication.storage.{module}.bucket_of", lambda agent_id: int(agent_id[3:]))
    for bucket in (0, BUCKETS - 1):
        storage.write(Batch([Part(f"in-{bucket}", 0, b"x", True, digest(bucket))]))
        assert list(storage.heads(bucket, bucket + 1)) == [(f"in-{bucket}", digest(bucket))]
    assert [agent_id for agent_id, _ in storage.heads()] == ["in-0", "in-65535"]


def test_many_agents_of_one_bucket_and_more_than_one_read_brings(monkeypatch, storage):
    for module in ("buckets", "memory"):
        monkeypatch.setattr(f"replication.storage.{module}.bucket_of", lambda _: 7)
    agent_ids = sorted(f"agent-{k}" for k in range(2500))
    storage.write(Batch([Part(agent_id, 0, b"", True, digest(agent_id)) for agent_id in agent_ids]))
    assert (
        list(storage.heads(7, 8)) == list(storage.heads()) == [(agent_id, digest(agent_id)) for agent_id in agent_ids]
    )
    assert not list(storage.heads(0, 7)) and not list(storage.heads(8, BUCKETS)) and not list(storage.heads(7, 7))


def test_notes_are_kept_replaced_and_removed(storage):
    storage.write(Batch(notes=[Note("term", b"1"), Note("vote", b"a"), Note("term", b"2")]))
    assert storage.notes() == {"term": b"2", "vote": b"a"}
    assert reopened(storage).notes() == {"term": b"2", "vote": b"a"}
    storage.write(Batch(notes=[Note("vote", b""), Note("term", b"3"), Note("nothing", b"")]))
    storage.write(Batch([Part("a", 0, b"x", True, digest(1))], notes=[Note("new", bytes(70_000))]))
    assert storage.notes() == {"term": b"3", "new": bytes(70_000)}
    assert reopened(storage).notes() == {"term": b"3", "new": bytes(70_000)}
    assert storage.load("a").parts == [b"x"]


def test_records_are_kept_in_order_and_go_from_the_front(storage):
    records = [Record(number, bytes([number]) * (number * 3000)) for number in range(1, 13)]
    for record in records:
        storage.write(Batch(records=[record]))
    assert reopened(storage).records() == records
    storage.write(Batch(records_below=5))
    storage.write(Batch([Part("a", 0, b"x", True, digest(1))], records=[Record(13, b"")], records_below=9))
    assert reopened(storage).records() == [*records[8:], Record(13, b"")]
    storage.write(Batch(records_below=14))
    assert reopened(storage).records() == [] and storage.load("a").parts == [b"x"]


def test_a_digest_is_read_without_the_data_beside_it(tmp_path):
    storage = on_disk(tmp_path)
    for k in range(20):
        storage.write(Batch([Part(f"agent-{k}", 0, bytes(1 << 20), True, digest(k))]))
    storage.close(clean=True)
    storage = on_disk(tmp_path)

    before = bytes_read()
    assert dict(storage.heads()) == {f"agent-{k}": digest(k) for k in range(20)}
    assert bytes_read() - before < 1 << 20
    storage.close(clean=True)


def test_a_write_beside_large_data_does_not_read_it(tmp_path):
    storage = on_disk(tmp_path)
    storage.write(Batch([Part(f"agent-{k}", 0, b"small", True, digest(k)) for k in range(100)]))
    storage.write(Batch([Part("large", 0, bytes(8 << 20), True, digest(1))]))
    storage.rest(idle=True)
    before = bytes_read()
    for number in range(1, 10):
        storage.write(Batch([Part("large", number, b"small", False, digest(number))]))
        storage.load("agent-1")
    assert bytes_read() - before < 1 << 20
    assert [len(part) for part in storage.load("large").parts] == [8 << 20, *[5] * 9]
    storage.close(clean=True)


def test_large_data_that_is_replaced_leaves_nothing_behind(tmp_path):
    storage = on_disk(tmp_path)
    for number in range(6):
        parts = [Part(f"agent-{k}", number, bytes([number]) * 50_000, number % 2 == 0, digest(k)) for k in range(3)]
        storage.write(Batch(parts, notes=[Note("note", bytes([number]) * (50_000 if number % 2 else 5))]))
    storage.write(Batch([Part("agent-0", 6, b"small", True, digest(0))]))
    assert storage.load("agent-0").parts == [b"small"]
    assert storage.load("agent-1").parts == [bytes([4]) * 50_000, bytes([5]) * 50_000]
    assert storage.notes() == {"note": bytes([5]) * 50_000}
    storage.close(clean=True)
    connection = sqlite3.connect(tmp_path / "store.db")
    assert connection.execute("SELECT count(*) FROM aside").fetchone() == (2 * 2 + 1,)
    connection.close()
    storage = on_disk(tmp_path)
    assert storage.notes() == {"note": bytes([5]) * 50_000} and len(storage.load("agent-2").parts) == 2
    storage.close(clean=True)


def test_a_changed_digest_and_a_changed_note_are_damage(tmp_path):
    for number, statement in enumerate(
        [
            "UPDATE record SET digest = zeroblob(16) WHERE kind = 1",
            "UPDATE record SET digest = x'00' || digest WHERE kind = 1",
            "UPDATE record SET digest = x'', data = digest || data WHERE kind = 1",
            "UPDATE record SET digest = substr(digest, 1, 15), data = substr(digest, 16) || data WHERE kind = 1",
            "UPDATE record SET digest = NULL WHERE kind = 1",
            "UPDATE record SET data = x'01' WHERE kind = 3",
            "UPDATE record SET digest = substr(data, 1, 1), data = substr(data, 2) WHERE kind = 3",
            "UPDATE record SET id = 'note-2' WHERE kind = 3",
            "DELETE FROM record WHERE kind = 3",
            "DELETE FROM aside",
            "UPDATE aside SET data = zeroblob(50000)",
            "UPDATE aside SET data = 'text'",
            "UPDATE record SET data = NULL WHERE typeof(data) = 'integer'",
            "UPDATE record SET data = data + 1 WHERE typeof(data) = 'integer'",
        ]
    ):
        path = tmp_path / str(number)
        storage = on_disk(path)
        storage.write(Batch([Part("a", 0, b"data", True, digest(1))], notes=[Note("note", b"data")]))
        if "aside" in statement or "integer" in statement:
            storage.write(Batch([Part("a", 1, bytes(50_000) + b"x", True, digest(1))]))
        storage.close(clean=True)
        connection = sqlite3.connect(path / "store.db")
        assert connection.execute(statement).rowcount == 1
        connection.commit()
        connection.close()
        with pytest.raises(CorruptStore):
            on_disk(path)


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_a_store_keeps_its_name_and_counts_its_openings(tmp_path, durability):
    seen = []
    for clean in (True, False, True):
        storage = on_disk(tmp_path, durability)
        seen.append(storage.identity)
        storage.close(clean)
    assert len({identity.store for identity in seen}) == 1 and len(seen[0].store) == 16
    assert [identity.opens for identity in seen] == [1, 2, 3]
    assert [identity.incarnation for identity in seen] == [1, 1, 2]
    other = on_disk(tmp_path / "other")
    assert other.identity.store != seen[0].store and other.identity.opens == 1
    other.close(clean=True)
