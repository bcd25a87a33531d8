"""`read_state`: a view or a copy, never a way to change what the node keeps."""

import pytest

from crdt import CRDTError
from tests.replication.agents import bump, count


def test_a_copy_is_independent_and_read_only(node):
    node.update_state("a", lambda s: s.config.update({"k": [1]}))
    copy = node.read_state("a")
    with pytest.raises(TypeError):
        copy.config["k"] = 2
    node.update_state("a", lambda s: s.config.update({"k": [2]}))
    assert copy.value["config"] == {"k": [1]} and node.read_state("a").value["config"] == {"k": [2]}


def test_a_view_gives_its_result_and_takes_no_change(node):
    node.update_state("a", bump)
    assert node.read_state("a", lambda s: s.counters.value + 1) == 2
    with pytest.raises(CRDTError):
        node.read_state("a", bump)
    node.update_state("a", bump)
    assert count(node, "a") == 2


def test_a_view_that_raises_leaves_the_agent_writable(node):
    node.update_state("a", bump)
    with pytest.raises(ZeroDivisionError):
        node.read_state("a", lambda s: 1 // 0)
    node.update_state("a", bump, timeout=1)


def test_an_unknown_agent_is_empty_and_stays_unknown(node):
    state = node.read_state("never")
    assert state.value["counters"] == 0 and len(state.version) == 0
    with pytest.raises(TypeError):
        state.counters.increment()
    assert node.read_state("never", lambda s: len(s.logs)) == 0
    assert list(node.agents()) == [] and node.status()["agents_in_memory"] == 0


def test_a_live_state_does_not_leave(node):
    node.update_state("a", bump)
    for leak in (lambda s: s, lambda s: s.counters):
        with pytest.raises(TypeError, match="live"):
            node.read_state("a", leak)


def test_every_mode_reads_what_a_node_alone_has(node):
    node.update_state("a", bump)
    for word in ("reactive", "eventually_consistent", "crdt_enhanced", "eventual", "replicated", "strong"):
        assert node.read_state("a", lambda s: s.counters.value, consistency=word) == 1
    with pytest.raises(ValueError, match="crdt_enhanced"):
        node.read_state("a", consistency="linearizable")


def test_the_copy_can_be_forked_and_merged_back_by_hand(node):
    node.update_state("a", bump)
    fork = node.read_state("a").fork("elsewhere")
    fork.counters.increment(5)
    assert fork.value["counters"] == 6 and count(node, "a") == 1
