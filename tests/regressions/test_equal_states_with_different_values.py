"""1, 1.0 and True are three keys, of which a dict or set shows one: which, went by the order they had come in."""

from itertools import permutations

import pytest

from crdt import GSet, LWWMap, ORMap, ORSet

KEYS = [1, True, 1.0, (0, 1), (False, 1.0), "x"]


def typed(value):
    """With the types of keys, which comparing would not look at."""
    items = value.items() if isinstance(value, dict) else ((x, None) for x in value)
    return sorted((repr(key), repr(x)) for key, x in items)


@pytest.mark.parametrize("type_", [LWWMap, ORMap, GSet, ORSet])
def test_equal_states_have_equal_values(type_):
    parts = []
    for number, key in enumerate(KEYS):
        part = type_(f"writer {number}")
        if type_ is LWWMap:
            part[key] = f"of {key!r}"
        elif type_ is ORMap:
            part[key].increment(number + 1)
        else:
            part.add(key)
        parts.append(part)
    states = []
    for order in permutations(parts, 6):
        state = type_("a")
        for part in order:
            state.merge(part)
        states.append(state)
    assert all(state == states[0] for state in states)
    assert len(states[0]) == 6
    shown = typed(states[0].value)
    assert len(shown) == 3
    assert all(typed(state.value) == shown for state in states)
    assert typed(type_.from_bytes(states[0].to_bytes()).value) == shown
    if type_ is LWWMap:
        assert all(value == f"of {key!r}" for key, value in states[0].value.items())
