"""Errors say where, what was found and what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from crdt import Composite, GCounter, GSet, LWWMap, LWWRegister, OpBasedList, ORMap, ORSet, Text, field


class Agent(Composite):
    config: LWWMap
    flags: GSet
    note: LWWRegister
    logs: OpBasedList
    notes: Text
    tallies: ORMap = field(of=LWWMap)


def error_of(kind: type[Exception], act: Any) -> str:
    agent = Agent("a")
    with pytest.raises(kind) as caught:
        act(agent)
    assert dict(agent.version) == {}
    return str(caught.value)


LONE = "x\ud800"
PLACES = [
    ("config['k']", lambda s, bad: s.config.update({"ok": 1, "k": bad})),
    ("config['k']", lambda s, bad: s.config.__setitem__("k", [bad])),
    ("config['k']", lambda s, bad: s.config.__setitem__("k", {"inner": {bad: 1}})),
    ("config['k']", lambda s, bad: s.config.__setitem__("k", [{(1, bad): 1}])),
    ("config", lambda s, bad: s.config.__setitem__(bad, 1)),
    ("flags", lambda s, bad: s.flags.add(bad)),
    ("flags", lambda s, bad: s.flags.update([1, (2, bad)])),
    ("note", lambda s, bad: s.note.set({"a": bad})),
    ("logs[0]", lambda s, bad: s.logs.append(bad)),
    ("tallies['t']['k']", lambda s, bad: s.tallies["t"].__setitem__("k", bad)),
]


@pytest.mark.parametrize(("place", "act"), PLACES)
def test_the_place_of_what_cannot_be_kept(place: str, act: Any) -> None:
    assert f"position 1: {place}: surrogates not allowed" in error_of(UnicodeEncodeError, lambda s: act(s, LONE))
    assert error_of(TypeError, lambda s: act(s, 1j)).startswith(f"{place}: a ")
    assert error_of(ValueError, lambda s: act(s, 1 << 40_000)).startswith(f"{place}: an int of")


def test_a_list_is_no_subclass_of_a_list() -> None:
    for key in ([1], {1: 2}):
        message = error_of(TypeError, lambda s, key=key: s.flags.add(key))
        assert f"of type {type(key).__name__} cannot be kept" in message
        assert "subclass" not in message
        assert "tuple" in message.partition("(")[2]


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (ORMap("a"), ORMap("b", of=GSet), r"ORMap\(of=GCounter\) merges .*not with ORMap\(of=GSet\)"),
        (ORMap("a", of=ORSet), ORSet("b"), r"ORMap\(of=ORSet\) merges .*not with ORSet"),
        (GCounter("a"), GSet("b"), r"GCounter merges .*not with GSet"),
    ],
)
def test_types_that_do_not_merge(a: Any, b: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        a.merge(b)


def test_a_field_can_be_shown_before_it_belongs_to_a_class() -> None:
    assert repr(field(at_least="replicated", of=GSet)) == "Field(at_least='replicated', of=GSet)"
    assert re.fullmatch(r"Field\(tallies: ORMap, at_least='reactive', of=LWWMap\)", repr(Agent.fields()["tallies"]))
