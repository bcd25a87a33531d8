"""Many short histories of lists and texts with purges at stable cuts, and deltas that overlap what is held.

`test_growth.py` compares such histories with models; here they are denser, and the engine is compared with itself:
equal versions must be equal bytes, and an edit must not depend on how its state came about.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import crdt
from crdt import Composite, LWWMap, OpBasedList, ORMap, Text

from .world import Seen, covers, meet

HISTORIES = 60
NAMES = "bacd"  # not in creation order


class Notes(Composite):
    text: Text
    items: OpBasedList
    pages: ORMap = crdt.field(of=Text)
    config: LWWMap


def edit_text(rng: random.Random, text: Text) -> None:
    length = len(text)
    if length == 0 or rng.random() < 0.55:
        text.insert(rng.randint(0, length), "".join(rng.choices("abcdefgh", k=rng.randint(1, 4))))
    else:
        at = rng.randrange(length)
        text.delete(at, rng.randint(1, min(5, length - at)))


def edit_list(rng: random.Random, items: OpBasedList) -> None:
    length = len(items)
    if length == 0 or rng.random() < 0.55:
        values = rng.choices(["x", 1, "too long for a cell of its own", None], k=rng.randint(1, 4))
        items.insert_many(rng.randint(0, length), values)
    else:
        at = rng.randrange(length)
        items.delete(at, rng.randint(1, min(5, length - at)))


def edit_map(rng: random.Random, pages: ORMap) -> None:
    key = rng.choice("kl")
    if key in pages and rng.random() < 0.15:
        del pages[key]
    else:
        edit_text(rng, pages[key])


def edit_notes(rng: random.Random, notes: Notes) -> None:
    which = rng.random()
    if which < 0.35:
        edit_text(rng, notes.text)
    elif which < 0.6:
        edit_list(rng, notes.items)
    elif which < 0.9:
        edit_map(rng, notes.pages)
    else:
        notes.config[rng.choice("ab")] = rng.randint(0, 9)


SUBJECTS: dict[str, tuple[Any, dict[str, Any], Callable[..., None]]] = {
    "Text": (Text, {}, edit_text),
    "OpBasedList": (OpBasedList, {}, edit_list),
    "ORMap[Text]": (ORMap, {"of": Text}, edit_map),
    "Composite": (Notes, {}, edit_notes),
}


class History:
    """Some replicas, and what each held after every step."""

    def __init__(self, name: str, seed: int) -> None:
        self.type, self.options, self.edit = SUBJECTS[name]
        self.rng = random.Random(f"{name} {seed}")
        self.states = [self.type(replica, **self.options) for replica in NAMES[: self.rng.randint(2, 4)]]
        self.held: list[list[Seen]] = [[{}] for _ in self.states]
        self.sent: list[bytes] = []

    def reloaded(self, state: Any) -> Any:
        return self.type.from_bytes(state.to_bytes(), replica=state.replica, **self.options)

    def step(self) -> None:
        rng = self.rng
        what, index = rng.random(), rng.randrange(len(self.states))
        state = self.states[index]
        if what < 0.5:
            self.edit_twice(index)
        elif what < 0.75:
            self.hear(index, rng.choice(self.states))
        elif what < 0.8:
            self.states[index] = self.reloaded(state)
        elif what < 0.85:
            for other in self.states:
                other.merge(state.delta(other.version))
                self.remember()
                state.merge(other.delta(state.version))
                self.remember()
        else:
            self.purge(state)
        self.remember()
        self.check()

    def edit_twice(self, index: int) -> None:
        """On the state, and on one that was read from its bytes: what is made must be the same."""
        state, same, now = self.states[index], self.reloaded(self.states[index]), self.rng.getstate()
        self.edit(self.rng, state)
        self.rng.setstate(now)
        self.edit(self.rng, same)
        if not isinstance(state, Notes):  # whose stamps may differ
            assert same.to_bytes() == state.to_bytes()

    def hear(self, index: int, source: Any) -> None:
        state, how = self.states[index], self.rng.random()
        if how < 0.4:
            data = source.delta(state.version)
        elif how < 0.5:
            data = source.to_bytes()
        elif how < 0.6 and self.sent:
            data = self.rng.choice(self.sent)
        else:
            data = source.delta(self.rng.choice(self.held[index]))  # some of it is held, or was and is gone
        self.sent += [data] if data else []
        state.merge(data)

    def remember(self) -> None:
        for state, held in zip(self.states, self.held, strict=True):
            version = dict(state.version)
            if held[-1] != version:
                held.append(version)

    def stable_cut(self, purger: Any) -> Seen:
        mine = cut = dict(purger.version)
        for state in self.states:
            cut = meet(cut, dict(state.version))
        for state, held in zip(self.states, self.held, strict=True):
            first = next(version for version in held if covers(version, cut))
            if first.get(state.replica, 0) > mine.get(state.replica, 0):
                return {}
        return cut

    def purge(self, state: Any) -> None:
        cut = self.stable_cut(state)
        count, before = state._purgeable(cut), state.to_bytes()
        assert state._purge(cut) is (count > 0) is (state.to_bytes() != before)
        assert state._purge(cut) is False

    def check(self) -> None:
        for state in self.states:
            state.check_invariants()
            for other in self.states:
                if other.version == state.version:
                    assert other.to_bytes() == state.to_bytes()
                    assert other.digest() == state.digest()

    def settle(self) -> None:
        for _ in range(2):
            for state in self.states:
                for other in self.states:
                    state.merge(other.delta(state.version))
        self.check()
        assert len({state.to_bytes() for state in self.states}) == 1

    def read_on(self, reader: Any) -> None:
        """Somebody who only reads and missed any number of purges catches up."""
        reader.merge(self.states[0].delta(reader.version))
        assert reader.to_bytes() == self.states[0].to_bytes()
        reader.check_invariants()


@pytest.mark.parametrize("name", SUBJECTS)
def test_what_is_taken_out_changes_nothing_else(name: str) -> None:
    for seed in range(HISTORIES):
        history = History(name, seed)
        reader = None
        for number in range(history.rng.randint(10, 60)):
            history.step()
            if number == 9:
                reader = history.type.from_bytes(history.states[0].to_bytes(), replica="reader", **history.options)
        history.settle()
        if reader is not None:
            history.read_on(reader)
