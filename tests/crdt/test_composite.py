"""Composites: one state of many fields, and classes that change while their states live on."""

from __future__ import annotations

import sys

import pytest

import crdt
from crdt import Composite, GCounter, GSet, LWWMap, OpBasedList, ORMap, ORSet, PNCounter, Text, field


class Agent(Composite):
    counters: GCounter
    flags: GSet
    config: LWWMap
    logs: OpBasedList
    budget: PNCounter = field(at_least="replicated")


class AgentOlder(Composite):
    counters: GCounter
    config: LWWMap


class AgentRetyped(Composite):
    counters: GCounter
    flags: ORSet  # was a GSet
    config: LWWMap


class AgentNested(Agent):
    """Fields of a base class come first."""

    tallies: ORMap = field(of=ORSet)
    notes: Text


def filled(name: str = "a") -> Agent:
    s = Agent(name)
    s.counters.increment(3)
    s.flags.add("ready")
    s.config["model"] = "small"
    s.logs.append("one")
    s.budget.increment(5)
    return s


def test_an_empty_one_reads_as_its_empty_fields() -> None:
    s = Agent("a")
    assert s.value == {"counters": 0, "flags": set(), "config": {}, "logs": [], "budget": 0}
    assert dict(s.version) == {}
    assert s.delta(s.version) == b""
    assert "Agent" in repr(s)


def test_one_version_one_delta_one_digest() -> None:
    s = filled()
    assert dict(s.version) == {"a": 5}
    other = Agent("b")
    assert other.merge(s.delta(other.version)) is True
    assert other.value == s.value
    assert other.digest() == s.digest()
    before = other.version
    s.config["model"] = "large"
    step = s.delta(before)
    assert len(step) < len(s.to_bytes())
    other.merge(step)
    assert other == s
    with pytest.raises(TypeError, match="Agent"):
        s.config.digest()


def test_a_view_stays_good_over_merges() -> None:
    s, other = Agent("a"), filled("b")
    config, logs = s.config, s.logs
    assert len(config) == 0
    s.merge(other)
    assert config["model"] == "small"
    assert list(logs) == ["one"]
    assert s.config is config


def test_a_view_keeps_its_state_alive() -> None:
    config = filled().config
    assert config["model"] == "small"
    config["more"] = 1
    assert len(config) == 2


def test_fields_of_base_classes_are_inherited() -> None:
    assert list(AgentNested.fields()) == ["counters", "flags", "config", "logs", "budget", "tallies", "notes"]
    assert AgentNested.fields()["tallies"].of is ORSet
    assert AgentNested.fields()["budget"].at_least == "replicated"
    s = AgentNested("a")
    s.merge(AgentNested.from_bytes(filled().to_bytes()))
    assert s.counters.value == 3
    s.tallies["k"].add(1)
    s.notes.append("text")
    assert s.value["tallies"] == {"k": {1}}


def test_a_newer_class_reads_the_bytes_of_an_older_one() -> None:
    older = AgentOlder("o")
    older.counters.increment(2)
    older.config["k"] = 1
    s = Agent.from_bytes(older.to_bytes())
    assert s.value == {"counters": 2, "flags": set(), "config": {"k": 1}, "logs": [], "budget": 0}
    assert s.unknown == {}
    s.flags.add("new")
    s.check_invariants()


def test_an_older_class_keeps_passes_on_and_shows_what_it_does_not_know() -> None:
    s = filled()
    older = AgentOlder("o")
    assert older.merge(s.to_bytes()) is True
    assert set(older.unknown) == {"flags", "logs", "budget"}
    assert older.unknown["logs"] == ["one"]
    older.counters.increment()
    again = Agent("z")
    again.merge(older.to_bytes())
    assert again.counters.value == 4
    assert again.flags.value == {"ready"}
    assert again.budget.value == 5
    step = older.version
    s.logs.append("two")
    older.merge(s.delta(step))
    assert older.unknown["logs"] == ["one", "two"]
    newest = Agent("n")
    newest.merge(older.delta(None))
    newest.merge(s)
    newest.check_invariants()
    assert newest.logs.value == ["one", "two"]
    assert AgentOlder.from_bytes(older.to_bytes()).to_bytes() == older.to_bytes()


def test_a_retyped_field_is_kept_beside_the_new_one() -> None:
    s = filled()
    other = AgentRetyped("r")
    other.merge(s.to_bytes())
    assert other.flags.value == set()
    assert other.unknown["flags"] == {"ready"}
    other.flags.add("of the new type")
    assert other.unknown["flags"] == {"ready"}
    back = Agent("z")
    back.merge(other.to_bytes())
    assert back.flags.value == {"ready"}
    assert back.unknown["flags"] == {"of the new type"}
    back.check_invariants()
    assert AgentRetyped.from_bytes(back.to_bytes()).to_bytes() == back.to_bytes()


def test_other_composites_are_other_types() -> None:
    with pytest.raises(TypeError, match="Agent"):
        filled().merge(AgentOlder("o"))
    with pytest.raises(TypeError):
        filled().merge(GSet("g"))
    with pytest.raises(crdt.DecodeError):
        filled().merge(GSet("g").to_bytes())
    assert filled() != AgentOlder("a")


def test_the_memory_of_all_fields_is_counted() -> None:
    s = Agent("a")
    small = sys.getsizeof(s)
    s.logs.extend(["x" * 100] * 1000)
    assert sys.getsizeof(s) > small + 100_000


def test_a_map_of_composites() -> None:
    m, n = ORMap("a", of=AgentOlder), ORMap("b", of=AgentOlder)
    m["x"].counters.increment(2)
    n["x"].counters.increment(3)
    n["x"].config["k"] = 1
    m.merge(n)
    n.merge(m)
    assert m.to_bytes() == n.to_bytes()
    assert m["x"].value == {"counters": 5, "config": {"k": 1}}
    del m["x"]
    n["x"].counters.increment()
    m.merge(n)
    n.merge(m)
    assert m["x"].value == n["x"].value == {"counters": 1, "config": {}}
    m.check_invariants()
