"""What grows has a limit, and what a caller gets wrong is said."""

import pytest

from replication.message_fields import MessageError
from replication.raft.configuration import MEMBERS_MAX, Configuration
from replication.raft.messages import Heartbeat, ReadIndex
from replication.raft.options import Options
from replication.raft.ready import Refused
from tests.raft.bench import Bench, led


@pytest.mark.parametrize(
    "wrong",
    [
        {"heartbeat_interval": 0.6},
        {"heartbeat_interval": 0},
        {"clock_drift_max": 1},
        {"append_bytes_max": 0},
        {"snapshot_chunk_bytes": 0},
    ],
)
def test_options_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Options(**wrong)  # type: ignore[arg-type]


def test_an_entry_has_a_limit() -> None:
    node = led(entry_bytes_max=10)
    with pytest.raises(ValueError, match="11 bytes"):
        node.core.propose((bytes(11),), node.now)
    assert node.core.last == 1


def test_reads_have_a_limit_and_forgotten_ones_leave_nothing() -> None:
    node = Bench(term=1, reads_max=10)
    for _ in range(1000):
        reads = [node.core.read(node.now) for _ in range(10)]
        assert node.core.read(node.now) == Refused("overloaded", "")
        for read in reads:
            assert isinstance(read, int)
            node.core.forget_read(read)
    assert len(node.core._reads._unasked) <= 30
    kept = node.core.read(node.now)
    node.hear("b", Heartbeat(1, 0, 1))
    assert len(node.take(ReadIndex)) == 1 and kept in node.core._reads._open


def test_messages_of_one_batch_are_cut_by_bytes() -> None:
    node = led(append_bytes_max=100)
    for _ in range(5):
        node.core.propose((bytes(34),), node.now)
    node.act()
    sent = [len(message.entries) for peer, message in node.sent if peer == "b" and hasattr(message, "entries")]
    assert sent == [2, 2, 1]


def test_a_group_that_cannot_be_is_refused() -> None:
    abc = Configuration(tuple("abc"))
    for voters, learners in (((), ("a",)), (("a",), ("a",)), (map(str, range(MEMBERS_MAX + 1)), ())):
        with pytest.raises(ValueError):
            abc.entering(voters, learners)
    for data in (b"", b"\xc1", b"\x90", Configuration(("a", "a")).to_bytes(), Configuration((), (), ("l",)).to_bytes()):
        with pytest.raises(MessageError):
            Configuration.from_bytes(data)


def test_a_configuration_goes_by_way_of_both() -> None:
    abc = Configuration(tuple("abc"), (), tuple("l"))
    joint = abc.entering("abl", "c")
    assert joint == Configuration(("a", "b", "l"), ("a", "b", "c"), (), ("c",))
    assert joint.members == tuple("abcl") and joint.counts("c") and not joint.counts("x")
    assert joint.leaving() == Configuration(("a", "b", "l"), (), ("c",))
    assert Configuration.from_bytes(joint.to_bytes()) == joint
