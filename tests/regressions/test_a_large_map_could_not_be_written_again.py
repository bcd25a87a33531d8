"""Memory that huge pages had been asked for could not grow any more: MemoryError, with much of it free."""

import random

from crdt import GSet, LWWMap

COUNT = 400_000


def test_a_map_that_was_filled_at_once() -> None:
    keys = [f"{number:09d}" for number in range(COUNT)]
    state = LWWMap("a")
    state.update(dict.fromkeys(keys, 1))
    random.Random(1).shuffle(keys)
    shuffled = {key: number for number, key in enumerate(keys)}
    for _ in range(3):
        state.update(shuffled)
    assert state.value == shuffled
    state.check_invariants()


def test_states_that_were_read() -> None:
    elements = [f"{number:09d}" for number in range(COUNT)]
    read = GSet.from_bytes(GSet("a").fork("b").to_bytes())
    read.update(elements)
    read = GSet.from_bytes(read.to_bytes())
    read.update(f"more {number}" for number in range(COUNT))
    assert len(read) == 2 * COUNT
    of_map = LWWMap("a")
    of_map.update(dict.fromkeys(elements, 1))
    of_map = LWWMap.from_bytes(of_map.to_bytes())
    of_map.update(dict.fromkeys((f"more {number}" for number in range(COUNT)), "longer than it was"))
    of_map.update(dict.fromkeys(elements, "longer than it was"))
    assert len(of_map) == 2 * COUNT
    of_map.check_invariants()
