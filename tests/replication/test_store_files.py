"""Opening: what is in use, not ours, read-only or in the way is told at `open`, and touched by nothing."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import replication
from replication.storage.buckets import key_of
from replication.storage.journal import unpack
from tests.replication.agents import AgentState, bump, count


def refused(path, *words):
    with pytest.raises(replication.StoreError) as caught:
        replication.open(path, schema=AgentState)
    for word in words:
        assert word in str(caught.value), f"{caught.value} lacks {word!r}"
    assert caught.value.path
    return caught.value


def test_a_second_node_in_this_process(path, open_node):
    node = open_node()
    node.update_state("a", bump)
    refused(path, "already open in this process", "share that node")
    (path.parent / "link").symlink_to(path)
    refused(path.parent / "link", "already open in this process")
    node.update_state("a", bump, durable=True)
    node.close()
    assert count(open_node(), "a") == 2


HOLDER = """
import sys
from replication.storage.directory import Directory
directory = Directory(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.no_sanitizer
def test_another_process_that_wants_it_alone_and_its_death(path, root, open_node):
    node = open_node()
    node.update_state("a", bump)
    node.close()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "open\n"
        refused(path, "in use by another process", f"process {holder.pid}")
        refused(path, "in use by another process")  # looking did not release it
        holder.kill()
    assert count(open_node(), "a") == 1


def test_a_file_in_the_place_of_the_directory(tmp_path):
    (tmp_path / "store").write_text("mine")
    refused(tmp_path / "store", "is a file, not a directory")
    refused(tmp_path / "store" / "below", "")
    assert (tmp_path / "store").read_text() == "mine"


def test_a_directory_of_something_else(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    refused(tmp_path, "not a store", "'photo.jpg'", "empty directory")
    assert os.listdir(tmp_path) == ["photo.jpg"]


def test_a_hidden_file_is_no_stranger(tmp_path, open_node):
    (tmp_path / ".gitkeep").touch()
    open_node(tmp_path).update_state("a", bump)


def test_a_database_of_something_else(tmp_path):
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.execute("CREATE TABLE mine(x)")
    connection.close()
    before = (tmp_path / "store.db").read_bytes()
    refused(tmp_path, "not a file of this library", "another directory")
    (tmp_path / "store.db").write_bytes(b"just text, no database at all")
    refused(tmp_path, "not a file of this library")
    (tmp_path / "store.db").write_bytes(before)
    refused(tmp_path, "was not touched")
    assert (tmp_path / "store.db").read_bytes() == before


READ_ONLY = """
import os, sys, replication, replication.storage.sqlite
from tests.replication.agents import AgentState
if os.getuid() == 0:  # the rights of files do not bind the superuser
    os.setuid(65534)
for path in sys.argv[1:]:
    try:
        replication.open(path, schema=AgentState)
    except replication.StoreError as error:
        print("StoreError", error)
"""


@pytest.mark.no_sanitizer
def test_a_directory_that_cannot_be_written(root):
    with tempfile.TemporaryDirectory() as top:
        path = Path(top) / "store"
        with replication.open(path, schema=AgentState) as node:
            node.update_state("a", bump)
        Path(top).chmod(0o755)
        path.chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, str(path), str(path / "deeper")]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.splitlines()
        assert "cannot write to the directory" in first and "another path" in first
        assert "cannot make the directory" in second
        path.chmod(0o755)


def test_a_half_made_database_is_made_anew(path, open_node):
    path.mkdir()
    (path / "lock").touch()
    (path / "mark").touch()
    (path / "store.db.new").write_bytes(b"killed while it was made")
    node = open_node()
    node.update_state("a", bump)
    node.close()
    assert sorted(os.listdir(path)) == ["lock", "mark", "store.db"]


def test_a_store_of_a_newer_version(path, monkeypatch):
    import replication.storage.layout as layout

    monkeypatch.setattr(layout, "FORMAT", 2)
    replication.open(path, schema=AgentState).close()
    monkeypatch.undo()
    error = refused(path, "newer version")
    assert not isinstance(error, replication.CorruptStore)


def test_the_name_is_kept_and_can_be_changed(open_node):
    node = open_node(name="first")
    assert node.name == "first" and node.members()[0][:3] == ("first", None, "alive")
    node.update_state("a", bump)
    node.close()
    node = open_node()
    assert node.name == "first" and "~1." in node.status()["writer"]
    node.update_state("a", bump)
    assert len(node.read_state("a").version) == 1  # a clean close: the same writer goes on
    node.close()
    node = open_node(name="second")
    node.update_state("a", bump)
    assert node.name == "second" and len(node.read_state("a").version) == 2 and count(node, "a") == 3


def test_a_failed_open_leaves_the_directory_free(path, monkeypatch, open_node):
    import replication.storage.sqlite as sqlite

    def fail(*_):
        raise RuntimeError("planted")

    monkeypatch.setattr(sqlite, "verify_through", fail)
    with pytest.raises(RuntimeError, match="planted"):
        open_node()
    monkeypatch.undo()
    open_node().update_state("a", bump, durable=True)


def test_what_lies_on_disk_can_be_looked_at(path, open_node):
    node = open_node()
    node.update_state("agent-1", bump, durable=True)
    connection = sqlite3.connect(path.joinpath("store.db").as_uri() + "?mode=ro", uri=True)
    query = "SELECT data FROM record WHERE kind = 4"
    ((journal_row,),) = connection.execute(query).fetchall()
    assert [part.agent_id for part in unpack(journal_row)] == ["agent-1"]
    connection.close()
    node.update_state("agent-1", bump, durable=True)
    node.close()  # moves what is in the journal to rows of the agents
    connection = sqlite3.connect(path / "store.db")
    query = "SELECT id, number, length(digest) FROM record WHERE kind = 1"
    assert connection.execute(query).fetchall() == [(key_of("agent-1"), number, 16) for number in (0, 1)]
    connection.close()


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_both_kinds_of_durability_survive_reopening(open_node, durability):
    node = open_node(durability=durability)
    for _ in range(50):
        node.update_state("a", bump, durable=True)
    node.close()
    assert count(open_node(durability=durability), "a") == 50
