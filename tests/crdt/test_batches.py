"""Calls that take many keys at once leave the state that one call for each would have left."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crdt import Composite, GSet, LWWMap, ORMap, ORSet

# Of every kind, short and long, and among them what packing cannot do without a call.
KINDS: list[Callable[[int], Any]] = [
    lambda k: f"k{k}",
    lambda k: f"a key that is longer than its cell {k}",
    lambda k: f"clé {k}",
    lambda k: k,
    lambda k: k * 2.5,
    lambda k: (1 << 70) + k,
    lambda k: f"{k}".encode(),
    lambda k: ("pair", k),
    lambda k: None,
    lambda k: k % 2 == 0,
]


def keys(n: int, seed: int) -> list[Any]:
    rng = random.Random(seed)
    return [rng.choice(KINDS)(rng.randrange(n)) for _ in range(n)]


def value(k: int) -> Any:
    return [k, f"value {k}", "v" * (k % 40), {"k": [k]}, k / 3, None, b"b" * (k % 20)][k % 7]


def map_at(time: int = 1000) -> LWWMap:
    return LWWMap("a", clock=lambda: time)


@pytest.mark.parametrize("n", [0, 1, 2, 31, 32, 33, 64, 65, 1000, 9000])
def test_update_of_a_map_is_as_many_writes(n: int) -> None:
    one_by_one, at_once = map_at(), map_at()
    for seed in range(3):
        pairs = [(key, value(k)) for k, key in enumerate(keys(n, seed))]
        at_once.update(pairs)
        for key, v in pairs:
            one_by_one[key] = v
        assert at_once == one_by_one
        assert at_once.version == one_by_one.version
    at_once.check_invariants()
    wanted = [*keys(n, 0), *keys(n, 7)]
    assert at_once.get_many(wanted, "none") == [one_by_one.get(key, "none") for key in wanted]
    assert at_once.get_many(iter(wanted[:5])) == [one_by_one.get(key) for key in wanted[:5]]


@pytest.mark.parametrize("kind", [GSet, ORSet])
@pytest.mark.parametrize("n", [0, 1, 32, 33, 1000, 9000])
def test_update_of_a_set_is_as_many_adds(kind: Any, n: int) -> None:
    one_by_one, at_once = kind("a"), kind("a")
    for seed in range(3):
        at_once.update(keys(n, seed))
        for key in keys(n, seed):
            one_by_one.add(key)
        assert at_once == one_by_one
        assert at_once.version == one_by_one.version
    at_once.check_invariants()


def test_concurrent_entries_of_one_key_become_one() -> None:
    """Below an ORMap they stay apart until one of the writers writes again."""
    a, b = ORMap("a", of=LWWMap), ORMap("b", of=LWWMap)
    names = [f"a long name, so that it is in the arena {k}" for k in range(100)]
    a["m"].update(dict.fromkeys(names, "a"))
    b["m"].update(dict.fromkeys(names, "b"))
    a.merge(b)
    read = a["m"].get_many(names)
    assert read == [a["m"][name] for name in names]
    a["m"].update(dict.fromkeys(names[:50], "again"))
    a.check_invariants()
    assert a["m"].get_many(names) == ["again"] * 50 + read[50:]


class Settings(Composite):
    config: LWWMap
    tags: ORSet


def test_an_update_that_is_undone_leaves_nothing() -> None:
    s = Settings("a")
    s.config.update({f"kept {k}": "a value that is longer than its cell" for k in range(100)})
    s.tags.update(range(100))
    before = s.digest(), s.to_bytes()

    def fails(state: Any) -> None:
        state.config.update({f"kept {k}": k for k in range(0, 200, 3)})
        state.tags.update(range(50, 150))
        raise LookupError

    with pytest.raises(LookupError):
        s._transact(fails)
    assert (s.digest(), s.to_bytes()) == before
    s.check_invariants()


def test_one_that_cannot_be_kept_keeps_out_all() -> None:
    m: Any = LWWMap("a")
    s: Any = GSet("a")
    with pytest.raises(TypeError):
        m.update({**{f"k{k}": k for k in range(100)}, "bad": {1, 2}})
    with pytest.raises(TypeError):
        m.update({"k": 1}, bad=object())
    with pytest.raises(TypeError):
        s.update([*range(100), []])
    with pytest.raises(TypeError):
        m.get_many(["a", []])
    assert not m.version
    assert not s.version


def test_a_source_may_be_read_only_once() -> None:
    def pairs() -> Iterator[Iterator[Any]]:
        for k in range(40):
            yield iter((f"k{k}", k))

    m: Any = LWWMap("a")
    m.update(pairs())
    assert m.value == {f"k{k}": k for k in range(40)}
    m.update(m)
    assert m.value == {f"k{k}": k for k in range(40)}
