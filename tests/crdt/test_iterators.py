"""Iterators: over what was changed, undone, removed or made anew they do not go on; over the rest they do."""

import pytest

from crdt import GSet, LWWMap, OpBasedList, ORSet
from tests.crdt.test_rollback import Plain, fail


def test_an_iterator_does_not_go_on_after_an_undone_update():
    state = Plain("a")
    state.logs.extend(range(10))
    at = iter(state.logs)
    assert next(at) == 0
    fail(state, lambda s: s.logs.insert_many(0, ["x"] * 600))
    with pytest.raises(RuntimeError, match="changed during iteration"):
        next(at)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.logs.append(10),
        lambda s: s.logs.insert(0, 10),
        lambda s: s.logs.delete(5),
        lambda s: s.logs.clear(),
        lambda s: s.logs.extend([10, 11]),
    ],
)
def test_an_iterator_does_not_go_on_after_a_change_of_its_list(change):
    state = Plain("a")
    state.logs.extend(range(10))
    at = iter(state.logs)
    assert next(at) == 0
    change(state)
    with pytest.raises(RuntimeError, match="changed during iteration"):
        next(at)


def test_an_iterator_does_not_go_on_after_a_merge_that_changes_its_list():
    state = Plain("a")
    state.logs.extend(range(10))
    other = state.fork("b")
    other.logs.append(10)
    at = iter(state.logs)
    assert next(at) == 0
    state.merge(other.delta(state.version))
    with pytest.raises(RuntimeError, match="changed during iteration"):
        next(at)


def test_an_iterator_over_a_list_goes_on_while_the_rest_of_the_state_changes():
    state = Plain("a")
    state.logs.extend(range(100))
    for entry in state.logs:
        state.texts["k"].append(entry)
        state.notes.append("x")
        del state.texts["k"][0]
    assert len(state.notes) == 100


def test_an_iterator_over_what_an_undone_update_had_made_does_not_go_on():
    state = Plain("a")
    kept = []

    def change(s):
        s.texts["k"].extend(["long enough to lie elsewhere"] * 2)
        kept.append(iter(s.texts["k"]))

    fail(state, change)
    state.logs.extend([1, 2])  # as many events as were undone: the version is the same again
    with pytest.raises(RuntimeError, match="changed during iteration"):
        next(kept[0])


def put(keys, values):
    """Fill a set or a map."""
    keys.update(dict.fromkeys(values, 0) if isinstance(keys, LWWMap) else values)


TABLES = {
    "a set": lambda s: s.tags,
    "a map": lambda s: s.config,
    "a set in a map": lambda s: s.sets["k"],
    "a map in a map": lambda s: s.maps["k"],
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("rounds", [0, 1, 7])
def test_an_iterator_over_keys_that_an_undone_update_had_made_does_not_go_on(table, rounds):
    state = Plain("a")
    kept = []

    def change(s):
        put(table(s), [1, 2, 3])
        views = [iter(table(s))]
        if isinstance(table(s), LWWMap):
            views += [iter(view()) for view in (table(s).keys, table(s).values, table(s).items)]
        assert [next(view) for view in views]
        kept.extend(views)

    for _ in range(2):
        fail(state, change)
    gone = len(kept) // 2
    for view in kept[:gone]:
        with pytest.raises(RuntimeError, match=r"changed (size )?during iteration"):
            next(view)  # nothing is there
    for _ in range(rounds):
        fail(state, lambda s: put(table(s), ["x"]))
    put(table(state), [4, 5, 6])  # as many changes of what was made anew
    for view in kept[gone:]:
        with pytest.raises(RuntimeError, match=r"changed (size )?during iteration"):
            next(view)


def test_an_iterator_over_keys_does_not_go_on_over_a_child_that_was_removed_and_made_anew():
    state = Plain("a")
    state.sets["k"].update([1, 2, 3])
    at = iter(state.sets["k"])
    assert next(at) == 1
    del state.sets["k"]
    with pytest.raises(RuntimeError, match="changed during iteration"):
        next(at)
    state.sets["k"].update([4, 5, 6])
    with pytest.raises(RuntimeError, match="changed during iteration"):
        next(at)


def test_an_iterator_over_keys_goes_on_while_others_are_removed_or_undone():
    state = Plain("a")
    state.tags.update([1, 2, 3])
    for tag in state.tags:
        state.sets[tag].add("x")
        del state.sets[tag]
        fail(state, lambda s: s.config.update({"new": 1}))
    assert len(state.sets) == 0


@pytest.mark.parametrize("kind", [GSet, ORSet, OpBasedList, LWWMap])
@pytest.mark.parametrize("elements", [[], [1, 2]])
def test_an_iterator_that_has_come_to_its_end_stays_there(kind, elements):
    state = kind("a")
    grow = state.append if kind is OpBasedList else state.add if kind is not LWWMap else lambda x: state.update({x: 1})
    for element in elements:
        grow(element)
    at = iter(state)
    assert list(at) == elements
    grow(3)
    assert next(at, "end") == "end"
