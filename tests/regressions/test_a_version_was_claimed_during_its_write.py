"""A node whose writes go on beside its thread told others that it held what its disk had not taken yet.

After a crash it would have asked for less than it lacked, and given the same dots out again.
"""

from crdt import VersionVector
from replication.simulation import Cluster
from tests.simulation.test_cluster import Votes, like


def test_what_is_being_written_is_not_claimed() -> None:
    cluster = Cluster(Votes, "ab", seed=1, write_modes=("beside",), disk_seconds=0.2)
    cluster.run(3.0)
    node, disk = cluster["a"], cluster.hosts["a"].disk
    node.update_state("post", like())
    while not disk.is_writing:
        cluster.run(0.01)
    sync = node._others.sync
    sync.repair("b", ["post"], cluster.world.now)
    assert not sync.ready().send
    cluster.run(1.0)
    sync.repair("b", ["post"], cluster.world.now)
    (send,) = sync.ready().send
    (holding,) = send.message.holdings  # type: ignore[union-attr]
    assert VersionVector.from_bytes(holding.version) == node.read_state("post").version
    cluster.close()
