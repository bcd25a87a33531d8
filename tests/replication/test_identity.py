"""Under which name a node writes: a name is continued only when nothing can have been lost or doubled."""

import shutil

import replication
from replication.identity import Identity, succeed
from tests.replication.agents import AgentState, bump, count

STORED = Identity("n", 3, "aaaaaa", "1:2", True, "f00d", 7)


def test_a_clean_close_is_continued():
    assert succeed(STORED, None, "1:2", "bbbbbb", "beef") == STORED._replace(clean=False, opens=8)
    assert succeed(STORED, "n", "1:2", "bbbbbb").writer == STORED.writer == "n~3.aaaaaa"


def test_everything_else_is_a_new_incarnation():
    for stored, name, place in (
        (STORED._replace(clean=False), None, "1:2"),  # a crash: dots may have been shown and lost
        (STORED, None, "1:3"),  # a copied or restored directory: its twin may have written on
        (STORED, "m", "1:2"),  # another name
    ):
        new = succeed(stored, name, place, "bbbbbb", "beef")
        assert new.incarnation == 4 and new.token == "bbbbbb" and new.place == place and not new.clean
        assert new.name == (name or "n") and new.writer != stored.writer
        assert (new.store, new.opens) == ("f00d", 8)  # still the same store, opened once more


def test_a_new_store_is_named_at_random_unless_told():
    assert succeed(None, None, "1:2", "bbbbbb").writer == "node-bbbbbb~1.bbbbbb"
    assert succeed(None, "n", "1:2", "bbbbbb").writer == "n~1.bbbbbb"
    assert succeed(None, "n", "1:2", "bbbbbb", "beef")[-2:] == ("beef", 1)


def writer(node):
    return node.status()["writer"]


def test_a_store_that_was_not_closed_gets_a_new_writer(path, open_node, tmp_path):
    node = open_node(flush_interval=100.0)
    node.update_state("a", bump, durable=True)
    node.update_state("a", bump)  # not on disk, and shown to the outside:
    shown = node.read_state("a").to_bytes()
    crashed = shutil.copytree(path, tmp_path / "crashed", ignore=shutil.ignore_patterns("*.sock"))
    with replication.open(crashed, schema=AgentState) as again:
        assert writer(again) != writer(node) and count(again, "a") == 1
        again.update_state("a", bump)
        state = again.read_state("a").fork("outside")
        state.merge(shown)
        assert state.value["counters"] == 3  # what was lost comes back beside what was done since


def test_a_copy_of_a_closed_store_gets_a_new_writer(path, open_node, tmp_path):
    node = open_node()
    node.update_state("a", bump)
    first = writer(node)
    node.close()
    copied = shutil.copytree(path, tmp_path / "copied")
    original, copy = open_node(), open_node(copied)
    assert writer(original) == first != writer(copy)
    for each in (original, copy):
        each.update_state("a", bump)
    state = original.read_state("a").fork("outside")
    state.merge(copy.read_state("a").to_bytes())
    assert state.value["counters"] == 3


def test_nodes_in_memory_never_share_a_writer(open_node):
    nodes = [open_node(None, name="n") for _ in range(3)]
    assert len({writer(node) for node in nodes}) == 3
