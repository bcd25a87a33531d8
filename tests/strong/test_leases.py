"""Reads that rely on clocks, where that was asked for: without a message while the lease lasts, and none after it."""

import pytest

from replication.errors import ReplicationError
from replication.simulation import Cluster
from tests.replication.agents import AgentState, bump, count


def led(seed: int, **limits: float) -> tuple[Cluster, str]:
    """A group, and who leads it."""
    cluster = Cluster(AgentState, "abc", seed=seed, bootstrap="abc", **limits)
    cluster.run_until(lambda: cluster["a"].status()["replicated"]["leader"] != "")
    cluster["a"].update_state("x", bump, "replicated", timeout=30)
    cluster.run(0.5)
    return cluster, cluster["a"].status()["replicated"]["leader"]


def read(cluster: Cluster, name: str, timeout: float) -> int:
    found: int = cluster[name].read_state("x", lambda s: s.counters.value, consistency="replicated", timeout=timeout)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_who_leads_reads_without_asking_until_its_lease_is_over(seed: int) -> None:
    cluster, leader = led(seed, lease_drift_max=0.2)
    others = "".join(name for name in "abc" if name != leader)
    cluster.partition(f"{leader}|{others}")
    assert read(cluster, leader, 0.01) == 1
    cluster.run(0.85)  # of an election timeout of 1, of which a fifth may be the clocks'
    with pytest.raises(ReplicationError):
        read(cluster, leader, 0.1)


@pytest.mark.parametrize("seed", range(5))
def test_nobody_reads_so_what_another_has_overwritten(seed: int) -> None:
    cluster, leader = led(seed, lease_drift_max=0.2)
    other = next(name for name in "abc" if name != leader)
    cluster.partition(f"{leader}|{''.join(name for name in 'abc' if name != leader)}")
    cluster.run_until(lambda: cluster[other].status()["replicated"]["leader"] not in ("", leader), seconds=20)
    cluster[other].update_state("x", bump, "replicated", timeout=30)
    assert count(cluster[leader], "x") == 1
    with pytest.raises(ReplicationError):
        read(cluster, leader, 0.1)


def test_without_leave_it_asks() -> None:
    cluster, leader = led(1)
    cluster.partition(f"{leader}|{''.join(name for name in 'abc' if name != leader)}")
    with pytest.raises(ReplicationError):
        read(cluster, leader, 0.1)


def test_the_share_is_less_than_the_whole() -> None:
    with pytest.raises(ValueError, match="lease_drift_max=1"):
        Cluster(AgentState, "a", lease_drift_max=1)
