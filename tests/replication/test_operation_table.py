"""What is remembered of operations: the newest, by when they were served, wherever that was."""

from hypothesis import given
from hypothesis import strategies as st

from replication.operations import OperationTable
from replication.storage import Operation


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


def served(table: OperationTable, *op_ids: str) -> list[Operation]:
    return [table.add("agent", op_id, b"").as_operation() for op_id in op_ids]


def known(table: OperationTable, words: str) -> str:
    return "".join(word for word in words if table.get(word) is not None)


def test_the_oldest_is_forgotten_first() -> None:
    table = OperationTable([], 2, Clock())
    served(table, *"abc")
    assert known(table, "abc") == "bc" and len(table) == 2


def test_what_is_taken_in_counts_by_when_it_was_served() -> None:
    clock = Clock()
    one, other = OperationTable([], 3, clock), OperationTable([], 3, clock)
    early = served(one, "a", "b")
    clock.ms += 5
    served(other, "x", "y")
    clock.ms += 5
    late = served(one, "c")
    for operation in (*late, *early):
        if other.lacks(operation):
            other.add("agent", operation.op_id, operation.data, operation.number)
    assert known(other, "abcxy") == "cxy"
    assert not other.lacks(early[0]), "it is older than all that there is room for"


def test_an_order_survives_a_clock_that_is_set_back_and_a_restart() -> None:
    clock = Clock()
    table = OperationTable([], 3, clock)
    before = served(table, "a", "b")
    clock.ms -= 3_600_000
    after = served(OperationTable(before, 3, clock), "c")
    assert [each.number for each in (*before, *after)] == sorted(each.number for each in (*before, *after))
    again = OperationTable([*before, *after], 3, clock)
    served(again, "d")
    assert known(again, "abcd") == "bcd"


def test_those_of_older_stores_which_counted_from_0_are_older() -> None:
    table = OperationTable([Operation("a", 0, b""), Operation("b", 1, b"")], 2, Clock())
    served(table, "c")
    assert known(table, "abc") == "bc"


def test_two_records_of_one_op_id_are_one() -> None:
    table = OperationTable([], 2, Clock())
    served(table, "a", "a", "b", "c", "d")
    assert known(table, "abcd") == "cd" and len(table) == 2


def test_what_is_to_be_written_is_bounded_as_well() -> None:
    table = OperationTable([], 3, Clock())
    served(table, *"abcdef")
    assert [each.op_id for each in table.take("agent")] == ["d", "e", "f"]
    assert table.take("agent") == [] and table.take_forgotten() == []
    served(table, "g")
    assert [each.op_id for each in table.take_forgotten()] == ["d"]


def test_what_is_taken_back_was_never_served() -> None:
    table = OperationTable([], 3, Clock())
    served(table, "a", "b")
    table.take_back("agent", "b")
    table.take_back("another", "a")
    assert known(table, "ab") == "a" and [each.op_id for each in table.take("agent")] == ["a"]
    served(table, *"cdef")
    assert known(table, "abcdef") == "def"


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30)), max_size=40), st.integers(1, 5))
def test_it_is_what_a_sorted_list_would_be(steps: list[tuple[int, int]], limit: int) -> None:
    table = OperationTable([], limit, Clock())
    model: dict[int, str] = {}  # by number
    for word, number in steps:
        operation = Operation(str(word), number, b"")
        if number not in model and table.lacks(operation):
            table.add("agent", operation.op_id, operation.data, operation.number)
            model[number] = operation.op_id
            if len(model) > limit:
                del model[min(model)]
        assert {word for word in map(str, range(13)) if table.get(word) is not None} == set(model.values())
