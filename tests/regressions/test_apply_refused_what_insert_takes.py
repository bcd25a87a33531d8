"""`Text.apply` read positions and numbers otherwise than `insert` and `delete`, which a patch stands for."""

import pytest

from crdt import Composite, Text


class Number(int):
    pass


class Index:
    def __init__(self, at):
        self.at = at

    def __index__(self):
        return self.at


POSITIONS = [0, 2, 5, 6, -1, -5, -6, 2**70, -(2**70), Number(2), Number(-2), Number(9), Index(1), Index(-3), Index(7)]
POSITIONS += [True, 1.0, None, "1"]
NUMBERS = [0, 1, 3, 5, 6, -1, 2**70, Number(1), Index(1), True, 1.0, None]


def outcome(act, *arguments):
    text = Text("a")
    text.append("hello")
    try:
        act(text, *arguments)
    except Exception as error:
        assert str(text) == "hello"
        return type(error)
    text.check_invariants()
    return str(text)


@pytest.mark.parametrize("at", POSITIONS, ids=lambda x: f"{type(x).__name__}-{x!r:.9}")
def test_a_patch_that_inserts(at):
    for inserted in ("", "x", "漢字"):
        assert outcome(lambda t, s: t.apply([(at, 0, s)]), inserted) == outcome(lambda t, s: t.insert(at, s), inserted)
        assert outcome(lambda t, s: t.apply([[at, 0, s]]), inserted) == outcome(lambda t, s: t.insert(at, s), inserted)


@pytest.mark.parametrize("at", POSITIONS, ids=lambda x: f"{type(x).__name__}-{x!r:.9}")
def test_a_patch_that_deletes(at):
    for n in NUMBERS:
        single, patch = outcome(lambda t, n: t.delete(at, n), n), outcome(lambda t, n: t.apply([(at, n, "")]), n)
        if isinstance(single, type) and type(at) in (bool, float, str, type(None)):
            assert patch in (TypeError, single)  # where both are wrong, either may be said
        else:
            assert patch == single, (at, n)


def test_a_negative_position_is_one_place_for_both_halves_of_a_patch():
    text = Text("a")
    text.append("hello")
    text.apply([(-1, 1, "p!"), (-1, 0, "?"), (0, 1, "H")])
    assert str(text) == "Hellp?!"


def test_the_field_is_named():
    class Page(Composite):
        body: Text

    page = Page("a")
    for act in (lambda: page.body.append("x\ud800"), lambda: page.body.apply([(0, 0, "x\ud800")])):
        with pytest.raises(UnicodeEncodeError, match=r"position 1: body: surrogates"):
            act()
