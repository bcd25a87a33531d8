"""The bytes of entries that are kept beside a snapshot counted as if they had come since: another was due at once."""

from replication.simulation import Cluster
from tests.replication.agents import AgentState


def test_there_is_one_for_so_many_bytes() -> None:
    cluster = Cluster(AgentState, "abc", seed=1, bootstrap="abc", log_bytes_max=20_000)
    cluster.run_until(lambda: cluster["a"].status()["replicated"]["leader"] != "")
    snapshots = {0}
    for number in range(100):
        cluster["a"].update_state("x", lambda s, n=number: s.config.update({str(n): "x" * 1000}), "replicated")
        cluster.run(0.1)
        snapshots.add(cluster["a"].status()["replicated"]["snapshot"])
    assert 4 <= len(snapshots) - 1 <= 7, "of 20,000 bytes for each of 100,000 and what goes with them"
    raft = cluster["a"]._others.group.core.raft
    assert raft.log_bytes_after(raft.offset) < 3 * 20_000
