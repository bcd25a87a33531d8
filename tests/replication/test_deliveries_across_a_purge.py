"""What a delta across a purge comes to at a node: an outcome with a name, counted, and no error that escapes."""

from types import SimpleNamespace
from typing import Any

from crdt import LWWMap
from replication.config import Config
from replication.core import Delivery
from replication.delivery import Deliveries
from replication.messages import Item


class OneAgent:
    """A store of one agent that is always free."""

    def __init__(self, state: Any) -> None:
        self.slot = SimpleNamespace(
            agent_id="agent", state=state, dirty=False, in_flight=False, merged=False, release=lambda: None
        )

        # Not at hand without a detour, like what is not in memory.
        self.changes = SimpleNamespace(land=lambda *_: None, mark_merged=self.mark)

    def acquire(self, agent_id: str, *_: Any, **__: Any) -> Any:
        return self.slot

    acquire_now = acquire

    def mark(self, slot: Any) -> None:
        slot.dirty = True


def apart() -> tuple[LWWMap, LWWMap]:
    """Who has purged, and who was away meanwhile and has written."""
    a, away = LWWMap("a"), LWWMap("away")
    a["gone"] = 1
    away.merge(a)
    del a["gone"]
    assert a._purge(a.version)
    away["mine"] = 2
    return a, away


def outcome_at(state: LWWMap, data: bytes) -> str:
    before = state.to_bytes()
    store: Any = OneAgent(state)
    deliveries = Deliveries(store, (), Config())  # type: ignore[arg-type]
    outcomes: list[str | None] = [None]
    unwritten: set[Any] = set()
    assert deliveries.deliver(Delivery("peer", (Item("agent", data, b""),)), outcomes, unwritten)
    assert not unwritten
    assert state.to_bytes() == before
    assert state.pending == 0
    (outcome,) = outcomes
    assert outcome is not None
    assert deliveries.counts[outcome] == 1
    return outcome


def test_what_comes_from_before_a_purge_is_retired() -> None:
    a, away = apart()
    assert outcome_at(a, away.to_bytes()) == "retired"


def test_who_was_away_is_behind() -> None:
    a, away = apart()
    assert outcome_at(away, a.to_bytes()) == "behind"


def test_a_store_beside_this_one_that_cannot_be_met_is_left_alone() -> None:
    a, away = apart()
    store: Any = OneAgent(away)
    deliveries = Deliveries(store, (), Config())  # type: ignore[arg-type]
    before = away.to_bytes()
    assert deliveries.take_in("agent", [a.to_bytes()], "sibling") is None
    assert away.to_bytes() == before
    assert deliveries.counts["behind"] == 1
