"""Damage anywhere in any file of a store: it opens with all that was promised, or says where it is damaged."""

import random
import shutil
from pathlib import Path

import pytest

import replication
from replication.storage.wal import first_bad_frame
from tests.replication.agents import AgentState, bump

FLIPS_PER_FILE = 70


def contents(path):
    """Every agent's digest and every remembered operation, as a reader finds them."""
    with replication.open(path, schema=AgentState) as node:
        agents = {agent_id: node.read_state(agent_id).digest() for agent_id in node.agents()}
        operation = node.update_state("ops", bump, op_id="x1")
        return agents, (operation.replayed, operation.value)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Two stores with the same contents: one closed, one as SIGKILL leaves it, with a log. And the contents."""
    top = tmp_path_factory.mktemp("damage")
    rng = random.Random(7)
    with replication.open(top / "closed", schema=AgentState, checkpoint_bytes=40_000) as node:
        node.update_state("ops", lambda s: (bump(s), "done")[1], op_id="x1")
        for k in range(60):
            agent_id = f"agent-{rng.randrange(12)}"
            node.update_state(agent_id, lambda s, k=k: (bump(s), s.logs.append(k), s.config.update({str(k): "v" * 9})))
            if k % 3 == 0:
                node.flush()
        node.update_state("big", lambda s: s.config.update({"blob": bytes(range(256)) * 100}), durable=True)
    with replication.open(top / "closed", schema=AgentState) as node:
        for k in range(6):
            node.update_state(f"agent-{k}", bump, durable=True)
        shutil.copytree(top / "closed", top / "killed", ignore=shutil.ignore_patterns("*.sock"))
    expected = contents(shutil.copytree(top / "closed", top / "look"))
    assert (top / "killed" / "store.db-wal").stat().st_size > 0
    assert contents(shutil.copytree(top / "killed", top / "look2")) == expected
    assert len(expected[0]) > 10 and expected[1] == (True, "done")
    return {"closed": top / "closed", "killed": top / "killed"}, expected


def opens_right_or_refuses(original: Path, damage, expected, directory: Path) -> str:
    """Damage a copy and open it; whether it opened."""
    shutil.copytree(original, directory)
    try:
        damage(directory)
        before = {file.name: file.read_bytes() for file in directory.iterdir()}
        try:
            found = contents(directory)
        except replication.CorruptStore as error:
            assert error.path is not None and error.path.startswith(str(directory)), error
            assert error.offset >= 0 and str(error)
            for name in ("store.db", "store.db-wal", "mark"):
                if name in before:
                    assert (directory / name).read_bytes() == before[name], f"{name} was changed: {error}"
            return "refused"
        assert found == expected
        return "opened"
    finally:
        shutil.rmtree(directory)


def offsets(path: Path, count: int, rng: random.Random) -> list[int]:
    """All of the first bytes of the file and of some pages, and a sample of the rest."""
    size = path.stat().st_size
    likely = [*range(0, 100, 3), *(page + byte for page in range(0, size, 4096) for byte in (0, 1, 3, 5, 7, 8, 9, 12))]
    chosen = rng.sample(likely, min(len(likely), count // 2)) + [rng.randrange(size) for _ in range(count // 2)]
    return [offset for offset in chosen if offset < size]


@pytest.mark.parametrize(
    ("state", "file"),
    [("closed", file) for file in ("store.db", "mark", "lock")]
    + [("killed", file) for file in ("store.db", "store.db-wal", "store.db-shm", "mark", "lock")],
)
def test_a_flipped_bit(stores, state, file, tmp_path):
    originals, expected = stores
    original = originals[state]
    rng = random.Random(11)
    outcomes = []
    for offset in offsets(original / file, FLIPS_PER_FILE, rng):
        bit = 1 << rng.randrange(8)

        def flip(directory, offset=offset, bit=bit):
            data = bytearray((directory / file).read_bytes())
            data[offset] ^= bit
            (directory / file).write_bytes(data)

        try:
            outcomes.append(opens_right_or_refuses(original, flip, expected, tmp_path / "copy"))
        except BaseException as error:
            raise AssertionError(f"bit {bit:#x} of byte {offset} of {file}: {error!r}") from error
    if file == "store.db":
        assert "refused" in outcomes
    if file in ("store.db-shm", "mark", "lock"):
        assert "refused" not in outcomes  # made anew; one slot is left; a remark only


@pytest.mark.parametrize("file", ["store.db", "store.db-wal", "mark"])
@pytest.mark.parametrize("kind", ["cut", "zeros", "noise", "gone"])
def test_a_torn_file(stores, file, kind, tmp_path):
    originals, expected = stores
    original = originals["killed"]
    rng = random.Random(13)
    size = (original / file).stat().st_size
    for round_ in range(1 if kind == "gone" else 15):
        start = 0 if round_ == 0 else rng.randrange(size)
        noise = rng.randbytes(512)

        def tear(directory, start=start, noise=noise):
            path = directory / file
            data = path.read_bytes()
            if kind == "gone":
                path.unlink()
            elif kind == "cut":
                path.write_bytes(data[:start])
            else:
                patch = (bytes(512) if kind == "zeros" else noise)[: size - start]
                path.write_bytes(data[:start] + patch + data[start + len(patch) :])

        try:
            opens_right_or_refuses(original, tear, expected, tmp_path / "copy")
        except BaseException as error:
            raise AssertionError(f"{kind} at byte {start} of {file}: {error!r}") from error


def test_the_place_is_named(stores, tmp_path):
    originals, _ = stores
    log = "store.db-wal"
    directory = shutil.copytree(originals["killed"], tmp_path / "copy")
    assert first_bad_frame(str(directory / log)) is None
    data = bytearray((directory / log).read_bytes())
    frame = 32 + 3 * (24 + 4096)
    data[frame + 24 + 1000] ^= 1
    (directory / log).write_bytes(data)
    with pytest.raises(replication.CorruptStore, match=f"breaks off at byte {frame}") as caught:
        replication.open(directory, schema=AgentState)
    assert (caught.value.path, caught.value.offset) == (str(directory / log), frame)

    directory = shutil.copytree(originals["closed"], tmp_path / "copy2")
    data = bytearray((directory / "store.db").read_bytes())
    where = data.index(b"v" * 9)
    data[where] ^= 4
    (directory / "store.db").write_bytes(data)
    with pytest.raises(replication.CorruptStore, match="does not match its checksum") as caught:
        replication.open(directory, schema=AgentState)
    assert 0 < caught.value.offset <= where and "restore a backup" in str(caught.value)


def test_a_schema_that_does_not_even_decode(stores, tmp_path):
    """SQLite quotes the damaged name in its message, and Python cannot decode the message."""
    originals, expected = stores

    def spoil(directory):
        data = bytearray((directory / "store.db").read_bytes())
        data[data.index(b"recordrecord") + 4] = 0x99
        (directory / "store.db").write_bytes(data)

    assert opens_right_or_refuses(originals["closed"], spoil, expected, tmp_path / "copy") == "refused"


def test_a_part_that_vanished_is_noticed(stores, tmp_path):
    """What no checksum of a single row can find: the row is not there any more."""
    import sqlite3

    originals, _ = stores
    directory = shutil.copytree(originals["closed"], tmp_path / "copy")
    connection = sqlite3.connect(directory / "store.db")
    connection.execute("DELETE FROM record WHERE id LIKE '%agent-3'")
    connection.commit()
    connection.close()
    with pytest.raises(replication.CorruptStore, match="rows where"):
        replication.open(directory, schema=AgentState)


def test_another_schema_does_not_spoil_the_store(stores, tmp_path):
    from crdt import Composite, LWWRegister

    class Other(Composite):
        counters: LWWRegister

    originals, expected = stores
    directory = shutil.copytree(originals["closed"], tmp_path / "copy")
    try:
        with replication.open(directory, schema=Other) as node:
            node.read_state("agent-0")
    except replication.CorruptStore:
        pass
    assert contents(directory) == expected
