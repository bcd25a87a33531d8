"""Sessions that repair an agent: what they cost, what they withstand, and that they end."""

from random import Random

import pytest

from crdt import LWWMap, ORSet
from crdt.repair import Sketch
from replication.config import Config
from replication.messages import (
    RepairAnswer,
    RepairChunk,
    RepairChunkReceived,
    RepairEnd,
    RepairEntries,
    RepairMore,
    RepairOffer,
    RepairSymbols,
)
from replication.repair.core import REASONS, Repairs
from tests.sync.ward import AGENT, Ward

KEY = bytes(range(16))


def two_lives(entries, different, lives=2):
    """States of one version; each has as many entries that no other has."""
    first = LWWMap("w")
    first.update({f"key {k}": k for k in range(entries)})
    states = [first, *(first.fork("w") for _ in range(lives - 1))]
    for number, state in enumerate(states):
        state.update({f"only {number} {k}": k for k in range(different)})
    return states


def repaired(ward):
    return ward.run(60, lambda: ward.are_equal() and not any(node.count("sessions") for node in ward.nodes.values()))


def test_two_states_of_one_version_become_equal_in_one_round_trip():
    ward = Ward(two_lives(1000, 5))
    assert ward["a"].begin("b")
    assert repaired(ward)
    assert ward.kinds() == ["RepairOffer", "RepairAnswer", "RepairEntries"]
    assert len(ward["a"].state) == 1010
    assert ward["a"].ended == [(AGENT, "b", "repaired")] and ward["b"].ended == [(AGENT, "a", "repaired")]


@pytest.mark.parametrize("different", [50, 100])
def test_two_hundred_differences_cost_less_than_four_kilobytes_beside_the_entries(different):
    ward = Ward(two_lives(5000, different))
    ward["a"].begin("b")
    assert repaired(ward)
    entries = sum(len(getattr(message, "entries", b"")) for *_, message, _ in ward.log)
    assert ward.bytes() - entries <= 3700, ward.bytes() - entries
    assert len(ward.log) == 3


def test_what_one_session_missed_another_one_under_another_key_repairs(monkeypatch):
    """As when the hash of an entry of one side is that of an entry of the other, or a cell tells what is not there."""
    keys = []

    class Misled:
        def __init__(self, state, key):
            self._sketch, self.version = Sketch(state, key), state.version
            keys.append(key)

        def __len__(self):
            return len(self._sketch)

        def symbols(self, first, count):
            return self._sketch.symbols(first, count)

        def difference(self, *batches):
            found = self._sketch.difference(*batches)
            if found is None or len(set(keys)) > 1:
                return found
            return found[0][1:], [*found[1][1:], 1]

    monkeypatch.setattr("replication.repair.reconcile.Sketch", Misled)
    ward = Ward(two_lives(1000, 5))
    ward["a"].begin("b")
    ward.run(5)
    assert ward.differ("a", "b") and [len(node.state) for node in ward.nodes.values()] == [1009, 1009]
    ward.compare("a", "b")
    assert repaired(ward)
    assert len(set(keys)) == 2 and len(ward["a"].state) == 1010


def test_both_may_begin_and_one_session_is_enough():
    ward = Ward(two_lives(100, 5))
    ward["a"].begin("b")
    ward["b"].begin("a")
    assert repaired(ward)
    assert ward.kinds().count("RepairOffer") == 2 and ward.kinds().count("RepairAnswer") == 1


def test_who_is_not_asked_for_symbols_twice_over_sends_them_once():
    ward = Ward(two_lives(3000, 400), doubled=1.0)
    ward["a"].begin("b")
    assert repaired(ward)
    assert "RepairMore" in ward.kinds()
    assert ward["a"].count("failed") == ward["b"].count("failed") == 0
    assert ward["b"].count("answered") == 1


def test_what_is_too_large_for_a_message_goes_in_chunks():
    ward = Ward(two_lives(0, 3000), chunk_bytes=4096, loss=0.05, seed=3)
    assert ward.run(200, lambda: ward["a"].begin("b") and ward.run(25, ward.are_equal))
    assert max(size for *_, size in ward.log) <= 4096 + 100
    assert {"RepairChunk", "RepairChunkReceived"} <= set(ward.kinds())


@pytest.mark.parametrize("lost", [RepairOffer, RepairAnswer, RepairEntries])
def test_a_lost_message_costs_the_session_and_another_mends_it(lost):
    ward = Ward(two_lives(100, 5))
    ward.lose = lambda sender, receiver, message: isinstance(message, lost)
    ward["a"].begin("b")
    ward.run(30)
    assert not ward["a"].count("sessions") and not ward["b"].count("sessions")
    ward.lose = lambda *_: False
    ward.compare("a", "b")
    assert repaired(ward)


def test_a_peer_that_never_answers_is_tried_ever_less():
    ward = Ward(two_lives(100, 5), repair_timeout=1.0)
    ward.lose = lambda sender, receiver, message: receiver == "b"
    for _ in range(3000):
        ward.compare("a", "b")
        ward.run(0.2)
    assert 5 <= ward.kinds().count("RepairOffer") <= 20
    assert ward["a"].count("silent") == ward.kinds().count("RepairOffer") - ward["a"].count("sessions")


def test_a_peer_that_repairs_differently_is_given_up_and_it_is_said():
    ward = Ward(two_lives(100, 5))
    stubborn = ward["b"].state.to_bytes()

    def forgetful(agent_id, peer, act):
        act(ward["b"].state)
        ward["b"].state = LWWMap.from_bytes(stubborn)
        return 0.0

    ward["b"].repairs._treat = forgetful
    for _ in range(3000):
        ward.compare("a", "b")
        ward.run(0.2)
    assert ward.kinds().count("RepairOffer") <= 5
    assert (AGENT, "b", "given up") in ward["a"].ended


def test_what_was_given_up_is_tried_again_once_the_state_is_another():
    ward = Ward(two_lives(100, 5, lives=3))
    ward.lose = lambda sender, receiver, message: isinstance(message, RepairEntries) and receiver == "b"
    one = LWWMap.from_bytes(ward["a"].state.to_bytes())
    ward["a"].begin("b")
    ward.run(30)
    assert ward["b"].state != ward["a"].state and ward["a"].state != one
    for _ in range(2000):
        ward.compare("a", "b")
        ward.run(0.2)
    assert (AGENT, "b", "given up") in ward["a"].ended
    ward.lose = lambda *_: False
    ward.compare("a", "c")
    ward.run(5)
    assert not ward.differ("a", "c")
    for _ in range(400):
        ward.compare("a", "b")
        ward.run(0.2)
    assert not ward.differ("a", "b")


def test_states_that_are_no_more_of_one_version_are_left_to_deltas():
    ward = Ward(two_lives(100, 5))
    ward["a"].begin("b")
    ward["b"].state["later"] = 1
    before = ward["b"].state.to_bytes()
    ward.run(5)
    assert ward["b"].count("stale") == ward["a"].count("stale") == 1
    assert ward["b"].state.to_bytes() == before


def test_equal_states_end_it_before_it_begins():
    ward = Ward(two_lives(10, 0))
    ward["a"].begin("b")
    ward.run(5)
    assert ward.kinds() == ["RepairOffer", "RepairEnd"] and ward["a"].count("equal") == 1


def test_a_busy_agent_is_waited_for():
    ward = Ward(two_lives(100, 5))
    ward["b"].is_busy = True
    ward["a"].begin("b")
    ward.run(3)
    assert ward["b"].count("sessions") == 1 and ward.differ("a", "b")
    ward["b"].is_busy = False
    assert repaired(ward)
    ward["a"].begin("b")


def test_an_agent_that_is_always_busy_ends_the_session():
    ward = Ward(two_lives(100, 5))
    ward["b"].is_busy = True
    ward["a"].begin("b")
    ward.run(30)
    assert not ward["a"].count("sessions") and not ward["b"].count("sessions")


def test_repairs_take_a_tenth_of_a_nodes_time():
    ward = Ward(two_lives(50, 2), repairs_max=100)
    for node in ward.nodes.values():
        node.step_seconds = 0.05
    for _ in range(200):
        ward["a"].begin("b")
        ward["a"].repairs._tries.clear()
        ward["a"].state, ward["b"].state = two_lives(50, 2)
        ward.run(0.1)
    for node in ward.nodes.values():
        assert 5 < len(node.steps) * 0.05 / 20 * 100 <= 12, len(node.steps)


def test_sessions_are_bounded_and_no_peer_has_them_all():
    ward = Ward(two_lives(10, 1, lives=3), repairs_max=4)
    a = ward["a"]
    a.is_busy = True
    for k in range(10):
        a.hear("b", RepairOffer(bytes([k]) * 16, f"{AGENT} {k}", b"", b"", b""))
    assert a.count("sessions") == 2 and a.count("no_room") == 8
    assert a.begin("c") and a.count("sessions") == 3
    a.repairs.peers(("c",), 0.0)
    assert a.count("sessions") == 1


def hostile():
    version = ORSet("w").version.to_bytes()
    for key in (b"", b"short", bytes(17)):
        yield RepairOffer(key, AGENT, version, b"", b"")
    for symbols in (b"", b"junk", bytes(1000)):
        yield RepairOffer(KEY, AGENT, version, b"d" * 16, symbols)
    yield RepairOffer(KEY, AGENT, b"no version", b"", b"")
    yield RepairOffer(KEY, "nobody", version, b"", b"")
    yield RepairMore(KEY, 1 << 40)
    yield RepairSymbols(KEY, b"")
    yield RepairAnswer(KEY, b"", b"1234567", False)
    yield RepairEntries(KEY, b"")
    yield RepairEnd(KEY, "a reason of another release")
    yield RepairChunk(bytes(16), AGENT, 0, 4, b"junk")
    yield RepairChunkReceived(bytes(16), 1 << 40)


@pytest.mark.parametrize("message", list(hostile()), ids=lambda message: f"{type(message).__name__} {message!r:.60}")
@pytest.mark.parametrize("begun", ["", "here", "there"])
def test_a_senseless_message_changes_nothing_and_leaves_nothing_behind(message, begun):
    state, other = ORSet("w"), ORSet("w")
    if begun:
        state.add(1)
        other.add(2)
    before = state.to_bytes()

    def treat(agent_id, peer, act):
        act(state if agent_id == AGENT else None)
        return 0.0

    repairs = Repairs("a", treat, Config(), Random(1), lambda *_: None)
    repairs.peers(("b",), 0.0)
    if begun == "here":
        repairs.begin("b", AGENT, 0.0)
        session = repairs.ready().send[0].message.session
    elif begun == "there":
        peer = Repairs("b", lambda _, __, act: act(other) or 0.0, Config(), Random(1), lambda *_: None)
        peer.begin("a", AGENT, 0.0)
        offer = peer.ready().send[0].message
        repairs.step("b", offer, 0.0)
        session = offer.session
    if begun and hasattr(message, "session"):
        message = message._replace(session=session)
    repairs.step("b", message, 0.0)
    repairs.tick(100.0)
    assert repairs.status()["sessions"] == 0
    assert state.to_bytes() == before
    assert all(send.peer == "b" for send in repairs.ready().send)
    assert set(REASONS) <= {word.replace("_", " ") for word in repairs.status()}
