"""`crdt_enhanced`: what is sent to whom, what an acknowledgement means, and what becomes of what is lost."""

import pytest

from replication.config import Config
from replication.core import Tell, Told
from replication.messages import Chunk, Deltas, Kept, Stored, decode
from tests.merge.peers import Network, merge_network


def deltas(network: Network) -> list[Deltas]:
    return [message for _, _, message in network.sent if isinstance(message, Deltas)]


def test_a_change_goes_straight_to_every_other_node() -> None:
    network = merge_network("abcd")
    network.nodes["a"].add("agent", 1)
    network.deliver()
    assert [1 in node.state("agent") for node in network.nodes.values()] == [True] * 4
    assert len(deltas(network)) == 3


def test_a_delta_of_several_chunks_sets_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = merge_network("abc", Config(chunk_bytes=1000))
    a, text = network.nodes["a"], "x" * 5000
    with monkeypatch.context() as patch:
        patch.setattr(a, "act", lambda: None)
        a.add("agent", text)
    ready = a.core.ready()
    assert {send.peer for send in ready.send if isinstance(getattr(send, "message", None), Chunk)} == {"b", "c"}
    for send in ready.send:
        network.send("a", send)
    network.run(1.0)
    assert all(text in node.state("agent") for node in network.nodes.values())


def test_without_acks_the_caller_is_told_at_once() -> None:
    network = merge_network()
    ticket = network.nodes["a"].add("agent", 1)
    assert network.nodes["a"].settled == [ticket]


@pytest.mark.parametrize(("acks", "needed"), [(1, 1), (2, 2), ("majority", 2), ("all", 4)])
def test_a_caller_is_told_when_as_many_have_it_as_it_asked_for(acks: int | str, needed: int) -> None:
    network = merge_network("abcde")
    ticket = network.nodes["a"].add("agent", 1, acks)
    answered = 0
    while not network.nodes["a"].settled:
        source, target, payload = network.under_way.pop(0)
        answered += target == "a"
        network.nodes[target].receive(source, decode(payload))
    assert len(ticket.acked) == answered == needed


def test_one_that_cannot_land_is_not_acknowledged_and_is_repaired() -> None:
    network = merge_network("ab")
    a, b = network.nodes["a"], network.nodes["b"]
    network.cut = {("a", "b")}
    a.add("agent", 1)
    network.cut = set()
    ticket = a.add("agent", 2, "all")
    network.deliver()
    assert not ticket.acked
    assert a.repairs == []  # what it builds on may be on its way
    network.run(0.5)
    assert ("b", "agent") in a.repairs
    b.state("agent").merge(a.state("agent").to_bytes())  # as the repair does
    network.run(3.0)
    assert ticket.acked == {"b"}


def test_an_answer_from_before_it_was_made_again_under_its_former_names_does_not_count() -> None:
    network = merge_network("ab")
    a, b = network.nodes["a"], network.nodes["b"]
    ticket = a.add("agent", 1, "all")
    source, _, payload = network.under_way.pop()
    b.receive(source, decode(payload))
    a.core.rewritten("agent", a.state("agent").version, 0)
    network.deliver()
    assert not ticket.acked
    network.run(8.0)
    assert ticket.acked == {"b"}


def test_a_lost_acknowledgement_is_asked_for_again() -> None:
    network = merge_network("ab")
    network.cut = {("b", "a")}
    ticket = network.nodes["a"].add("agent", 1, "all")
    network.deliver()
    assert 1 in network.nodes["b"].state("agent")
    network.run(2.0)
    assert not ticket.acked
    network.cut = set()
    network.run(8.0)
    assert ticket.acked == {"b"}
    assert network.nodes["a"].repairs == []


def test_doubled_and_shuffled_messages_count_once() -> None:
    network = merge_network(seed=3, twice=0.5, shuffles=True)
    tickets = [network.nodes["abc"[k % 3]].add("agent", k, "all") for k in range(60)]
    network.run(20.0)
    for node in network.nodes.values():
        for peer, agent_id in node.repairs:
            network.nodes[peer].state(agent_id).merge(node.state(agent_id).to_bytes())
    network.run(20.0)
    assert all(len(ticket.acked) == 2 for ticket in tickets)
    assert len({node.state("agent").digest() for node in network.nodes.values()}) == 1


def test_a_peer_that_takes_nothing_costs_names_and_not_bytes() -> None:
    config = Config(channel_bytes_max=10_000, behind_max=50)
    network = merge_network("ab", config)
    network.cut = {("a", "b")}
    for k in range(500):
        network.nodes["a"].add(f"agent-{k}", "x" * 200)
    status = network.nodes["a"].core.status()
    assert status["peers"]["b"]["bytes_in_flight"] <= 10_000
    assert status["peers"]["b"]["agents_behind"] <= 50
    assert status["no_room"] > 400


def test_a_caller_that_gave_up_is_forgotten() -> None:
    network = merge_network("ab")
    network.cut = {("a", "b")}
    ticket = network.nodes["a"].add("agent", 1, "all")
    error = ticket.give_up(1.0)
    assert "none did" in str(error)
    assert "on this node's disk" in str(error)
    network.run(0.2)
    assert network.nodes["a"].core.status()["callers_waiting"] == 0


def test_a_member_that_leaves_is_not_waited_for() -> None:
    network = merge_network("abc")
    network.cut = {("a", "c")}
    core = network.nodes["a"].core
    replicas = ["b", "c"]
    core._replicas = lambda: tuple(replicas)
    ticket = network.nodes["a"].add("agent", 1, "all")
    network.deliver()
    assert network.nodes["a"].settled == []
    replicas.remove("c")
    core.peers(("b",), network.now)
    network.nodes["a"].act()
    assert network.nodes["a"].settled == [ticket]


def test_a_peer_that_comes_back_is_asked_about_what_callers_wait_for() -> None:
    network = merge_network("ab")
    a, b = network.nodes["a"], network.nodes["b"]
    a.core.peers((), 0.0)
    ticket = a.add("agent", 1, "all")
    b.state("agent").merge(a.state("agent").to_bytes())
    a.core.peers(("b",), network.now)
    network.run(1.0)
    assert ticket.acked == {"b"}


def test_a_forged_acknowledgement_is_nobodys() -> None:
    network = merge_network("ab")
    ticket = network.nodes["a"].add("agent", 1, "all")
    network.under_way.clear()
    network.nodes["a"].receive("b", Stored((Kept(12345, ()),)))
    network.nodes["a"].receive("stranger", Stored((Kept(7, ()),)))
    assert not ticket.acked


def test_many_changes_go_in_messages_of_bounded_size() -> None:
    network = merge_network("ab", Config(message_bytes_max=5_000))
    a = network.nodes["a"]
    for k in range(100):
        state = a.state(f"agent-{k}")
        state.add("x" * 500)
        a.core.told(Told(Tell("b", f"agent-{k}", state.version), state.to_bytes(), state.version), 0.0)
    a.act()
    network.deliver()
    assert len(deltas(network)) == 10
    assert all(sum(len(item.delta) for item in message.items) < 6_000 for message in deltas(network))
    assert len(network.nodes["b"].states) == 100


def test_an_answer_from_before_an_absence_counts_for_nothing_of_now() -> None:
    network = merge_network("ab")
    a = network.nodes["a"]
    a.add("agent", 1)
    network.deliver()
    old = next(message for source, _, message in network.sent if source == "b" and isinstance(message, Stored))
    a.core.peers((), network.now)
    a.core.peers(("b",), network.now)
    network.cut = {("a", "b")}
    ticket = a.add("agent", 2, "all")
    a.receive("b", old)
    assert not ticket.acked


def test_a_caller_is_not_forgotten_when_the_names_of_the_behind_are_too_many() -> None:
    network = merge_network("ab", Config(behind_max=2))
    a, b = network.nodes["a"], network.nodes["b"]
    network.cut = {("a", "b")}
    ticket = a.add("waited for", 1, "all")
    for k in range(5):
        a.add(f"agent-{k}", 1)
    network.run(1.5)
    network.cut = set()
    b.state("waited for").merge(a.state("waited for").to_bytes())
    network.run(15.0)
    assert ticket.acked == {"b"}


def test_an_empty_message_leaves_nothing_behind() -> None:
    network = merge_network("ab")
    for sequence in range(100):
        network.nodes["a"].receive("b", Deltas(sequence, (), False))
    assert network.nodes["a"].core._missing == {}


def test_everybody_who_is_behind_gets_asked_about_in_turn() -> None:
    network = merge_network("ab", Config(behind_asked_max=1))
    a, b = network.nodes["a"], network.nodes["b"]
    network.cut = {("a", "b")}
    never = a.add("never there", 1, "all")
    ticket = a.add("there", 1, "all")
    network.run(1.5)
    network.cut = set()
    b.state("there").merge(a.state("there").to_bytes())
    network.run(15.0)
    assert ticket.acked == {"b"} and not never.acked
