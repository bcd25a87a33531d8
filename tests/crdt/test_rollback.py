"""An update that raises leaves nothing behind, whatever it did before; one that succeeds is a plain edit."""

import random
import sys

import pytest

from crdt import (
    Composite,
    GCounter,
    GSet,
    LWWMap,
    LWWRegister,
    MVRegister,
    OpBasedList,
    ORMap,
    ORSet,
    PNCounter,
    Text,
    field,
)


class Inner(Composite):
    hits: GCounter
    tags: ORSet
    notes: Text
    deeper: ORMap = field(of=PNCounter)


class Everything(Composite):
    hits: GCounter
    budget: PNCounter
    flags: GSet
    tags: ORSet
    mode: LWWRegister
    votes: MVRegister
    config: LWWMap
    logs: OpBasedList
    notes: Text
    tallies: ORMap = field(of=GCounter)
    groups: ORMap = field(of=ORSet)
    maps: ORMap = field(of=LWWMap)
    texts: ORMap = field(of=Text)
    inners: ORMap = field(of=Inner)
    twice: ORMap = field(of=ORMap)
    inner: Inner


KEYS = ["a", "b", "c", 1, ("t", 2), "a key that is too long to stand in its row"]


def edit_inner(state, rng):
    choice = rng.randrange(5)
    if choice == 0:
        state.hits.increment(rng.randrange(3))
    elif choice == 1:
        state.tags.add(rng.choice(KEYS))
    elif choice == 2:
        state.tags.discard(rng.choice(KEYS))
    elif choice == 3:
        edit_text(state.notes, rng)
    else:
        edit_map(state.deeper, rng, lambda child: child.decrement(rng.randrange(3)))


def edit_text(text, rng):
    if len(text) and rng.random() < 0.4:
        start = rng.randrange(len(text))
        text.delete(start, min(rng.randrange(3), len(text) - start))
    else:
        text.insert(rng.randrange(len(text) + 1), rng.choice(["x", "", "äö", "long enough to be a run of its own"]))


def edit_list(items, rng):
    if len(items) and rng.random() < 0.4:
        del items[rng.randrange(len(items))]
    else:
        items.insert_many(rng.randrange(len(items) + 1), [rng.choice(KEYS[:4]) for _ in range(rng.randrange(4))])


def edit_map(nested, rng, edit_child):
    key = rng.choice(KEYS)
    if key in nested and rng.random() < 0.4:
        del nested[key]
    else:
        edit_child(nested[key])


def edit_lww(config, rng):
    key = rng.choice(KEYS)
    if key in config and rng.random() < 0.3:
        del config[key]
    else:
        config[key] = rng.choice([1, None, "a value too long for its word", [1, {"k": b"v"}], 2**70])


EDITS = [
    lambda s, rng: s.hits.increment(rng.randrange(5)),
    lambda s, rng: s.budget.decrement(rng.randrange(5)),
    lambda s, rng: s.flags.add(rng.choice(KEYS)),
    lambda s, rng: s.tags.add(rng.choice(KEYS)),
    lambda s, rng: s.tags.discard(rng.choice(KEYS)),
    lambda s, rng: s.tags.clear() if rng.random() < 0.2 else None,
    lambda s, rng: s.mode.set(rng.choice(KEYS)),
    lambda s, rng: s.votes.set(rng.randrange(9)),
    lambda s, rng: edit_lww(s.config, rng),
    lambda s, rng: edit_list(s.logs, rng),
    lambda s, rng: edit_text(s.notes, rng),
    lambda s, rng: edit_map(s.tallies, rng, lambda child: child.increment(rng.randrange(3))),
    lambda s, rng: edit_map(s.groups, rng, lambda child: child.add(rng.choice(KEYS))),
    lambda s, rng: edit_map(s.groups, rng, lambda child: child.discard(rng.choice(KEYS))),
    lambda s, rng: edit_map(s.maps, rng, lambda child: edit_lww(child, rng)),
    lambda s, rng: edit_map(s.texts, rng, lambda child: edit_text(child, rng)),
    lambda s, rng: edit_map(s.inners, rng, lambda child: edit_inner(child, rng)),
    lambda s, rng: edit_map(s.twice, rng, lambda child: edit_map(child, rng, lambda c: c.increment(2))),
    lambda s, rng: edit_inner(s.inner, rng),
]


class Stop(Exception):
    pass


def burst(state, rng, edits):
    for _ in range(edits):
        rng.choice(EDITS)(state, rng)


def picture(state):
    return state.to_bytes(), state.digest(), state.version, state.value


@pytest.mark.parametrize("seed", range(40))
def test_a_raising_update_leaves_nothing(seed):
    rng = random.Random(seed)
    replicas = [Everything(name) for name in "abc"]
    for _ in range(25):
        state = rng.choice(replicas)
        before = picture(state)
        since = state.version

        def failing(s):
            burst(s, rng, rng.randrange(12))
            raise Stop

        with pytest.raises(Stop):
            state._transact(failing)
        assert picture(state) == before
        assert state.delta(since) == b""
        state.check_invariants()

        state._transact(lambda s: burst(s, rng, rng.randrange(8)))
        state.check_invariants()
        burst(state, rng, rng.randrange(4))
        state.check_invariants()
        if rng.random() < 0.5:
            other = rng.choice(replicas)
            other.merge(state.delta(other.version) if rng.random() < 0.5 else state)
            other.check_invariants()
    for state in replicas:
        for other in replicas:
            state.merge(other)
    assert len({state.to_bytes() for state in replicas}) == 1
    assert len({state.digest() for state in replicas}) == 1
    again = Everything.from_bytes(replicas[0].to_bytes())
    again.check_invariants()
    assert again.to_bytes() == replicas[0].to_bytes()
    assert again.value == replicas[0].value


def test_a_caught_error_inside_an_update_leaves_the_rest_consistent():
    state = Everything("a")

    def update(s):
        with pytest.raises(TypeError):
            s.tallies["new"].increment("one")
        with pytest.raises(IndexError):
            s.texts["new"].insert(5, "x")
        with pytest.raises(OverflowError):
            s.tallies["full"].increment(2**64 - 1)
            s.tallies["full"].increment()
        s.hits.increment()

    state._transact(update)
    state.check_invariants()
    assert state.value["tallies"] == {"full": 2**64 - 1}
    assert state.value["texts"] == {}
    assert Everything.from_bytes(state.to_bytes()) == state


def test_a_child_that_was_removed_in_the_same_update_is_made_anew():
    state = Everything("a")
    state.tallies["x"].increment(5)

    def update(s):
        child = s.tallies["x"]
        del s.tallies["x"]
        child.increment(1)

    state._transact(update)
    state.check_invariants()
    assert state.value["tallies"] == {"x": 1}


def test_an_update_inside_an_update_is_refused():
    state = Everything("a")
    with pytest.raises(RuntimeError, match="inside"):
        state._transact(lambda s: s._transact(lambda t: None))
    state.hits.increment()
    assert state.hits.value == 1


class Plain(Composite):
    notes: Text
    logs: OpBasedList
    config: LWWMap
    tags: ORSet
    texts: ORMap = field(of=OpBasedList)
    sets: ORMap = field(of=ORSet)
    maps: ORMap = field(of=LWWMap)


def fail(state, change):
    def update(s):
        change(s)
        raise LookupError

    with pytest.raises(LookupError):
        state._transact(update)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.notes.append("x" * 3000),
        lambda s: s.notes.insert(500, "x" * 3000),
        lambda s: s.logs.append("x" * 500),
        lambda s: s.logs.insert_many(50, [1] * 600),
        lambda s: s.config.update({"new": "x" * 500}),
        lambda s: s.config.update({3: "x" * 500}),
        lambda s: s.tags.add("x" * 500),
    ],
)
def test_updates_that_fail_again_and_again_take_no_memory(change):
    state = Plain("a")
    state.notes.append("é" * 1000)
    state.logs.extend(["q" * 100] * 100)
    state.config.update(dict.fromkeys(range(100), "z" * 100))
    state.tags.update(range(100))
    before, held = state.value, sys.getsizeof(state)
    for _ in range(500):
        fail(state, change)
    assert sys.getsizeof(state) < held * 2
    state.check_invariants()
    assert state.value == before


def test_leaves_that_failed_updates_divided_are_packed_and_can_be_edited():
    rng = random.Random(1)
    state, plain = Plain("a"), "é" * 20_000
    state.notes.append(plain)
    held = sys.getsizeof(state)
    for step in range(600):
        at = rng.randrange(len(plain))
        fail(state, lambda s: s.notes.insert(at, "x" * 1100))  # noqa: B023 - called at once
        if step % 20 == 0:
            state.notes.insert(at, "né")
            plain = plain[:at] + "né" + plain[at:]
    state.check_invariants()
    assert str(state.notes) == plain
    assert sys.getsizeof(state) < held * 6
    assert Plain.from_bytes(state.to_bytes()) == state
