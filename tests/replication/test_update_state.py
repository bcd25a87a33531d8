"""`update_state` in the reactive mode: applied or not at all, and what the result says of it."""

import copy
import pickle

import pytest

import replication
from tests.replication.agents import bump, count


def test_the_result_says_what_became_of_the_update(node):
    result = node.update_state("a", lambda s: (s.counters.increment(2), "seen")[1])
    assert result.value == "seen"
    assert (result.outcome, result.consistency, result.acks, result.replayed) == ("applied", "reactive", 0, False)
    assert result.version == node.read_state("a").version
    assert 0 < result.elapsed < 5
    assert "applied" in repr(result)
    assert pickle.loads(pickle.dumps(result)).value == copy.copy(result).value == "seen"


def test_a_node_reads_its_own_writes(node):
    for expected in range(1, 100):
        bumped = node.update_state("a", lambda s: (s.counters.increment(), s.counters.value)[1])
        assert bumped.value == expected == count(node, "a")


def test_an_update_that_raises_leaves_nothing(node):
    node.update_state("a", lambda s: (s.counters.increment(), s.config.update({"k": 1}), s.logs.append("x")))
    before = node.read_state("a")

    def half(state):
        state.counters.increment(100)
        state.config["k"] = 2
        del state.logs[0]
        state.flags.add("never")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match=r"^stop$"):
        node.update_state("a", half)
    after = node.read_state("a")
    assert after == before and after.version == before.version and after.to_bytes() == before.to_bytes()
    node.update_state("a", bump)
    assert count(node, "a") == 2


def test_an_interrupt_leaves_nothing_and_the_agent_free(node):
    def interrupted(state):
        state.counters.increment()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        node.update_state("a", interrupted)
    assert count(node, "a") == 0
    node.update_state("a", bump, timeout=1)


def test_a_durable_update_is_there_after_reopening(open_node):
    node = open_node()
    assert node.update_state("a", bump, durable=True).outcome == "durable"
    node.close()
    assert count(open_node(), "a") == 1


def test_close_flushes_what_was_not_durable_yet(open_node):
    node = open_node(flush_interval=100.0)
    for agent in range(20):
        node.update_state(f"agent-{agent}", bump)
    node.close()
    again = open_node()
    assert [count(again, f"agent-{agent}") for agent in range(20)] == [1] * 20


def test_a_durable_update_does_not_wait_for_the_interval(open_node):
    node = open_node(flush_interval=100.0)
    assert node.update_state("a", bump, durable=True, timeout=10).outcome == "durable"
    node.update_state("a", bump)
    node.flush(timeout=10)
    assert node.status()["agents_dirty"] == 0


def test_without_a_path_nothing_is_called_durable(open_node):
    node = open_node(None)
    assert node.update_state("a", bump, durable=True).outcome == "applied"
    node.flush(timeout=10)
    assert count(node, "a") == 1 and list(node.agents()) == ["a"]


def test_expected_holds_the_update_to_a_version(node):
    version = node.update_state("a", bump).version
    later = node.update_state("a", bump, expected=version).version
    with pytest.raises(replication.ConflictError, match="'a' is not at the expected version") as caught:
        node.update_state("a", bump, expected=version)
    assert caught.value.actual == later
    assert count(node, "a") == 2


def test_expected_of_an_agent_that_is_not_there(node):
    nothing = node.read_state("new").version
    node.update_state("new", bump, expected=nothing)
    with pytest.raises(replication.ConflictError):
        node.update_state("new", bump, expected=nothing)


def test_a_field_that_asks_for_more_refuses(node):
    def both(state):
        state.counters.increment()
        state.budget.increment(5)

    with pytest.raises(replication.ConsistencyError, match=r"budget.*at_least='replicated'") as caught:
        node.update_state("a", both)
    assert (caught.value.field, caught.value.at_least) == ("budget", "replicated")
    assert node.read_state("a").value["counters"] == 0
    node.update_state("a", both, consistency="replicated", fallback=("reactive",))
    value = node.read_state("a").value
    assert (value["counters"], value["budget"]) == (1, 5)


@pytest.mark.parametrize("word", ["replicated", "strong"])
def test_a_node_alone_is_the_majority(node, word):
    result = node.update_state("a", bump, consistency=word, fallback=("crdt_enhanced",))
    assert (result.outcome, result.consistency, result.acks) == ("committed", "replicated", 0)
    assert result.version == node.read_state("a").version and result.elapsed > 0
    assert count(node, "a") == 1


@pytest.mark.parametrize(
    ("word", "served"),
    [
        ("eventually_consistent", "eventually_consistent"),
        ("crdt_enhanced", "crdt_enhanced"),
        ("eventual", "crdt_enhanced"),
    ],
)
def test_a_node_alone_serves_the_modes_that_merge(node, word, served):
    result = node.update_state("a", bump, consistency=word)
    assert (result.consistency, result.outcome, result.acks) == (served, "durable", 0)
    assert node.update_state("a", bump, consistency="crdt_enhanced", acks="all").outcome == "durable"


def test_more_acknowledgements_than_there_are_others(node):
    with pytest.raises(replication.Unavailable, match="acks=1") as caught:
        node.update_state("a", bump, consistency="crdt_enhanced", acks=1)
    assert (caught.value.have, caught.value.need) == (0, 1)
    assert list(node.agents()) == []
    result = node.update_state("a", bump, consistency="crdt_enhanced", acks=1, fallback=("reactive",))
    assert (result.consistency, result.outcome) == ("reactive", "applied")


def test_fallback_may_only_be_weaker(node):
    with pytest.raises(ValueError, match="not weaker"):
        node.update_state("a", bump, fallback=("replicated",))
    with pytest.raises(ValueError, match="not a mode"):
        node.update_state("a", bump, consistency="strong", fallback=("nope",))
    with pytest.raises(TypeError, match="sequence"):
        node.update_state("a", bump, consistency="strong", fallback="reactive")


def test_an_update_that_changes_nothing_makes_no_agent(node):
    node.update_state("a", lambda s: None)
    assert list(node.agents()) == []
    node.flush()
    assert node.status()["flush"]["rows"] == 0


def test_agents_come_each_once_in_a_stable_order(open_node):
    node = open_node()
    names = ["b", "a", "ü", "a\0b", "\U0001f600", "zz", "Z"]
    for name in names[:4]:
        node.update_state(name, bump, durable=True)
    for name in names:
        node.update_state(name, bump)
    order = list(node.agents())
    assert sorted(order) == sorted(names)
    node.close()
    again = open_node()
    assert list(again.agents()) == order and count(again, "a\0b") == 2
