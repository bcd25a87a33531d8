"""Purges of nodes that live, die, leave, and come back from before them."""

from random import Random
from typing import Any

import pytest

from replication.simulation.cluster import Cluster
from replication.simulation.invariants import Observer
from replication.simulation.ledger import Everything, Ledger
from replication.simulation.run import run
from replication.simulation.workload import Load, Workload

SHORT: dict[str, Any] = {"purge_interval": 0.5, "purge_min": 1, "probe_interval": 0.5, "probe_timeout": 0.3}


def put(cluster: Cluster, name: str, key: str, value: int = 1) -> None:
    cluster[name].update_state("agent", lambda s: s.settings.__setitem__(key, value), "crdt_enhanced")


def drop(cluster: Cluster, name: str, key: str) -> None:
    cluster[name].update_state("agent", lambda s: s.settings.__delitem__(key), "crdt_enhanced")


def settings(cluster: Cluster, name: str) -> dict[str, int]:
    found: dict[str, int] = cluster[name].read_state("agent", lambda s: dict(s.settings.value))
    return found


def purges(cluster: Cluster) -> int:
    return sum(cluster[name].status()["growth"]["purges"] for name in cluster.running())


def left_over(cluster: Cluster, name: str) -> int:
    def measure(state: Any) -> int:
        found: int = state._purgeable(state.version)
        return found

    return cluster[name].read_state("agent", measure)  # type: ignore[no-any-return]


def met(names: str = "abc", **limits: Any) -> Cluster:
    cluster = Cluster(Everything, names, seed=3, **{**SHORT, **limits})
    cluster.run_until(cluster.all_are_members)
    return cluster


def test_deletions_go_once_everybody_has_them() -> None:
    cluster = met()
    for number in range(20):
        put(cluster, "b", f"key {number}")
        cluster.run(0.2)
        drop(cluster, "c", f"key {number}")
    cluster.run(5)
    cluster.run_until_quiet()
    assert [left_over(cluster, name) for name in "abc"] == [0, 0, 0]
    assert purges(cluster) > 0
    assert all(settings(cluster, name) == {} for name in "abc")


def test_a_member_that_does_not_answer_holds_up_the_purge_and_is_named() -> None:
    cluster = met()
    put(cluster, "a", "key")
    cluster.run(1)
    cluster.crash("c")
    cluster.run(10)
    before = purges(cluster)
    drop(cluster, "a", "key")
    cluster.run(60)
    assert purges(cluster) == before
    assert cluster["a"].status()["growth"]["waits_for"] == ["c"]
    cluster.restart("c")
    cluster.run(5)
    assert purges(cluster) > before
    assert left_over(cluster, "c") == 0


def test_a_forgotten_member_holds_up_nothing() -> None:
    cluster = met()
    put(cluster, "a", "key")
    cluster.run(1)
    cluster.crash("c")
    cluster.run_until(lambda: any(m.name == "c" and m.state == "dead" for m in cluster["a"].members()))
    drop(cluster, "a", "key")
    cluster.run(5)
    assert left_over(cluster, "b") == 1
    cluster["b"].forget("c")
    cluster.run(5)
    assert left_over(cluster, "b") == 0


def test_a_member_known_from_before_a_restart_of_all_is_waited_for() -> None:
    cluster = met()
    put(cluster, "a", "key")
    cluster.run(2)
    for name in "abc":
        cluster.crash(name)
    cluster.restart("a")
    drop(cluster, "a", "key")
    cluster.run(30)
    assert left_over(cluster, "a") == 1
    assert cluster["a"].status()["growth"]["waits_for"] == ["b", "c"]


def away(cluster: Cluster) -> None:
    """Let c be cut off for so long that it is not waited for, both sides working; then all agree again."""
    for key in ("kept", "dropped by a", "dropped by c"):
        put(cluster, "a", key)
    cluster.run(2)
    cluster.partition("ab|c")
    cluster.run(20)
    drop(cluster, "a", "dropped by a")
    put(cluster, "b", "of b")
    put(cluster, "c", "of c")
    drop(cluster, "c", "dropped by c")
    cluster["c"].update_state("agent", lambda s: s.count.increment(5))
    cluster.run(20)
    assert left_over(cluster, "a") == 0
    cluster.heal()
    cluster.run_until(lambda: cluster.converged() and cluster.all_are_members(), 100)


def test_who_comes_back_from_before_the_cut_keeps_what_it_alone_had_and_resurrects_nothing() -> None:
    cluster = met(dead_kept=2.0)
    away(cluster)
    for name in "abc":
        assert settings(cluster, name) == {"kept": 1, "of b": 1, "of c": 1}
        assert cluster[name].read_state("agent", lambda s: s.count.value) == 5
    rebased = {name: cluster[name].status()["growth"]["rebased"] for name in "abc"}
    assert rebased in ({"a": 1, "b": 1, "c": 0}, {"a": 0, "b": 0, "c": 1}), "one side gives way to the other"
    cluster["c"].update_state("agent", lambda s: s.count.increment(), "crdt_enhanced", acks="all", timeout=5)
    assert cluster.values("agent", lambda s: s.count.value) == [6, 6, 6]


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.1, 0.3, 1.0])
def test_a_crash_on_the_way_back_does_no_harm(moment: float) -> None:
    cluster = met(dead_kept=2.0)
    put(cluster, "a", "dropped by a")
    cluster.run(2)
    cluster.partition("ab|c")
    cluster.run(20)
    drop(cluster, "a", "dropped by a")
    cluster["c"].update_state("agent", lambda s: s.count.increment(5), durable=True)
    cluster.run(10)
    cluster.heal()
    cluster.run_until(lambda: "c" in [m.name for m in cluster["a"].members() if m.state == "alive"], 100)
    cluster.run(moment)
    cluster.crash("c")
    cluster.run(1)
    cluster.restart("c")
    cluster.run_until(lambda: cluster.converged() and cluster.all_are_members(), 100)
    assert settings(cluster, "c") == {}
    assert cluster.values("agent", lambda s: s.count.value) == [5, 5, 5]


def test_an_agent_written_again_stays_under_its_new_name_when_it_leaves_memory() -> None:
    cluster = met(dead_kept=2.0, max_agents_in_memory=2)
    away(cluster)
    node = next(cluster[name] for name in "abc" if cluster[name].status()["growth"]["rebased"])
    writer = node.read_state("agent", lambda s: s.replica)
    assert writer != node.status()["writer"]
    cluster.run(1)  # so that the disk has what others changed
    for number in range(5):
        node.update_state(f"other {number}", lambda s: s.count.increment(), durable=True)
    assert "agent" not in node._slots
    assert node.read_state("agent", lambda s: s.replica) == writer


def test_of_two_histories_with_nothing_in_common_the_one_that_lacks_what_was_purged_gives_way() -> None:
    """However much it has: which one that is does not change while both go on, as it may with which one has more."""
    cluster = met("ab")
    observer = Observer(cluster, 400_000)
    cluster.leave("b")
    cluster.run(1)
    cluster.partition("a|b")
    cluster.restart("b")
    for number in range(10):
        put(cluster, "b", f"of b {number}")
    put(cluster, "a", "of a")
    put(cluster, "a", "dropped")
    drop(cluster, "a", "dropped")
    cluster.run(5)
    assert cluster["a"].status()["growth"]["purges"] == 1
    cluster.heal()
    cluster.run_until(lambda: cluster.converged() and cluster.all_are_members(), 100)
    assert [cluster[name].status()["growth"]["rebased"] for name in "ab"] == [0, 1]
    assert observer.looks["rebases"] == 1
    assert settings(cluster, "b") == {"of a": 1, **{f"of b {number}": 1 for number in range(10)}}


SHAPES = ("a|b", "ab|c", "c|ab", "ab|cd", "ac|bd", "d|abc")


@pytest.mark.parametrize("shape", SHAPES)
def test_two_sides_that_gave_each_other_up_come_together(shape: str) -> None:
    """Both work and purge without the other; then nothing is lost, doubled or resurrected."""
    limits = {**SHORT, "dead_kept": 1.0, "tick_interval": 0.1, "purge_interval": 0.2}
    cluster = Cluster(Everything, sorted(shape.replace("|", "")), seed=SHAPES.index(shape), **limits)
    ledger = Ledger()
    observer = Observer(cluster, 400_000)
    load = Load(operations=500, hot_agents=1, cold_agents=2, pause=0.5)
    workload = Workload(cluster, ledger, load, observer.acknowledged)
    cluster.run(3)
    cluster.partition(shape)
    cluster.run(18)
    cluster.heal()
    workload.stop()
    cluster.run_until(lambda: workload.is_idle() and cluster.is_quiet() and cluster.all_are_members(), 200)
    ledger.kept_by({name: host.boots for name, host in cluster.hosts.items()})
    for agent_id in ledger.agents():
        ledger.check(agent_id, cluster.values(agent_id)[0])
    assert observer.looks["purges"] > 0
    assert observer.looks["rebases"] > 0


def test_the_runs_of_the_simulation_purge() -> None:
    seeds = Random(0).sample(range(1000), 8)
    found = [run(seed).looks["purges"] for seed in seeds]
    assert sum(found) > len(found)
    assert sum(count > 0 for count in found) > len(found) // 2
