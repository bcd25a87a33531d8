"""LWWMap is a MutableMapping: what a dict does, it does."""

from __future__ import annotations

import random
from collections.abc import Mapping, MutableMapping

import pytest

from crdt import LWWMap, ORMap


def test_it_is_registered_as_a_mutable_mapping() -> None:
    m = LWWMap("a")
    assert isinstance(m, MutableMapping)
    assert isinstance(m, Mapping)


@pytest.mark.parametrize("seed", range(4))
def test_it_behaves_like_a_dict(seed: int) -> None:
    rng = random.Random(seed)
    m, plain = LWWMap("a"), {}
    keys = [f"key {k}" for k in range(40)] + list(range(40))
    for k in range(5000):
        key = rng.choice(keys)
        act = rng.randrange(9)
        if act <= 3:
            m[key] = plain[key] = k
        elif act == 4 and key in plain:
            del m[key], plain[key]
        elif act == 5:
            assert m.pop(key, None) == plain.pop(key, None)
        elif act == 6:
            assert m.setdefault(key, k) == plain.setdefault(key, k)
        elif act == 7:
            more = {rng.choice(keys): k for _ in range(3)}
            m.update(more)
            plain.update(more)
        else:
            assert (key in m) == (key in plain)
            assert m.get(key, "none") == plain.get(key, "none")
        if rng.random() < 0.002:
            m.clear()
            plain.clear()
        assert len(m) == len(plain)
    assert m.value == plain == dict(m.items()) == dict(m)
    assert set(m) == set(m.keys()) == set(plain)
    assert sorted(map(str, m.values())) == sorted(map(str, plain.values()))
    assert m.get_many(keys) == [plain.get(key) for key in keys]
    m.check_invariants()
    again = LWWMap.from_bytes(m.to_bytes())
    assert again.value == plain


def test_update_takes_what_dict_update_takes() -> None:
    m = LWWMap("a")
    m.update({"a": 1})
    m.update([("b", 2), ("c", 3)])
    m.update(d=4)
    m.update(LWWMap.from_bytes(m.to_bytes()))
    other = LWWMap("b")
    other["e"] = 5
    m.update(other.items())
    m.update()
    assert m.value == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    assert m.pop("a") == 1
    assert m.pop("a", "default") == "default"
    key, value = m.popitem()
    assert key not in m
    assert value in (2, 3, 4, 5)
    m.clear()
    assert not m
    with pytest.raises(KeyError):
        m.popitem()


def test_a_delete_competes_by_time_like_a_write() -> None:
    now = [1000]
    a, b = LWWMap("a", clock=lambda: now[0]), LWWMap("b", clock=lambda: now[0])
    a["k"] = 1
    b.merge(a)
    del a["k"]
    now[0] += 1
    b["k"] = 2
    a.merge(b)
    b.merge(a)
    assert a["k"] == b["k"] == 2
    now[0] += 1
    a["k"] = 3
    now[0] += 1
    del b["k"]
    a.merge(b)
    b.merge(a)
    assert "k" not in a
    assert "k" not in b
    assert a == b


def test_a_big_map_keeps_every_key() -> None:
    m = LWWMap("a")
    m.update({f"key {k}": k for k in range(50_000)})
    for k in range(0, 50_000, 3):
        del m[f"key {k}"]
    assert len(m) == 50_000 - len(range(0, 50_000, 3))
    assert m.get_many([f"key {k}" for k in range(50_000)]) == [None if k % 3 == 0 else k for k in range(50_000)]
    other = LWWMap("b")
    other.merge(m)
    assert other == m
    assert other.value == m.value
    m.check_invariants()


class FailingClock:
    """Gives the time a few times, then nonsense."""

    def __init__(self) -> None:
        self.left = 1000

    def __call__(self) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError("no clock")
        return 1000


@pytest.mark.parametrize(
    "change",
    [
        lambda m, new: m.update(new),
        lambda m, new: m.update(list(new.items())),
        lambda m, new: m.update(dict(new), more=1),
        lambda m, new: m.clear(),
    ],
)
@pytest.mark.parametrize("left", [0, 1])
def test_a_clock_that_fails_leaves_no_half_of_a_change(change, left) -> None:
    clock = FailingClock()
    m = LWWMap("a", clock=clock)
    m.update(dict.fromkeys(range(200), "old"))
    was, clock.left = m.to_bytes(), left
    if left == 0:
        with pytest.raises(OSError, match="no clock"):
            change(m, dict.fromkeys(range(300), "new"))
        assert m.to_bytes() == was
    else:
        change(m, dict.fromkeys(range(300), "new"))
        assert "old" not in m.value.values()


class Shouting(dict):
    """A dict that is read through its own methods."""

    def __iter__(self):
        return iter(self.keys())

    def keys(self):
        return list(map(str.upper, super().keys()))

    def __getitem__(self, key):
        return f"{super().__getitem__(key.lower())}!"


class OwnItems(dict):
    def items(self):
        return [("never", "read")]


class OnlyItems:
    """No mapping for `dict.update`, but an iterable of pairs."""

    def __iter__(self):
        return iter([("a", 1)])

    def items(self):
        return [("never", "read")]


class OwnKeys:
    def keys(self):
        return ["a", "b"]

    def items(self):
        return [("never", "read")]

    def __getitem__(self, key):
        return key * 2


@pytest.mark.parametrize("other", [Shouting(a="x"), OwnItems(a="x"), OnlyItems(), OwnKeys(), [("a", 1)], {"a": 1}])
def test_update_reads_what_it_is_given_as_a_dict_does(other) -> None:
    m, plain = LWWMap("a"), {}
    m.update(other, more=1)
    plain.update(other, more=1)
    assert m.value == plain
    again = LWWMap("b")
    again.update(m)
    assert again.value == plain


def test_a_mapping_pattern_matches_it() -> None:
    m = LWWMap("a")
    m.update({"model": "small", "n": 1})
    match m:
        case {"model": model, **rest}:
            assert (model, rest) == ("small", {"n": 1})
        case _:
            pytest.fail("not taken for a mapping")


@pytest.mark.parametrize("kind", [LWWMap, ORMap])
def test_reversed_does_not_take_keys_for_indexes(kind: type[LWWMap | ORMap]) -> None:
    with pytest.raises(TypeError, match="not reversible"):
        reversed(kind("a"))  # type: ignore[call-overload]
