"""OpBasedList and Text as sequences of Python, and cursors that stay with their place."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest

from crdt import Cursor, OpBasedList, Text

WIDE = ["a", "é", "漢字", "\U0001f600", "hello ", "\x00", "ÿ"]


@pytest.mark.parametrize("seed", range(3))
def test_a_text_is_edited_like_a_str(seed: int) -> None:
    rng = random.Random(seed)
    text, plain = Text("a"), ""
    for _ in range(3000):
        at = rng.randint(0, len(plain))
        if rng.random() < 0.6:
            piece = rng.choice(WIDE) * rng.choice([1, 1, 30])
            text.insert(at, piece)
            plain = plain[:at] + piece + plain[at:]
        else:
            n = min(rng.randint(0, 40), len(plain) - at)
            text.delete(at, n)
            plain = plain[:at] + plain[at + n :]
        if rng.random() < 0.05:
            i, j = rng.randint(-5, len(plain)), rng.randint(-5, len(plain) + 5)
            assert text[i:j] == plain[i:j]
            assert str(text) == plain
    assert len(text) == len(plain)
    assert all(text[i] == plain[i] for i in range(0, len(plain), 97))
    assert text[-1] == plain[-1]
    assert text[::3] == plain[::3]
    text.check_invariants()
    assert str(Text.from_bytes(text.to_bytes())) == plain


@pytest.mark.parametrize("seed", range(3))
def test_a_list_is_edited_like_a_list(seed: int) -> None:
    rng = random.Random(seed)
    items: OpBasedList = OpBasedList("a")
    plain: list[Any] = []
    for k in range(2000):
        at = rng.randint(-len(plain), len(plain))
        act = rng.random()
        if act < 0.4:
            items.insert(at, k)
            plain.insert(at, k)
        elif act < 0.6:
            piece = list(range(k, k + rng.randint(0, 5)))
            at = rng.randint(0, len(plain))
            items.insert_many(at, piece)
            plain[at:at] = piece
        elif plain and act < 0.8:
            at = rng.randrange(-len(plain), len(plain))
            del items[at], plain[at]
        elif plain:
            i, j = sorted(rng.choices(range(-len(plain), len(plain) + 1), k=2))
            if rng.random() < 0.2:
                del items[i:j]
                del plain[i:j]
    assert items.value == plain == list(items)
    assert items[2:-3] == plain[2:-3]
    assert items[::-2] == plain[::-2]
    items.check_invariants()
    again = OpBasedList.from_bytes(items.to_bytes())
    assert again.value == plain


def test_apply_is_all_or_nothing() -> None:
    text = Text("a")
    text.append("hello world")
    before = text.to_bytes()
    with pytest.raises(IndexError):
        text.apply([(0, 5, "HELLO"), (5, 0, "!"), (99, 0, "x")])
    assert text.to_bytes() == before
    text.apply([(0, 5, "HELLO"), (5, 0, "!"), (12, 0, "."), (0, 0, "")])
    assert str(text) == "HELLO! world."


def some_patches(text: Text, rng: random.Random) -> list[tuple[int, int, str]]:
    """Typing, held keys and jumps, in an order in which `text` can take them."""
    patches, n, at = [], len(text), rng.randint(0, len(text))
    for _ in range(rng.randint(1, 60)):
        kind = rng.random()
        deleted, inserted = 0, ""
        if kind < 0.5:
            inserted = rng.choice(["x", "yz", "é", "漢", "\U0001f600", "abcdefgh" * 9])
        elif kind < 0.75:
            deleted = min(at, 1)
            at -= deleted
        elif kind < 0.85:
            deleted = min(n - at, 1)
        else:
            at = rng.randint(0, n)
            deleted, inserted = rng.randint(0, min(4, n - at)), rng.choice(["", "q", "www"])
        patches.append((at, deleted, inserted))
        at += len(inserted)
        n += len(inserted) - deleted
    return patches


@pytest.mark.parametrize("seed", range(20))
def test_patches_are_the_edits_they_stand_for(seed: int) -> None:
    rng = random.Random(seed)
    at_once, one_by_one = Text("a"), Text("a")
    for _ in range(5):
        version, patches = at_once.version, some_patches(at_once, rng)
        at_once.apply(patches if rng.random() < 0.5 else map(list, patches))  # type: ignore[arg-type]
        for at, deleted, inserted in patches:
            one_by_one.delete(at, deleted)
            one_by_one.insert(at, inserted)
        assert str(at_once) == str(one_by_one)
        assert at_once.version == one_by_one.version and at_once.digest() == one_by_one.digest()
        assert at_once.delta(version) == one_by_one.delta(version)
        at_once.check_invariants()


@pytest.mark.parametrize("seed", range(10))
def test_patches_in_an_update_that_raises_are_taken_back(seed: int) -> None:
    rng = random.Random(seed)
    text = Text("a")
    text.apply(some_patches(text, rng))
    version, before = text.version, (str(text), text.digest(), text.to_bytes())

    def fn(state: Text) -> None:
        for _ in range(3):
            state.apply(some_patches(state, rng))
        raise KeyError

    with pytest.raises(KeyError):
        text._transact(fn)
    assert (str(text), text.digest(), text.to_bytes()) == before
    assert text.version == version
    text.check_invariants()


def test_a_patch_that_changes_the_list_it_is_in_is_not_followed() -> None:
    class Sly:
        def __iter__(self) -> Any:
            patches.clear()
            return iter((1, 0, "b"))

    patches: list[Any] = [(0, 0, "a"), Sly(), (2, 0, "c")]
    text = Text("a")
    text.apply(patches)
    assert str(text) == "abc" and patches == []


@pytest.mark.parametrize(
    "index", [sign * (1 << bits) + by for sign in (1, -1) for bits in (30, 60, 63, 90) for by in (-2, 2)]
)
def test_an_index_of_any_size_is_read_whole(index: int) -> None:
    text = Text("a")
    text.append("abc")
    for edit in (
        lambda: text.insert(index, "x"),
        lambda: text.delete(index, 1),
        lambda: text.delete(0, index),
        lambda: text.apply([(index, 1, "x")]),
        lambda: text.apply([(0, index, "x")]),
    ):
        with pytest.raises((IndexError, ValueError)):
            edit()
    assert str(text) == "abc"


def test_a_change_after_an_error_is_sound() -> None:
    text = Text("a")
    for bad in (lambda: text.insert(1, "x"), lambda: text.delete(0, 1), lambda: text.insert(0, "\ud800")):
        with pytest.raises((IndexError, UnicodeEncodeError)):
            bad()
    text.append("ok")
    assert str(text) == "ok"
    text.check_invariants()


@pytest.mark.parametrize("type_", [Text, OpBasedList])
def test_a_cursor_stays_with_its_neighbour(type_: Any) -> None:
    a = type_("a")
    a.insert(0, "abc") if type_ is Text else a.insert_many(0, list("abc"))
    before, after = a.cursor(1, "right"), a.cursor(1, "left")
    assert isinstance(before, Cursor)
    b = a.fork("b")
    b.insert(1, "X")  # exactly between the two
    b.insert(0, "Y")
    a.merge(b)
    assert a.index_of(before) == 3, "right: just before b"
    assert a.index_of(after) == 2, "left: just after a"
    assert b.index_of(pickle.loads(pickle.dumps(before))) == 3
    a.delete(3, 1)  # its neighbour goes; it stays where that was
    assert a.index_of(before) == 3
    assert b.index_of(before) == 3


@pytest.mark.parametrize("type_", [Text, OpBasedList])
def test_cursors_at_the_ends(type_: Any) -> None:
    a = type_("a")
    start, end = a.cursor(0, "left"), a.cursor(0, "right")
    a.append("x")
    a.insert(0, "y")
    assert (a.index_of(start), a.index_of(end)) == (0, 2)
    for bad in (-9, 3, 99):
        with pytest.raises(IndexError):
            a.cursor(bad)
    with pytest.raises(ValueError, match="sideways"):
        a.cursor(0, "sideways")


@pytest.mark.parametrize("seed", range(3))
def test_a_cursor_finds_its_element_after_any_edits(seed: int) -> None:
    rng = random.Random(seed)
    a, b = OpBasedList("a"), OpBasedList("b")
    a.extend(range(50))
    b.merge(a)
    cursors = {k: a.cursor(a.index(k)) for k in range(50)}
    for k in range(50, 300):
        state = rng.choice([a, b])
        if rng.random() < 0.6:
            state.insert(rng.randint(0, len(state)), k)
        elif len(state):
            state.delete(rng.randrange(len(state)))
        if rng.random() < 0.2:
            a.merge(b)
            b.merge(a)
    a.merge(b)
    b.merge(a)
    present = set(a)
    for k, cursor in cursors.items():
        assert a.index_of(cursor) == b.index_of(cursor)
        if k in present:
            assert a[a.index_of(cursor)] == k


def test_a_cursor_of_elsewhere_is_refused_with_words() -> None:
    a, b = Text("a"), Text("b")
    b.append("abc")
    with pytest.raises((ValueError, LookupError)):
        a.index_of(b.cursor(1))
    for bad in (5, None, "x"):
        with pytest.raises(TypeError):
            a.index_of(bad)  # type: ignore[arg-type]


def test_typing_and_deleting_at_one_spot_alternately_stays_fast_and_small() -> None:
    """Runs backwards and deletes between them once made every keystroke a run of its own."""
    text = Text("a")
    text.append("()")
    for _ in range(20_000):
        text.insert(1, "x")
        text.delete(1, 1)
    assert str(text) == "()"
    assert len(text.to_bytes()) < 20_000 * 8
    text.check_invariants()


def test_many_writers_at_one_place() -> None:
    base = Text("base")
    base.append("[]")
    writers = [base.fork(f"w{k:02}") for k in range(30)]
    for k, writer in enumerate(writers):
        for letter in f"<{k:02}>":
            writer.insert(writer.value.index("]"), letter)
    readers = []
    for shift in (0, 7, 19):
        reader = base.fork(f"reader{shift}")
        for writer in writers[shift:] + writers[:shift]:
            reader.merge(writer)
        reader.check_invariants()
        readers.append(str(reader))
    assert len(set(readers)) == 1
    assert readers[0] == "[" + "".join(f"<{k:02}>" for k in range(30)) + "]"
