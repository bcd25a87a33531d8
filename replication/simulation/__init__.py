"""Clusters of real nodes in a simulated world: virtual time, and every fault from one seed.

    from replication.simulation import Cluster

    cluster = Cluster(AgentState, "abc", seed=7)
    cluster["a"].update_state("agent-1", lambda s: s.counters.increment(), "crdt_enhanced", acks="all")
    cluster.crash("a")
    cluster.run_until_quiet()
    assert cluster.values("agent-1", lambda s: s.counters.value) == [1, 1]

The nodes are those of `replication.open`: driver, links and cores run as they are. What is simulated
is below them: time, threads, network, disks and clocks. One seed is one run, to the byte, in whatever
process; a failure is reproduced by its seed. As a pytest fixture: see `plugin`.
"""

from replication.simulation.cluster import Cluster
from replication.simulation.ledger import Violation
from replication.simulation.network import CALM, Conditions
from replication.simulation.world import Stuck, Trace, WouldBlock

__all__ = ["Cluster", "Conditions", "CALM", "Trace", "Violation", "Stuck", "WouldBlock"]
