"""The table of modes: words, aliases, order, and a promise for each."""

import pytest

from replication import consistency


def test_the_modes_are_ordered_by_strength():
    words = [mode.word for mode in consistency.MODES]
    assert words == ["reactive", "eventually_consistent", "crdt_enhanced", "replicated"]
    assert [mode.rank for mode in consistency.MODES] == [0, 1, 2, 3]


def test_each_mode_says_when_it_returns_what_survives_and_what_is_seen():
    for mode in consistency.MODES:
        for said in ("Returns when:", "Survives a crash:", "A reader may see:"):
            assert said in mode.promise, f"{mode.word} does not say {said!r}"


def test_the_words_of_the_original_design():
    assert consistency.parse("eventual") is consistency.CRDT_ENHANCED
    assert consistency.parse("strong") is consistency.REPLICATED


@pytest.mark.parametrize("word", ["", "Reactive", "raft", None, 3, ["reactive"]])
def test_any_other_word_lists_them_all(word):
    with pytest.raises(ValueError) as caught:
        consistency.parse(word)
    for known in [*(mode.word for mode in consistency.MODES), *consistency.ALIASES]:
        assert repr(known) in str(caught.value)
