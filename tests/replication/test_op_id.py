"""`op_id`: a call repeated with it is answered from the record, also after a crash."""

import enum
import threading
from collections import OrderedDict

import pytest

from tests.replication.agents import bump, count


def test_the_second_call_gets_the_recorded_result(node):
    first = node.update_state("a", lambda s: (bump(s), ["v", 1])[1], op_id="x1")
    later = node.update_state("a", bump)
    again = node.update_state("a", lambda s: bump(s), op_id="x1")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.value == first.value == ["v", 1]
    assert again.version == first.version and again.version < later.version
    assert count(node, "a") == 2


def test_the_record_survives_reopening(open_node):
    node = open_node()
    version = node.update_state("a", lambda s: (bump(s), {"n": 2**40})[1], op_id="x1", durable=True).version
    node.close()
    node = open_node()
    again = node.update_state("a", bump, op_id="x1", durable=True)
    assert again.replayed and again.value == {"n": 2**40} and again.version == version
    assert again.outcome == "durable" and count(node, "a") == 1


def test_an_update_that_changed_nothing_is_remembered_too(open_node):
    node = open_node()
    node.update_state("a", lambda s: "nothing", op_id="x1")
    assert list(node.agents()) == []
    node.close()
    node = open_node()
    assert node.update_state("a", bump, op_id="x1").replayed
    assert list(node.agents()) == []


def test_an_update_that_raised_is_not_remembered(node):
    with pytest.raises(ZeroDivisionError):
        node.update_state("a", lambda s: 1 // 0, op_id="x1")
    assert not node.update_state("a", bump, op_id="x1").replayed


def test_a_result_that_cannot_be_remembered_undoes_the_update(open_node):
    node = open_node(operation_bytes_max=100)
    for value, kind, word in (
        (2**70, TypeError, "64 bits"),
        ({1, 2}, TypeError, "set"),
        (object, TypeError, "type"),
        ("x" * 200, ValueError, "operation_bytes_max=100"),
    ):
        with pytest.raises(kind, match=word):
            node.update_state("a", lambda s, value=value: (bump(s), value)[1], op_id="x1")
    assert count(node, "a") == 0


@pytest.mark.parametrize(
    ("op_id", "kind"), [(5, TypeError), ("", ValueError), ("x" * 300, ValueError), ("\0", ValueError)]
)
def test_an_op_id_that_is_none(node, op_id, kind):
    with pytest.raises(kind, match="op_id="):
        node.update_state("a", bump, op_id=op_id)


def test_one_op_id_belongs_to_one_agent(node):
    node.update_state("a", bump, op_id="x1")
    with pytest.raises(ValueError, match="was used for agent 'a'"):
        node.update_state("b", bump, op_id="x1")


def test_the_oldest_is_forgotten_first_in_memory_and_on_disk(open_node):
    node = open_node(operations_max=10)
    for k in range(35):
        node.update_state("a", bump, op_id=f"x{k}", durable=k % 3 == 0)
    assert node.status()["operations_remembered"] == 10
    assert node.update_state("a", bump, op_id="x25").replayed
    assert not node.update_state("a", bump, op_id="x24").replayed  # and forgets x25
    node.close()
    node = open_node(operations_max=10)
    assert node.status()["operations_remembered"] == 10
    assert not node.update_state("a", bump, op_id="x25").replayed
    assert node.update_state("a", bump, op_id="x34").replayed
    node.close()
    assert open_node(operations_max=3).status()["operations_remembered"] == 3


def test_threads_that_repeat_one_op_id_apply_it_once(node):
    start = threading.Barrier(8)
    results = []

    def repeat():
        start.wait()
        results.append(node.update_state("a", lambda s: (bump(s), "v")[1], op_id="x1", durable=True))

    threads = [threading.Thread(target=repeat) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.replayed for result in results) == [False] + [True] * 7
    assert count(node, "a") == 1 and all(result.value == "v" for result in results)


def test_a_dict_with_tuples_for_keys_comes_back(open_node):
    node = open_node()
    value = {("a", 1): [(2, "b"), {True: None}], "n": (1.5, b"x", ())}
    assert node.update_state("a", lambda s: value, op_id="x1").value == value
    assert node.update_state("a", bump, op_id="x1").value == value
    node.close()
    assert open_node().update_state("a", bump, op_id="x1").value == value


def test_the_first_call_gets_what_every_later_one_does(node):
    class Level(enum.IntEnum):
        LOW = 1

    first = node.update_state("a", lambda s: [Level.LOW, bytearray(b"x"), OrderedDict(k="v")], op_id="x1").value
    again = node.update_state("a", bump, op_id="x1").value
    assert first == again == [1, b"x", {"k": "v"}]
    assert [type(each) for each in first] == [type(each) for each in again] == [int, bytes, dict]
