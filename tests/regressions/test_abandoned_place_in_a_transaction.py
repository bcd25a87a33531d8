"""A write that changes nothing, below a key that is not there, once wrote past the undo record."""

from crdt import GCounter, ORMap


def test_an_increment_by_nothing_makes_no_key() -> None:
    m = ORMap("a", of=GCounter)
    for length in range(40):

        def update(state: ORMap, length: int = length) -> None:
            for k in range(length):
                state[f"kept {k}"].increment()
            for k in range(3):
                state[f"abandoned {k}"].increment(0)

        m._transact(update)
        m.check_invariants()
    assert all(key.startswith("kept") for key in m)
    assert ORMap.from_bytes(m.to_bytes()) == m
