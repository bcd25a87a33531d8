"""Messages on the wire: they come back as they were, and what no node would send is refused."""

import msgpack
import pytest

from replication.message_fields import MessageError, check_of_class
from replication.raft.configuration import Configuration
from replication.raft.log import CONFIGURATION, DATA, NOOP, Entry
from replication.raft.messages import (
    KINDS_OF_MESSAGES,
    Appended,
    AppendEntries,
    Heartbeat,
    HeartbeatAnswer,
    Message,
    ReadIndex,
    ReadIndexAnswer,
    RequestVote,
    Snapshot,
    SnapshotChunk,
    SnapshotReceived,
    TimeoutNow,
    Vote,
)
from tests.raft.bench import Bench

ABC = Configuration(("a", "b", "c"), ("a", "b"), ("l",), ())
MESSAGES: tuple[Message, ...] = (
    RequestVote(2, True, False, 9, 1),
    Vote(2, True, True),
    AppendEntries(2, 0, 0, 0, (Entry(1, NOOP, b""), Entry(2, CONFIGURATION, ABC.to_bytes()), Entry(2, DATA, b"x"))),
    Appended(2, 9, True, 3, 1),
    Heartbeat(2, 9, 7),
    HeartbeatAnswer(2, 7),
    SnapshotChunk(2, Snapshot(9, 1, ABC, b"id"), 0, b"data", True),
    SnapshotReceived(2, b"id", 4),
    TimeoutNow(2),
    ReadIndex(2, 1 << 48),
    ReadIndexAnswer(2, 1 << 48, 9),
)


def test_there_is_one_of_each_kind() -> None:
    assert tuple(type(message) for message in MESSAGES) == KINDS_OF_MESSAGES


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    fields = msgpack.unpackb(msgpack.packb(message), use_list=False)
    again = check_of_class(type(message))(fields)
    assert again == message and type(again) is type(message)


@pytest.mark.parametrize(
    "message",
    [
        AppendEntries(2, 0, 0, 0, (Entry(3, DATA, b""),)),
        AppendEntries(2, 5, 2, 0, (Entry(1, DATA, b""),)),
        AppendEntries(2, 0, 0, 0, (Entry(2, DATA, b""), Entry(1, DATA, b""))),
        AppendEntries(2, 0, 0, 0, (Entry(2, 7, b""),)),
        AppendEntries(2, 0, 0, 0, (Entry(2, CONFIGURATION, b"?"),)),
        AppendEntries(2, 0, 0, 0, (Entry(2, CONFIGURATION, Configuration(("a",), (), ("a",)).to_bytes()),)),
        SnapshotChunk(2, Snapshot(9, 3, ABC, b""), 0, b"", True),
        SnapshotChunk(2, Snapshot(0, 1, ABC, b""), 0, b"", True),
        SnapshotChunk(2, Snapshot(9, 1, Configuration(), b""), 0, b"", True),
        SnapshotChunk(2, Snapshot(9, 1, Configuration(("b", "a")), b""), 0, b"", True),
    ],
)
def test_what_no_node_would_send_is_refused_and_changes_nothing(message: Message) -> None:
    node = Bench(1, term=1)
    with pytest.raises(MessageError):
        node.hear("b", message)
    assert (node.core.term, node.terms, node.core.leader) == (1, [1], "")


@pytest.mark.parametrize("kind", [tuple, dict, object])
def test_a_class_that_tells_no_fields_is_no_kind_of_message(kind: type) -> None:
    with pytest.raises(TypeError, match="no message can have a field of"):
        check_of_class(kind)
