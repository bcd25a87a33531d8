"""Several processes, one directory: they share state, and nothing that one of them acknowledged is lost with it."""

import logging
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from threading import Event, Thread, Timer

import pytest
from hypothesis import given
from hypothesis import strategies as st

import replication
import replication.siblings
from crdt import Composite, GCounter
from replication.siblings import differing
from replication.storage.buckets import key_of
from replication.storage.directory import Directory
from replication.storage.reader import StoreReader
from tests.siblings.worker import count, mark

# Of the index of SQLite's log: what was committed, in two copies. https://www.sqlite.org/walformat.html 2.1
INDEX_HEADER_BYTES = 96

pytestmark = pytest.mark.no_sanitizer


def until(holds, what, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def rows(path, number):
    """How many rows a replica holds besides its commit record."""
    database = path / "replicas" / str(number) / "store.db"
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT count(*) FROM record WHERE kind > 0").fetchone()[0]
    finally:
        connection.close()


def test_two_processes_share_what_each_does(open_node, other):
    node = open_node(name="worker")
    mark(node, "a", "before", durable=True)
    second = other(name="worker")
    assert second.said == "worker-2"
    assert second("count(node, 'a')") == 1  # at once: what the directory holds is there when it opens
    mark(node, "a", "here", consistency="crdt_enhanced")
    second("mark(node, 'a', 'there', consistency='eventually_consistent')")
    until(lambda: count(node, "a") == 3 and second("count(node, 'a')") == 3, "both have both")
    assert not mark(node, "a", "known", consistency="crdt_enhanced", acks="all", timeout=20)
    assert second("[member.name for member in node.members()]") == ["worker", "worker-2"]


def test_what_a_killed_process_acknowledged_is_there_for_one_alone(open_node, other, path):
    node, second = open_node(), other()
    until(lambda: len(node.members()) == 2, "they met")
    node.close()
    for word in ("one", "two"):
        second(f"mark(node, 'a', {word!r}, durable=True)")
    second("mark(node, 'b', 'named', op_id='named', durable=True)")
    second.kill()
    assert rows(path, 2) > 0
    node = open_node(flush_interval=100.0)
    with closing(StoreReader(str(path / "store.db"))) as reader:  # it had to be here before it left there
        assert sorted(agent_id for agent_id, _ in reader.heads()) == ["a", "b"]
    assert count(node, "a") == 2 and count(node, "b") == 1
    assert mark(node, "b", "named", op_id="named") and count(node, "b") == 1
    assert rows(path, 2) == 0
    node.close()
    shutil.rmtree(path / "replicas")  # all of it has moved
    assert count(open_node(), "a") == 2


def test_the_newest_operations_are_remembered_whichever_process_served_them(open_node, other):
    first, second = other(operations_max=3), other(operations_max=3)
    for word in "abc":
        first(f"mark(node, 'a', {word!r}, op_id={word!r}, durable=True)")
    second("mark(node, 'a', 'newest', op_id='newest', durable=True)")
    third = open_node(operations_max=3)  # reads what the second has, and then the others of the first
    assert mark(third, "a", "newest", op_id="newest") and count(third, "a") == 4


def test_one_that_dies_beside_another_is_absorbed_and_no_member_any_more(open_node, other, path):
    node, second = open_node(), other()
    until(lambda: len(node.members()) == 2, "they met")
    second("mark(node, 'a', 'told to nobody', durable=True)")
    second.kill()
    until(lambda: count(node, "a") == 1 and rows(path, 2) == 0, "what it had is here")
    until(lambda: [member.state for member in node.members() if member.name == second.said] == ["left"], "it left")
    mark(node, "a", "alone", consistency="crdt_enhanced", acks="all", timeout=20)
    until(lambda: not node._driver._is_ticking, "nothing ticks any more")
    third = other()
    assert third.said == second.said and third("count(node, 'a')") == 2
    third("mark(node, 'a', 'three', durable=True)")
    writer = third("node.status()['writer']")
    third.close()  # in good order, it is absorbed as well
    until(lambda: rows(path, 2) == 0, "it was emptied")
    # Its counts are forgotten with its agents, so nobody may count on under that name.
    assert other()("node.status()['writer']") != writer


def test_who_comes_waits_for_a_replica_that_is_being_emptied(open_node, other, path):
    node, second = open_node(), other()
    until(lambda: len(node.members()) == 2, "they met")
    second.kill()
    until(lambda: [member.state for member in node.members() if member.name == second.said] == ["left"], "it left")
    emptied = node._siblings._home.take(2)
    Timer(0.5, emptied.release).start()
    assert other().said == second.said
    assert not (path / "replicas" / "3").exists()


def test_the_second_goes_on_when_the_first_dies_and_another_takes_its_place(open_node, other, path):
    first = other()
    node = open_node()
    first("mark(node, 'a', 'told to nobody', durable=True)")
    first.kill()
    until(lambda: count(node, "a") == 1, "it was read from the files of the first")
    mark(node, "a", "meanwhile", durable=True)
    again = other()
    assert again.said == first.said and again("count(node, 'a')") == 2
    assert not (path / "replicas" / "3").exists()
    until(lambda: again("len([m for m in node.members() if m.state == 'alive'])") == 2, "they met")
    again("mark(node, 'a', 'again', consistency='crdt_enhanced', acks='all', timeout=20)")
    assert count(node, "a") == 3


def test_a_node_alone_has_nothing_to_tick_for(open_node):
    node = open_node()
    until(lambda: not node._driver._is_ticking, "nothing ticks")
    assert node.address is None and node.status()["replicas"] == {"number": 1, "others": [], "absorbed": 0}


def test_another_cluster_cannot_join(open_node, other, path):
    open_node(cluster="one")
    said = other(cluster="two").said
    assert said.startswith("StoreError") and "'one'" in said and "'two'" in said and "in use" in said
    assert not (path / "replicas").exists()


def test_one_process_opens_a_directory_once(open_node, other, path):
    other()
    node = open_node()
    assert node.status()["path"] == str(path / "replicas" / "2")
    with pytest.raises(replication.StoreError, match="already open in this process"):
        open_node()
    node.close()
    assert open_node().status()["path"] == str(path / "replicas" / "2")


def test_who_wants_it_alone_is_not_joined(other, path):
    directory = Directory(path)  # as a command does that looks at a store
    try:
        assert "in use by another process" in other().said
    finally:
        directory.release()


def test_a_damaged_replica_is_left_and_told(open_node, other, path, caplog):
    node, second = open_node(), other()
    second("mark(node, 'a', 'one', durable=True)")
    node.close()
    second.kill()
    database = path / "replicas" / "2" / "store.db"
    database.write_bytes(b"damaged" + database.read_bytes()[7:])
    before = database.read_bytes()
    with caplog.at_level(logging.ERROR, "replication"):
        node = open_node()
        until(lambda: node.status()["problems"], "it is told")
    (problem,) = node.status()["problems"].values()
    assert str(path / "replicas" / "2") in problem and problem in caplog.messages
    assert database.read_bytes() == before
    mark(node, "a", "two", durable=True)


def test_a_node_of_another_schema_takes_in_what_it_does_not_know(open_node, other, path):
    node, second = open_node(), other()
    node.close()
    second("mark(node, 'a', 'one', durable=True)")
    second.kill()

    class Strange(Composite):
        other: GCounter

    with replication.open(path, schema=Strange) as node:
        assert node.read_state("a").value == {"other": 0}
    assert rows(path, 2) == 0 and count(open_node(), "a") == 1


BESIDE = """
import sys
from replication.storage.reader import StoreReader
reader = StoreReader(sys.argv[1])
print(reader.commit().number, flush=True)
sys.stdin.read()
"""


def test_a_writer_killed_within_a_commit_while_another_process_reads(open_node, other, path, root, monkeypatch):
    """What SQLite then finds depends on whether the reader is still there: a new writer must not see both."""
    from replication.storage import sqlite

    first = other()
    first("mark(node, 'a', 'one', durable=True)")
    with subprocess.Popen(
        [sys.executable, "-c", BESIDE, str(path / "store.db")],
        cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip
        assert reader.stdout.readline()
        index = path / "store.db-shm"
        before, promised = index.read_bytes()[:INDEX_HEADER_BYTES], (path / "mark").read_bytes()
        first("mark(node, 'a', 'two', op_id='two', durable=True)")
        first.kill()
        with index.open("r+b") as file:  # as if it had died before it told anybody of the last commit
            file.write(before)
        with (path / "mark").open("r+b") as file:
            file.write(promised)
        connect = sqlite.connect

        def connect_once_the_reader_is_gone(database, read_only):
            if not read_only:
                reader.kill()
                reader.wait()
            return connect(database, read_only)

        monkeypatch.setattr(sqlite, "connect", connect_once_the_reader_is_gone)
        node = open_node()
        mark(node, "a", "three", op_id="three", durable=True)
        node.close()
    assert count(open_node(), "a") == 2  # and not CorruptStore


def test_a_node_is_closed_while_it_begins_to_take_in_what_others_left(open_node, monkeypatch):
    """Its thread was waited for before it had been started, which is a RuntimeError."""
    has_begun = Event()

    class Slow(Thread):
        def start(self):
            has_begun.set()
            time.sleep(0.2)
            super().start()

    node = open_node()
    siblings = node._siblings
    monkeypatch.setattr(replication.siblings, "Thread", Slow)
    monkeypatch.setattr(siblings, "_is_due", True)
    node._runtime.call_soon(siblings.look, 1e9)
    assert has_begun.wait(20)
    node.close()
    assert not siblings._worker.is_alive()


def test_a_path_longer_than_a_socket_address(open_node, other, tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    node, second = open_node(deep), other(deep)
    second("mark(node, 'a', 'one', consistency='crdt_enhanced', acks='all', timeout=20)")
    assert count(node, "a") == 1 and not node.status()["problems"]


@given(st.dictionaries(st.text(max_size=3), st.tuples(st.binary(max_size=1), st.binary(max_size=1))))
def test_only_agents_in_another_state_are_read(agents):
    ordered = sorted(agents.items(), key=lambda item: key_of(item[0]))
    own = [(agent_id, mine) for agent_id, (mine, _) in ordered if mine]
    theirs = [(agent_id, other) for agent_id, (_, other) in ordered if other]
    assert list(differing(own, theirs)) == [each for each, (mine, other) in ordered if other and mine != other]
