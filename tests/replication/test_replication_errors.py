"""The error tree: what is what, and that errors cross a process boundary whole."""

import copy
import inspect
import pickle

import pytest

import replication
from crdt import VersionVector
from replication import errors

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ReplicationError)]


def test_one_root_for_all_of_them():
    assert issubclass(replication.Timeout, TimeoutError)
    assert issubclass(replication.CorruptStore, replication.StoreError)
    for kind in ALL:
        assert getattr(replication, kind.__name__) is kind
        assert kind.__name__ in errors.__doc__, f"{kind.__name__} is missing in the tree"
        assert kind.__doc__


@pytest.mark.parametrize(
    "error",
    [
        replication.Unavailable("no", have=1, need=2, peers={"b": "refused"}),
        replication.OutcomeUnknown("maybe", op_id="x1"),
        replication.ConflictError("moved", actual=VersionVector({"a": 3})),
        replication.ConsistencyError("weak", field="budget", at_least="replicated"),
        replication.Overloaded("full", limit="watch_buffer"),
        replication.StoreError("in use", path="somewhere"),
        replication.CorruptStore("flipped", path="somewhere", offset=4096),
        replication.Timeout("late"),
        replication.Closed("closed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_pickle_and_copy_with_their_attributes(error):
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error) and str(twin) == str(error) and vars(twin) == vars(error)


def test_the_attributes_are_there_when_nothing_was_said():
    assert vars(replication.Unavailable("no")) == {"have": 0, "need": 0, "peers": {}}
    assert replication.OutcomeUnknown("maybe").op_id is None
    assert replication.CorruptStore("flipped").offset == 0 and replication.CorruptStore("flipped").path is None
