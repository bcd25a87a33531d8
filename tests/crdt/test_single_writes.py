"""One write at a time: what the short way through the engine leaves must be what the long ways leave."""

import os
from random import Random

import pytest

from crdt import Composite, GSet, LWWMap, MVRegister, ORMap, ORSet

# Payloads of every length that lies in a cell, of those beside it, and ints of one digit and of more.
VALUES = [
    None, True, 0, -1, 1, 2**30 - 1, -(2**30), 2**30, -(2**31), 2**63 - 1, -(2**63), 2**63, 0.5, b"", b"\0",
    *("x" * n for n in range(20)), "é", "é" * 6,
]  # fmt: skip


class Settings(Composite):
    config: LWWMap
    tags: GSet


@pytest.mark.parametrize("seed", range(4))
def test_a_map_holds_what_was_written_last_whatever_its_size(seed: int) -> None:
    rng = Random(seed)
    m, model = LWWMap("a"), {}
    keys = [key for key in VALUES if key is not True and key != 0.5]
    keys += [f"{n:0{width}d}" for width in range(3, 14) for n in range(200)]
    for number in range(4000):
        key, value = rng.choice(keys), rng.choice(VALUES)
        if rng.random() < 0.1 and key in model:
            del m[key], model[key]
        else:
            m[key] = model[key] = value
        if number % 500 == 0:
            m.check_invariants()  # recomputes the digest
    m.check_invariants()
    assert m.value == model
    assert LWWMap.from_bytes(m.to_bytes()).digest() == m.digest()


@pytest.mark.parametrize("kind", [GSet, ORSet])
def test_a_set_holds_what_was_added(kind: type) -> None:
    s = kind("a")
    keys = [f"{n:0{width}d}" for width in range(3, 14) for n in range(200)]
    for key in keys + keys[::3]:
        s.add(key)
    s.check_invariants()
    assert s.value == set(keys)
    assert dict(s.version) == {"a": len(keys) + (len(keys[::3]) if kind is ORSet else 0)}


def test_writes_of_a_transaction_that_fails_are_undone_one_by_one() -> None:
    state = Settings("a")
    for key in range(40):
        state.config[key] = "short" if key % 2 else "a value that lies in the arena"
    state.tags.add("old")
    before, digest = state.to_bytes(), state.digest()

    def change(s: Settings) -> None:
        for key in range(60):
            s.config[key] = key
            s.config[key] = "another value that lies in the arena"
            s.tags.add(f"a new tag {key}")
        raise KeyError

    with pytest.raises(KeyError):
        state._transact(change)
    state.check_invariants()
    assert (state.to_bytes(), state.digest()) == (before, digest)


def test_a_write_takes_the_place_of_all_concurrent_ones() -> None:
    ours, theirs = ORMap("a", of=LWWMap), ORMap("b", of=LWWMap)
    ours["x"]["key"], theirs["x"]["key"], theirs["x"]["other"] = 1, 2, 3
    ours.merge(theirs)
    ours["x"]["other"] = "long enough for the arena"
    ours["x"]["key"] = "a value"
    ours.check_invariants()
    assert ours["x"].value == {"key": "a value", "other": "long enough for the arena"}
    register, other = MVRegister("a"), MVRegister("b")
    register.set(1)
    other.set("two")
    register.merge(other)
    register.set("three")
    register.check_invariants()
    assert register.values == ["three"]


def test_stamps_rise_where_the_clock_stands_still() -> None:
    earlier, later = LWWMap("z"), LWWMap("a")
    earlier["key"] = "theirs"
    later.merge(earlier)
    later["key"] = "ours"  # within one tick: only a higher stamp wins over the higher name
    earlier.merge(later)
    assert earlier["key"] == "ours"


def test_what_is_no_key_or_value_changes_nothing() -> None:
    m, s = LWWMap("a"), GSet("a")
    for change in (lambda: m.__setitem__([], 1), lambda: m.__setitem__("k", object()), lambda: s.add({})):
        with pytest.raises(TypeError):
            change()
    with pytest.raises(ValueError):
        m["k" * 65536] = 1
    assert not m.version and not s.version
    assert LWWMap("a").to_bytes() == m.to_bytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_writes_on_under_a_given_name_only() -> None:
    named, unnamed = LWWMap("a"), LWWMap()
    named["x"] = unnamed["x"] = 1
    name = unnamed.replica
    child = os.fork()
    if child == 0:
        named["y"] = unnamed["y"] = 2
        versions = dict(named.version), dict(unnamed.version)
        os._exit(versions != ({"a": 2}, {name: 1, unnamed.replica: 1}))
    assert os.waitpid(child, 0)[1] == 0
