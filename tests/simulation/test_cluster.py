"""Real nodes in a simulated world: what a user of the library sees when things go wrong, in virtual time."""

from collections.abc import Iterator
from typing import Any

import pytest

from crdt import Composite, GCounter, LWWMap, ORSet
from replication import Closed, Timeout, Unavailable
from replication.simulation import Cluster, Stuck, WouldBlock


class Votes(Composite):
    likes: GCounter
    names: ORSet
    notes: LWWMap


def likes(cluster: Cluster, agent_id: str = "post") -> list[int]:
    return cluster.values(agent_id, lambda state: state.likes.value)


def like(by: int = 1) -> Any:
    return lambda state: state.likes.increment(by)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Three nodes that have met."""
    cluster = Cluster(Votes, "abc", seed=1)
    cluster.run(2.0)
    yield cluster
    cluster.close()


def test_a_change_in_any_carried_mode_reaches_everybody(cluster: Cluster) -> None:
    cluster["a"].update_state("post", like(), "crdt_enhanced")
    cluster["b"].update_state("post", like(), "eventually_consistent")
    cluster.run_until_quiet()
    assert likes(cluster) == [2, 2, 2]


def test_a_reactive_change_goes_along_with_anti_entropy(cluster: Cluster) -> None:
    cluster["a"].update_state("post", like())
    cluster.run_until_quiet()
    assert likes(cluster) == [1, 1, 1]


def test_a_healed_minority_learns_what_it_missed(cluster: Cluster) -> None:
    cluster.partition("ab|c")
    cluster["a"].update_state("post", like(2), "eventually_consistent")
    cluster["c"].update_state("post", like(1), "eventually_consistent")
    cluster.run(60.0)
    assert likes(cluster) == [2, 2, 1]
    cluster.heal()
    cluster.run_until_quiet()
    assert likes(cluster) == [3, 3, 3]


def test_who_was_away_for_longer_than_anybody_remembers_is_brought_up_to_date() -> None:
    cluster = Cluster(Votes, "abc", seed=2, dead_kept=20.0, probe_interval=0.5, probe_timeout=0.2)
    cluster.run(2.0)
    cluster["c"].update_state("post", like(), "reactive")
    cluster["c"].flush()
    cluster.crash("c")
    cluster["a"].update_state("post", like(2), "crdt_enhanced")
    cluster.run(100.0)
    assert [member.name for member in cluster["a"].members()] == ["a", "b"]
    cluster["b"].update_state("since then", like(5), "eventually_consistent")
    cluster.restart("c")
    cluster.run_until_quiet()
    assert likes(cluster) == [3, 3, 3] and likes(cluster, "since then") == [5, 5, 5]
    cluster.run_until(cluster.all_are_members)
    assert cluster["a"].update_state("post", like(), "crdt_enhanced", acks="all", timeout=5).acks == 2
    cluster.close()


def test_what_others_acknowledged_survives_the_writer(cluster: Cluster) -> None:
    result = cluster["a"].update_state("post", like(), "crdt_enhanced", acks="all")
    assert (result.outcome, result.acks) == ("acknowledged", 2)
    cluster.crash("a")
    cluster.run(1.0)
    assert likes(cluster) == [1, 1]


def test_what_nobody_had_on_disk_is_lost_with_its_process_and_the_rest_is_not(cluster: Cluster) -> None:
    cluster["a"].update_state("post", like(5), durable=True)
    cluster["a"].update_state("post", like(100))
    cluster.crash("a")
    cluster.restart("a")
    cluster.run_until_quiet()
    assert likes(cluster) == [5, 5, 5]


def test_waiting_for_an_unreachable_node_ends_with_the_timeout_and_says_what_holds(cluster: Cluster) -> None:
    cluster.partition("ab|c")
    before = cluster.world.now
    with pytest.raises(Timeout) as caught:
        cluster["a"].update_state("post", like(), "crdt_enhanced", acks="all", timeout=3.0)
    assert cluster.world.now - before == pytest.approx(3.0, abs=0.1)
    assert (caught.value.is_applied, caught.value.acks) == (True, 1)


def test_a_one_way_cut_does_not_keep_changes_from_arriving_over_others(cluster: Cluster) -> None:
    cluster.cut("a", "c")
    cluster["a"].update_state("post", like(), "eventually_consistent")
    cluster.run_until(lambda: likes(cluster) == [1, 1, 1], 30.0)


def test_a_paused_process_catches_up_when_it_goes_on(cluster: Cluster) -> None:
    cluster.pause("c", 5.0)
    cluster["a"].update_state("post", like(), "crdt_enhanced")
    cluster.run(4.0)
    assert likes(cluster) == [1, 1, 0]
    cluster.run_until_quiet()
    assert likes(cluster) == [1, 1, 1]


def test_a_node_whose_disk_fails_acknowledges_nothing_any_more(cluster: Cluster) -> None:
    cluster.fail_disk("a", "full")
    cluster["a"].update_state("post", like())
    cluster.run(1.0)
    with pytest.raises(Unavailable, match="no space left"):
        cluster["a"].update_state("post", like())


def test_a_node_that_is_closed_in_order_takes_leave_and_can_come_back(cluster: Cluster) -> None:
    cluster["a"].update_state("post", like())
    cluster["a"].close()
    cluster.run(1.0)
    assert {member.name: member.state for member in cluster["b"].members()}["a"] == "left"
    cluster.restart("a")
    cluster.run_until(lambda: cluster.all_are_members() and cluster.is_quiet())
    assert likes(cluster) == [1, 1, 1]


def test_a_clock_that_is_behind_loses_no_write_that_has_seen_the_other(cluster: Cluster) -> None:
    cluster.skew_clock("b", -30_000)
    cluster["a"].update_state("post", lambda s: s.notes.update(title="first"), "crdt_enhanced", acks="all")
    cluster["b"].update_state("post", lambda s: s.notes.update(title="second"), "crdt_enhanced", acks="all")
    assert cluster.values("post", lambda s: s.notes["title"]) == ["second"] * 3


def test_clients_beside_each_other_are_coroutines(cluster: Cluster) -> None:
    async def client(name: str) -> None:
        for _ in range(5):
            await cluster[name].aupdate_state("post", like(), "crdt_enhanced", acks=1)

    for name in cluster.names:
        cluster.spawn(name, client(name))
    cluster.run(5.0)
    assert likes(cluster) == [15, 15, 15]


def test_waiting_in_the_middle_of_an_event_is_refused_with_what_to_do(cluster: Cluster) -> None:
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            cluster["a"].flush()
        except WouldBlock as error:
            caught.append(error)

    cluster["a"].update_state("post", like())
    cluster.world.after(0.0, None, wait)
    cluster.run(1.0)
    assert "Cluster.spawn" in str(caught[0])


def test_what_cannot_come_to_hold_is_said(cluster: Cluster) -> None:
    with pytest.raises(Stuck, match=r"within 5\.0 virtual seconds"):
        cluster.run_until(lambda: False, 5.0)


def test_a_crashed_node_is_named_and_so_is_an_unknown_one(cluster: Cluster) -> None:
    node = cluster["a"]
    cluster.crash("a")
    with pytest.raises(KeyError, match="restart"):
        cluster["a"]
    with pytest.raises(Closed):
        node.read_state("post")
    with pytest.raises(KeyError, match="no node 'x'"):
        cluster.cut("a", "x")
