"""What measures the cores works."""

from tests.raft.speed import Group


def test_cores_can_be_measured_across_snapshots() -> None:
    group = Group()
    group.run(11_264, 256, bytes(100))
    assert group.applied > 11_000
    assert min(core.snapshot.last_index for core in group.cores.values()) > 10_000
