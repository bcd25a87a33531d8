"""Agents that differ at equal versions: found, repaired, kept, and said, by real nodes in a simulated world."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from replication.links.handshake import HEADER_BYTES, is_greeting
from replication.messages import (
    Check,
    Deltas,
    Heads,
    Holdings,
    InSync,
    RepairAnswer,
    RepairEnd,
    RepairEntries,
    RepairOffer,
    Stored,
    Sums,
    decode,
)
from replication.simulation import Cluster, Conditions
from replication.storage import Batch, Part
from tests.simulation.test_cluster import Votes, like


def call(names: set[Any]) -> Any:
    return lambda state: state.names.update(names)


def names(cluster: Cluster) -> list[set[Any]]:
    return cluster.values("post", lambda state: state.names.value)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Four nodes that hold ten names."""
    cluster = Cluster(Votes, "abcd", seed=1)
    cluster["a"].update_state("post", call(set(range(10))), "crdt_enhanced")
    cluster.run_until_quiet()
    yield cluster
    cluster.close()


def test_nodes_that_differ_at_one_version_end_with_all_that_any_of_them_had(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    version = cluster["a"].read_state("post").version
    for name in "abc":
        cluster.damage(name, "post", call({f"only {name}"}))
    assert not cluster.converged()
    with caplog.at_level(logging.WARNING, "replication"):
        cluster.run_until_quiet(60.0)
    assert names(cluster) == [{*range(10), "only a", "only b", "only c"}] * 4
    assert cluster["d"].read_state("post").version == version
    assert "agent 'post'" in caplog.text and "a replica id that was given out twice" in caplog.text
    for name in cluster.names:
        status = cluster[name].status()
        assert status["repair"]["repaired"] >= 1 and not status["repair"]["given_up"]
        assert "both hold what either had" in status["problems"]["diverged post"]
    cluster.run(10.0)
    assert not any(cluster[name].status()["sync"]["diverged"] for name in cluster.names)


def test_what_was_repaired_is_what_the_disks_have(cluster: Cluster) -> None:
    cluster.damage("b", "post", call({"only b"}))
    cluster.run_until_quiet(60.0)
    for name in cluster.names:
        cluster.crash(name)
    for name in cluster.names:
        cluster.restart(name)
        assert "only b" in cluster[name].read_state("post").names
        cluster[name].read_state("post").check_invariants()


def crash_during_the_write_after_a_repair(seed: int) -> bool:
    """Whether the disk kept that write; the nodes end equal in any case."""
    cluster = Cluster(Votes, "ab", seed=seed)
    cluster["a"].update_state("post", call({1}), "crdt_enhanced")
    cluster.run_until_quiet()
    cluster.damage("b", "post", call({"only b"}))
    cluster.run(0.1)
    cluster.slow_disk("a", 3000.0)  # seconds for a write
    disk = cluster.hosts["a"].disk
    cluster.run_until(lambda: disk.is_writing and "only b" in cluster["a"].read_state("post").names, 60.0)
    cluster.crash("a")
    cluster.repair_disk("a")
    cluster.restart("a")
    was_kept = "only b" in cluster["a"].read_state("post").names
    cluster.run_until_quiet(60.0)
    assert names(cluster) == [{1, "only b"}] * 2
    cluster.close()
    return was_kept


def test_a_crash_between_the_repair_and_the_disk_costs_another_repair_at_most() -> None:
    assert {crash_during_the_write_after_a_repair(seed) for seed in range(4)} == {False, True}


def test_repairs_go_on_beside_changes_on_a_bad_network() -> None:
    bad = Conditions(latency=0.01, jitter=0.05, loss=0.1, duplicate=0.1, reorder=0.2)
    cluster = Cluster(Votes, "abc", seed=3, repair_timeout=2.0)
    cluster["a"].update_state("post", call(set(range(10))), "crdt_enhanced")
    cluster.run_until_quiet()
    cluster.network.set_conditions(bad)
    for k in range(6):
        cluster.damage("abc"[k % 3], "post", call({f"damage {k}"}))
        cluster["abc"[k % 2]].update_state("post", like(), "eventually_consistent")
        cluster.run(1.0)
    cluster.run_until_quiet(300.0)
    assert all({f"damage {k}" for k in range(6)} <= each for each in names(cluster))
    assert cluster.values("post", lambda state: state.likes.value) == [6, 6, 6]
    cluster.close()


def test_a_watcher_is_told_what_a_repair_brought(cluster: Cluster) -> None:
    watch = cluster["a"].watch("post")
    cluster.damage("b", "post", call({"only b"}))
    cluster.run_until_quiet(60.0)
    change = next(iter(watch))
    assert (change.field, change.after) == ("names", {*range(10), "only b"})
    watch.close()


def test_a_node_that_repairs_differently_is_given_up_and_both_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(Votes, "ab", seed=1)
    cluster["a"].update_state("post", call({1}), "crdt_enhanced")
    cluster.run_until_quiet()
    deliveries = cluster["b"]._deliveries
    treat = deliveries.treat

    def forgets(agent_id: str, peer: str, act: Any) -> bool:
        slot = deliveries._store.slots[agent_id]
        held = slot.state.to_bytes()
        done = treat(agent_id, peer, act)
        slot.state = type(slot.state).from_bytes(held, replica=deliveries._store.writers.default)
        return done

    monkeypatch.setattr(deliveries, "treat", forgets)
    cluster.damage("a", "post", call({"only a"}))
    cluster.run(60.0)
    assert not cluster.converged()
    begun = sum(cluster[name].status()["repair"]["begun"] for name in "ab")
    assert begun <= 10
    for name in "ab":
        assert "do not repair alike" in cluster[name].status()["problems"]["diverged post"]
    cluster.run(120.0)
    assert sum(cluster[name].status()["repair"]["begun"] for name in "ab") == begun
    cluster.close()


def test_a_digest_that_is_wrong_on_a_disk_is_written_anew(cluster: Cluster) -> None:
    """As a program with a mistake would leave it: the same entries, under another digest."""
    cluster.crash("b")
    disk = cluster.hosts["b"].disk
    parts, number, right = disk.load("post")
    disk.write(Batch([Part("post", number, part, False, bytes(16)) for part in parts]))
    cluster.restart("b")
    cluster.run_until(lambda: disk.digest("post") == right, 60.0)
    cluster.run_until(lambda: "b" in cluster["a"].status()["sync"]["agreed"], 60.0)


def bytes_said(cluster: Cluster, kinds: tuple[type, ...]) -> tuple[list[Any], list[int]]:
    """The messages of these kinds from now on, and their bytes with all that stands before them in a stream."""
    messages: list[Any] = []
    sizes: list[int] = []

    def sent(source: str, target: str, frame: bytes) -> None:
        if not is_greeting(frame) and isinstance(message := decode(frame[HEADER_BYTES:]), kinds):
            messages.append(message)
            sizes.append(len(frame) + 8)

    cluster.network.sent.append(sent)
    return messages, sizes


@pytest.fixture
def large() -> Iterator[Cluster]:
    """Two nodes that hold ten thousand notes."""
    cluster = Cluster(Votes, "ab", seed=1, merge_flush_interval=0.0)
    cluster["a"].update_state("post", lambda s: s.notes.update({f"key {k}": k for k in range(10_000)}), "crdt_enhanced")
    cluster.run_until_quiet()
    yield cluster
    cluster.close()


def test_two_nodes_in_sync_say_so_in_64_bytes_each_way(large: Cluster) -> None:
    messages, sizes = bytes_said(large, (Check, InSync, Sums, Heads, Holdings))
    large.run(10.0)
    assert len(sizes) > 10 and max(sizes) <= 64
    assert {type(message) for message in messages} == {Check, InSync}


def test_changed_entries_cost_150_bytes_beside_them_and_one_round_trip(large: Cluster) -> None:
    large["a"].update_state("post", lambda s: s.notes.update({f"key {97 * k}": -k for k in range(100)}))
    large["a"].flush()
    messages, sizes = bytes_said(large, (Sums, Heads, Holdings, Deltas, Stored))
    large["b"]._others.sync.repair("a", ["post"], large.world.now)
    large["b"]._driver.run_soon()
    large.run_until(large.converged, 5.0)
    assert [type(message) for message in messages] == [Holdings, Deltas, Stored]
    assert sum(sizes) - len(messages[1].items[0].delta) <= 150


@pytest.mark.parametrize("keys", ["new {}", "key {}"])  # that one side lacks; that both have, in two states
def test_entries_that_versions_do_not_tell_cost_four_kilobytes_beside_them(large: Cluster, keys: str) -> None:
    for name, first in (("a", 0), ("b", 50)):
        names = [keys.format(k) for k in range(first, first + 50)]
        large.damage(name, "post", lambda s, names=names: s.notes.update(dict.fromkeys(names, "damaged")))
    messages, sizes = bytes_said(large, (Sums, Heads, Holdings, RepairOffer, RepairAnswer, RepairEntries, RepairEnd))
    large.run_until_quiet(60.0)
    kinds = [type(message) for message in messages]
    assert kinds[-3:] == [RepairOffer, RepairAnswer, RepairEntries]
    assert sum(sizes) - sum(len(message.entries) for message in messages[-2:]) <= 3800
