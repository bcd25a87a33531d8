"""A weaker mode applied again what had been committed, on its own node, opened out of the reach of its group."""

import pytest

from replication.errors import OutcomeUnknown
from replication.simulation import Cluster
from tests.replication.agents import AgentState, bump, count


@pytest.mark.parametrize("size", [0, 5000])
def test_it_is_not_served_until_the_group_can_tell(size: int) -> None:
    def change(state: AgentState) -> None:
        bump(state)
        state.config["filler"] = "x" * size  # several entries of the log, if it is long

    cluster = Cluster(AgentState, "abc", seed=1, bootstrap="abc", entry_bytes_max=2048)
    cluster.run_until(lambda: cluster["a"].status()["replicated"]["leader"] != "")
    assert cluster["a"].update_state("x", change, "replicated", op_id="once", timeout=30).outcome == "committed"
    cluster.crash("a")
    cluster.partition("a|bc")
    cluster.restart("a")
    with pytest.raises(OutcomeUnknown, match="put to the group before"):
        cluster["a"].update_state("x", bump, op_id="once")
    with pytest.raises(OutcomeUnknown):
        cluster["a"].update_state("x", bump, "replicated", op_id="once", timeout=20, fallback=("crdt_enhanced",))
    assert not cluster["a"].update_state("x", lambda s: None, op_id="another").replayed
    cluster.recover()
    cluster.run(10)
    assert cluster["a"].update_state("x", bump, op_id="once").replayed
    assert [count(cluster[name], "x") for name in "abc"] == [1, 1, 1]
