"""The machine: the same entries give the same verdicts, whoever asks."""

import msgpack
import pytest

from crdt import GCounter, VersionVector
from replication.message_fields import MessageError
from replication.strong.entries import (
    GROUP,
    Forget,
    Proposal,
    Refounded,
    Result,
    decode,
    encode,
    first_of,
    is_heir,
    writer_of,
)
from replication.strong.machine import CONFLICT, HOLDS, INVALID, REPLAYED, Machine


def top(count: int, **others: int) -> bytes:
    return VersionVector({GROUP: count, **others}).to_bytes() if count else VersionVector(others).to_bytes()


def proposal(base: int, count: int, *op_ids: str, agent_id: str = "a", number: int = 1, **others: int) -> Proposal:
    """From `base` events of the group to `count`; the delta itself is nothing to the machine."""
    results = tuple(Result(op_id, b"result of " + op_id.encode()) for op_id in op_ids)
    delta = b"delta" if count > base else b""
    return Proposal("n0", 1, number, agent_id, base, delta, top(count, **others) if delta else b"", results)


def test_one_that_was_made_on_the_newest_holds() -> None:
    machine = Machine()
    assert [machine.apply(each) for each in (proposal(0, 1), proposal(1, 4), proposal(4, 5))] == [HOLDS] * 3
    assert machine.held("a") == VersionVector({GROUP: 5})


def test_of_two_made_on_one_state_the_first_holds() -> None:
    machine = Machine()
    assert machine.apply(proposal(0, 1)) == HOLDS
    assert machine.apply(proposal(0, 2)) == CONFLICT
    assert machine.held("a") == VersionVector({GROUP: 1})


def test_one_that_comes_twice_conflicts_with_itself() -> None:
    machine, once = Machine(), proposal(0, 1)
    assert [machine.apply(once), machine.apply(once)] == [HOLDS, CONFLICT]


def test_one_that_was_made_on_what_never_held_conflicts() -> None:
    machine = Machine()
    assert machine.apply(proposal(3, 4)) == CONFLICT
    assert machine.held("a") == VersionVector()


def test_agents_do_not_conflict_with_each_other() -> None:
    machine = Machine()
    assert machine.apply(proposal(0, 1, agent_id="a")) == HOLDS
    assert machine.apply(proposal(0, 1, agent_id="b")) == HOLDS
    assert sorted(machine.agents()) == ["a", "b"]


def test_weaker_changes_decide_nothing_and_are_held() -> None:
    machine = Machine()
    assert machine.apply(proposal(0, 1, w=7)) == HOLDS
    assert machine.apply(proposal(1, 2, w=3)) == HOLDS, "made where less of the weaker changes was known"
    assert machine.held("a") == VersionVector({GROUP: 2, "w": 7})


def test_one_that_changes_nothing_holds_and_is_no_ground_for_a_conflict() -> None:
    machine = Machine()
    assert machine.apply(proposal(0, 0, "look")) == HOLDS
    assert machine.result("look") == b"result of look"
    assert machine.apply(proposal(0, 1)) == HOLDS
    assert machine.apply(proposal(0, 0, "look again")) == CONFLICT, "what it returned may be of an old state"


def test_an_operation_that_was_served_is_not_served_again() -> None:
    machine = Machine()
    machine.apply(proposal(0, 1, "first"))
    assert machine.apply(proposal(1, 2, "first")) == REPLAYED
    assert machine.apply(proposal(1, 3, "second", "first")) == REPLAYED, "nor what travels with it"
    assert machine.result("second") is None
    assert machine.held("a") == VersionVector({GROUP: 1})


def test_an_op_id_counts_for_all_agents() -> None:
    machine = Machine()
    machine.apply(proposal(0, 1, "once", agent_id="a"))
    assert machine.apply(proposal(0, 1, "once", agent_id="b")) == REPLAYED


@pytest.mark.parametrize(
    "wrong",
    [
        proposal(0, 2, "twice", "twice"),
        proposal(0, 1)._replace(top=b"no version"),
        proposal(0, 1)._replace(top=b""),
        proposal(0, 1)._replace(top=top(0, w=1)),
    ],
)
def test_what_no_node_would_propose_is_invalid_and_changes_nothing(wrong: Proposal) -> None:
    machine = Machine()
    before = machine.to_bytes()
    assert machine.apply(wrong) == INVALID
    assert machine.to_bytes() == before


def test_the_oldest_results_are_forgotten_at_an_entry() -> None:
    machine = Machine()
    for k in range(10):
        machine.apply(proposal(k, k + 1, f"op {k}"))
    assert machine.surplus(10) is None
    surplus = machine.surplus(4)
    assert isinstance(surplus, Forget)
    assert len(machine) == 10, "until the log says so"
    assert machine.apply(surplus) == HOLDS
    assert [machine.result(f"op {k}") is not None for k in range(10)] == [False] * 6 + [True] * 4
    assert machine.apply(surplus) == HOLDS and len(machine) == 4, "said twice"


def test_what_was_forgotten_is_served_anew() -> None:
    machine = Machine()
    machine.apply(proposal(0, 1, "old"))
    machine.apply(machine.surplus(0) or pytest.fail("there is one too many"))
    assert machine.apply(proposal(1, 2, "old")) == HOLDS


ENTRIES = [
    proposal(0, 1, "p", b=2), proposal(0, 1), proposal(1, 3, "q", "r"), Forget(1), proposal(0, 1, agent_id="z"),
    proposal(3, 4, "q"), proposal(3, 3, "s"), proposal(0, 2, "t", agent_id="0"), Forget(2),
]  # fmt: skip


def test_equal_entries_give_equal_bytes() -> None:
    one, two = Machine(), Machine()
    for entry in ENTRIES:
        # The second reads what lies on a disk, and is a new process after each entry.
        assert one.apply(entry) == two.apply(decode(encode(entry)))
        assert one.to_bytes() == two.to_bytes()
        two = Machine.from_bytes(two.to_bytes())


def test_it_goes_on_from_its_bytes() -> None:
    machine = Machine()
    for k, entry in enumerate(ENTRIES):
        machine.apply(entry)
        copy = Machine.from_bytes(machine.to_bytes())
        rest = ENTRIES[k + 1 :]
        original = Machine.from_bytes(machine.to_bytes())
        assert [copy.apply(each) for each in rest] == [original.apply(each) for each in rest]
        assert copy.to_bytes() == original.to_bytes()


def changed(machine: Machine, place: int, value: object) -> bytes:
    fields = list(msgpack.unpackb(machine.to_bytes()))
    fields[place] = value
    packed: bytes = msgpack.packb(fields)
    return packed


def test_other_bytes_are_refused() -> None:
    machine = Machine()
    for entry in ENTRIES:
        machine.apply(entry)
    data = machine.to_bytes()
    hostile = [b"", b"\xc1", data[:-1], data + b"\x00", b"\x93", msgpack.packb(None), msgpack.packb([1, 2, 3])]
    nothing = VersionVector().to_bytes()
    hostile += [
        changed(machine, place, value)
        for place, value in [
            (0, [["a", b"no version"]]), (0, 7), (0, [[7, nothing]]), (0, [["a", nothing], ["a", nothing]]),
            (1, [["op"]]), (1, [["op", "1", b""]]), (1, [["op", -1, b""]]), (1, [["op", 1, "text"]]),
            (1, [["op", 1, b""], ["op", 2, b""]]), (1, [["op", 2, b""], ["po", 1, b""]]), (1, [["op", 10**6, b""]]),
            (2, "3"), (2, -1), (2, None), (2, 1.5), (2, True), (2, 0), (3, 7),
        ]
    ]  # fmt: skip
    for bad in hostile:
        with pytest.raises(MessageError):
            Machine.from_bytes(bad)
            pytest.fail(f"{bad!r} was taken")


def test_a_top_is_the_version_of_a_state() -> None:
    state = GCounter("w")
    state.increment()
    fork = state.fork(GROUP)
    fork.increment()
    machine = Machine()
    assert machine.apply(Proposal("n0", 1, 1, "a", 0, fork.delta(), fork.version.to_bytes(), ())) == HOLDS
    assert machine.held("a") == fork.version


def test_the_heir_of_a_group_counts_its_own_changes_and_remembers_what_was_served() -> None:
    state = GCounter("w")
    first, heir = state.fork(writer_of("g")), state.fork(writer_of("g.x"))
    for fork in (first, heir):
        fork.increment()
    changes = [
        Proposal("n0", 1, k, "a", 0, fork.delta(), fork.version.to_bytes(), (Result(f"op {k}", b"r"),))
        for k, fork in enumerate((first, heir, heir))
    ]
    machine = Machine(writer_of("g"))
    assert machine.apply(changes[1]) == INVALID, "not under the group's name"
    assert machine.apply(changes[0]) == HOLDS
    assert machine.apply(Refounded("g.x")) == HOLDS
    assert machine.apply(changes[0]) == REPLAYED
    machine = Machine.from_bytes(machine.to_bytes())
    assert machine.apply(changes[1]) == HOLDS
    assert machine.apply(changes[2]) == CONFLICT
    assert machine.result("op 0") == b"r"
    assert dict(machine.held("a")) == {writer_of("g"): 1, writer_of("g.x"): 1}


def test_a_name_tells_which_group_came_from_which_and_fits() -> None:
    assert is_heir("g.x", "g") and is_heir("g.x.y", "g") and is_heir("g.x.y", "g.x")
    assert not is_heir("g", "g") and not is_heir("g.x", "g.y") and not is_heir("gg.x", "g") and not is_heir("g", "g.x")
    names = ["g", "g.x", "g.x.y", "g.z", "g" + ".12345678" * 32]
    assert len({writer_of(name) for name in names}) == len(names)
    assert all(len(writer_of(name)) <= 64 and first_of(name) == "g" for name in names)
