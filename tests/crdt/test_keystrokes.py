"""The short ways of sequences: a keystroke written and taken at once, a whole state read once."""

from __future__ import annotations

import random
from typing import Any

import pytest

from crdt import DecodeError, OpBasedList, Text
from properties.wire_format import with_checksum


def pair() -> tuple[Text, Text]:
    """Two texts of "héllo" that know of each other: writer "b", second in the list of writers, and "a"."""
    a = Text("a")
    a.append("héllo")
    b = a.fork("b")
    b.append("x")
    a.merge(b)
    return a, b


def news(writer: Text, edit: Any) -> bytes:
    version = writer.version
    edit(writer)
    return writer.delta(version)


def test_characters_typed_on_are_a_run_that_continues() -> None:
    a, b = pair()
    first = news(b, lambda t: t.append("y"))
    assert first.endswith(b"\x01\x10\x01y\x00")
    more = news(b, lambda t: t.append("zzz"))
    assert more.endswith(b"\x01\x50\x01\x03zzz\x00")
    both = b.delta(a.version)
    assert both.endswith(b"\x01\x50\x01\x04yzzz\x00")
    assert a.merge(first) and a.merge(more) and not a.merge(both)
    assert a == b
    assert str(a) == "hélloxyzzz"


def test_a_deletion_is_its_target() -> None:
    a, b = pair()
    own = news(b, lambda t: t.delete(5, 1))
    assert own.endswith(b"\x00\x02\x29\x01\x00")
    other = news(b, lambda t: t.delete(0, 3))
    assert other.endswith(b"\x00\x02\x48\x01\x03\x00\x07")
    assert a.merge(own) and a.merge(other)
    assert a == b
    assert str(a) == "lo"


def test_a_character_that_is_not_ascii_goes_the_long_way() -> None:
    a, b = pair()
    for piece in ("é", "漢", "\U0001f600", "c"):
        assert a.merge(news(b, lambda t, piece=piece: t.append(piece)))
    assert a == b
    assert str(a) == "hélloxé漢\U0001f600c"


@pytest.mark.parametrize("seed", range(6))
def test_keystrokes_of_three_writers_land_everywhere(seed: int) -> None:
    """Typed and deleted by turns; some deltas are lost and come with the next ones."""
    rng = random.Random(seed)
    texts = [Text(name) for name in ("one", "two", "zzz")]
    for _ in range(600):
        writer = rng.choice(texts)
        held = [other.version for other in texts]
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randint(0, len(writer))
            if rng.random() < 0.3 and len(writer) > at:
                writer.delete(at, rng.randint(1, min(3, len(writer) - at)))
            else:
                for letter in rng.choice(("a", "bc", "def", "é", "漢字")):
                    writer.insert(at, letter)
                    at += 1
        for other, version in zip(texts, held, strict=True):
            if other is not writer and rng.random() < 0.8:
                other.merge(writer.delta(version))
                other.check_invariants()
    for writer in texts:
        for other in texts:
            other.merge(writer)
    assert texts[0] == texts[1] == texts[2]
    assert len({text.to_bytes() for text in texts}) == 1


def test_an_insert_elsewhere_and_a_replacement_are_taken_at_once() -> None:
    a, b = pair()
    assert a.merge(news(b, lambda t: t.insert(2, "abc")))
    assert a.merge(news(b, lambda t: t.apply([(1, 6, "xyz")])))
    assert a.merge(news(b, lambda t: t.apply([(0, 1, ""), (2, 1, "q")])))
    assert a == b
    assert str(a) == str(b) == "xyqox"
    a.check_invariants()


def test_a_damaged_edit_leaves_all_as_it_was() -> None:
    a, b = pair()
    a.merge(news(b, lambda t: t.insert(3, "middle")))
    edit = news(b, lambda t: t.apply([(1, 2, "new"), (6, 3, "")]))
    kept, refused = a.to_bytes(), 0
    for place in range(6, len(edit)):
        for change in (0x01, 0x04, 0x20, 0x80):
            damaged = with_checksum(edit[:place] + bytes([edit[place] ^ change]) + edit[place + 1 :])
            reader = Text.from_bytes(kept)
            try:
                reader.merge(damaged)
            except DecodeError:
                refused += 1
                assert reader.to_bytes() == kept
            reader.check_invariants()
    assert refused > len(edit)
    assert a.merge(edit) and a == b


@pytest.mark.parametrize("type_", [Text, OpBasedList])
def test_a_damaged_whole_state_leaves_nothing_where_nothing_was(type_: Any) -> None:
    state = type_("first")
    other = state.fork("second")
    for k in range(12):
        for who in (state, other):
            who.insert(len(who) // 2, "né" if type_ is Text else ["né", k])
    state.delete(3, 2)
    state.merge(other)
    good = state.to_bytes()
    refused = 0
    for place in range(6, len(good)):
        for change in (0x01, 0x80):
            damaged = with_checksum(good[:place] + bytes([good[place] ^ change]) + good[place + 1 :])
            fresh = type_("reader")
            try:
                fresh.merge(damaged)
            except DecodeError:
                refused += 1
                assert not fresh.version
                assert fresh == type_("nobody")
                assert fresh.merge(good)
                assert fresh.to_bytes() == good
            fresh.check_invariants()
    assert refused > len(good) // 2


@pytest.mark.parametrize("type_", [Text, OpBasedList])
def test_a_whole_state_cut_short_or_with_bytes_left_over_is_refused(type_: Any) -> None:
    state = type_("first")
    state.append("word")
    state.insert(0, "other")
    good = state.to_bytes()
    for bad in [good[:n] for n in range(8, len(good))] + [good + b"\x00"]:
        with pytest.raises(DecodeError):
            type_.from_bytes(with_checksum(bad))
