"""The log of strong updates on a real disk: torn and damaged anywhere, what is read is what was synced, or nothing is.

It lies in SQLite, whose own log a write goes to first. So it is that file that is cut here, zeroed and damaged: in the
suite at every sixteenth byte of a page and at every byte before it; at every single one with EVERY_BYTE=1.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

import replication
from replication.raft.configuration import Configuration
from replication.raft.log import DATA, Entry
from replication.raft.ready import Write
from replication.storage import Batch, Record
from replication.storage.mark import CommitMark
from replication.storage.sqlite import SQLiteStorage
from replication.storage.verify import verify
from replication.strong.journal import RecordLog, read
from tests.replication.agents import AgentState, bump

FOUNDERS = Configuration(("a", "b", "c"))
SYNCED = 12
HEADER, FRAME = 32, 24 + 4096
WAL = "store.db-wal"
STEP = 1 if "EVERY_BYTE" in os.environ else 16


class Log:
    """The files of a node's disk in the moment in which the last of some commits was synced.

    before  how long SQLite's log was before that commit
    records what was given to the disk
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "store"
        storage = SQLiteStorage(directory / "open", "a", "aaaaaa", "fsync", 4 << 20, 1 << 20)
        log, self.records = RecordLog(1), list[Record]()
        for number in range(1, SYNCED + 2):
            entry = Entry(1, DATA, bytes([number]) * 40)
            self.records.append(log.write(Write(number, 1, "b", None, number, (entry,)), None))
            self.before = Path(f"{storage._database}-wal").stat().st_size
            if number > SYNCED:
                self._copy_before_the_mark(storage)
            storage.write(Batch(records=self.records[-1:]))
        storage._release()

    def _copy_before_the_mark(self, storage: SQLiteStorage) -> None:
        """The commit is in SQLite's log, and whoever wrote it has not come to note that it is."""
        assert storage._mark is not None
        note = storage._mark.write

        def copied(number: int) -> None:
            shutil.copytree(storage.path, self.directory, ignore=shutil.ignore_patterns("*-shm"), dirs_exist_ok=True)
            note(number)

        storage._mark.write = copied  # type: ignore[method-assign]

    @property
    def wal(self) -> bytes:
        return (self.directory / WAL).read_bytes()

    def recovered(self, wal: bytes) -> list[Record]:
        """What a node that starts with that log reads. CorruptStore if it does not start."""
        database = self.directory / "store.db"
        (self.directory / f"{database.name}-shm").unlink(missing_ok=True)
        (self.directory / WAL).write_bytes(wal)
        mark = CommitMark(str(self.directory / "mark"))
        try:
            return verify(str(database), mark.read()).records
        finally:
            mark.close()

    def lag(self) -> None:
        """Have the mark be as old as it may be after a power cut: it is synced when the node rests."""
        mark = CommitMark(str(self.directory / "mark"))
        for number in (0, 1):
            mark.write(number)
        mark.close()


def torn(wal: bytes, offset: int) -> Iterable[bytes]:
    """Cut there; and made longer, as file systems do, before it was filled."""
    return wal[:offset], wal[:offset] + bytes(len(wal) - offset)


def test_a_torn_last_record_costs_nothing_that_was_synced(tmp_path: Path) -> None:
    """etcd#6378, #14098, PySyncObj#197: at every byte of it, the log is what was synced, with the last or without."""
    log = Log(tmp_path)
    whole = log.wal
    assert len(whole) - log.before == FRAME and log.recovered(whole) == log.records
    for offset in [*range(log.before, log.before + 24), *range(log.before + 24, len(whole), STEP)]:
        for wal in torn(whole, offset):
            found = log.recovered(wal)
            assert found in (log.records[:SYNCED], log.records), offset
            assert len(found) == SYNCED or wal == whole
    start, records = read(found, FOUNDERS)
    assert [entry.data[0] for entry in start.saved.entries] == list(range(1, SYNCED + 1))
    assert (start.saved.term, start.saved.vote) == (1, "b")
    assert records.write(Write(1, 1, "b", None, SYNCED + 1, ()), None).number == SYNCED + 1


@pytest.mark.parametrize("lags", [False, True])
def test_damage_before_the_last_sync_is_not_taken_for_a_torn_end(tmp_path: Path, lags: bool) -> None:
    """FAST'18 "Protocol-Aware Recovery", Jepsen on NATS 2.12.1: who lacks what it promised must not vote."""
    log = Log(tmp_path)
    whole = log.wal
    if lags:
        log.lag()
    places = [
        frame + place
        for frame in range(HEADER, log.before, FRAME)
        for place in (*range(0, 24, 4), *range(24, FRAME, 40 * STEP))
    ]
    refused = 0
    for offset in [*range(0, HEADER, 3), *places]:
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        try:
            found = log.recovered(bytes(damaged))
        except replication.CorruptStore as error:
            refused += 1
            assert error.path is not None and error.path.startswith(str(log.directory))
        else:
            assert found == log.records, offset
    assert refused > len(places) // 2


def test_a_log_cut_before_the_last_sync_is_refused(tmp_path: Path) -> None:
    log = Log(tmp_path)
    whole = log.wal
    for offset in range(0, log.before, 70 * STEP):
        for wal in torn(whole, offset):
            with pytest.raises(replication.CorruptStore, match="promised"):
                log.recovered(wal)


def test_damage_in_the_database_is_found(tmp_path: Path) -> None:
    """Where records lie once SQLite's log was folded into it. Its pages have no checksums: each row has its own."""
    directory, log, records = tmp_path / "store", RecordLog(1), list[Record]()
    storage = SQLiteStorage(directory, "a", "aaaaaa", "fsync", 4 << 20, 1 << 20)
    for number in range(1, SYNCED):
        records.append(log.write(Write(number, 1, "b", None, number, (Entry(1, DATA, bytes([number]) * 99),)), None))
        storage.write(Batch(records=records[-1:]))
    storage.close(clean=True)
    database = directory / "store.db"
    whole, mark = database.read_bytes(), CommitMark(str(directory / "mark"))
    try:
        for number in range(1, SYNCED):
            for offset in (0, 50, 98):
                damaged = bytearray(whole)
                damaged[whole.index(bytes([number]) * 99) + offset] ^= 1 << offset % 8
                database.write_bytes(damaged)
                with pytest.raises(replication.CorruptStore, match="does not match its checksum"):
                    verify(str(database), mark.read())
    finally:
        mark.close()


def test_a_voter_with_a_damaged_log_does_not_start(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    with replication.open(directory, schema=AgentState, name="a") as node:
        for _ in range(3):
            node.update_state("x", bump, "replicated")
        copy = shutil.copytree(directory, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock", "*-shm"))
    wal = bytearray((copy / WAL).read_bytes())
    wal[len(wal) // 2] ^= 1
    (copy / WAL).write_bytes(wal)
    with pytest.raises(replication.CorruptStore, match="commits were promised"):
        replication.open(copy, schema=AgentState)
    assert (copy / WAL).read_bytes() == wal


@pytest.mark.parametrize("data", [b"w", b"w\xc1", b"x\x90", b"w\x95\x01\xa1a\x90\x01\x90\x00"])
def test_records_that_cannot_be_read_name_the_store(tmp_path: Path, data: bytes) -> None:
    """Whole, by their checksum, and of no version of this library that is known here."""
    directory = tmp_path / "store"
    with replication.open(directory, schema=AgentState, name="a") as node:
        node.update_state("x", bump, "replicated")
    storage = SQLiteStorage(directory, "a", "aaaaaa", "fsync", 4 << 20, 1 << 20)
    storage.write(Batch(records=[Record(storage.records()[-1].number + 1, data)]))
    storage.close(clean=True)
    for _ in range(2):
        with pytest.raises(replication.CorruptStore, match="log of strong updates") as caught:
            replication.open(directory, schema=AgentState)
        assert caught.value.path == str(directory) and "open it with the version" in str(caught.value)


def test_a_log_that_was_begun_anew_is_read_up_to_what_is_left_of_the_one_before(tmp_path: Path) -> None:
    """Once folded, SQLite's log is written over from its start: beyond its end lie whole commits of before."""
    storage = SQLiteStorage(tmp_path / "open", "a", "aaaaaa", "fsync", 64 << 10, 1 << 20)
    log, sizes = RecordLog(1), []
    for number in range(1, 60):
        entry = Entry(1, DATA, bytes([number]) * 400)
        storage.write(Batch(records=(log.write(Write(number, 1, "b", None, number, (entry,)), None),)))
        storage.rest(idle=False)
        sizes.append(Path(f"{storage._database}-wal").stat().st_size)
        if number % 4 == 3:
            copy = tmp_path / f"copy {number}"
            shutil.copytree(storage.path, copy, ignore=shutil.ignore_patterns("*-shm"))
            mark = CommitMark(str(copy / "mark"))
            records = verify(str(copy / "store.db"), mark.read()).records
            mark.close()
            assert [record.number for record in records][-1] == number
    assert sizes[-1] == sizes[-20] > 64 << 10, "it is written over"
    storage._release()
