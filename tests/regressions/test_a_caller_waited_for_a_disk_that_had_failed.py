"""A strong update of an agent with weaker changes that the disk did not take never ended."""

from replication.errors import ReplicationError
from replication.simulation import Cluster
from tests.replication.agents import AgentState, bump


def test_who_waits_for_a_disk_that_fails_is_told() -> None:
    cluster = Cluster(AgentState, "abc", seed=1, bootstrap="abc", flush_interval=5.0)
    cluster.run_until(lambda: cluster["a"].status()["replicated"]["leader"] != "")
    cluster["a"].update_state("x", bump, "replicated", timeout=5)
    errors: list[ReplicationError] = []

    async def client() -> None:
        try:
            await cluster["a"].aupdate_state("x", bump, "replicated")
        except ReplicationError as error:
            errors.append(error)

    cluster["a"].update_state("x", bump)
    cluster.fail_disk("a")
    cluster.spawn("a", client())
    cluster.run(60)
    assert len(errors) == 1
