"""What the pump does with deltas for agents that are busy."""

from collections.abc import Callable
from typing import Any

import pytest

from replication import pump
from replication.core import Delivery, Landing
from replication.messages import Item


class Core:
    """Wants one delivery made, and keeps what came of it."""

    handles: tuple[type, ...] = ()

    def __init__(self) -> None:
        self.landings: list[Landing] = []

    def landed(self, landing: Landing, now: float) -> None:
        self.landings.append(landing)


class Busy:
    """Deliveries that find every agent busy, until it is free."""

    is_free = False

    def deliver(self, delivery: Delivery, outcomes: list[str | None], unwritten: set[Any]) -> bool:
        if self.is_free:
            outcomes[:] = ["landed"] * len(outcomes)
        return self.is_free

    def give_up(self, outcomes: list[str | None]) -> None:
        outcomes[:] = [outcome or "waiting" for outcome in outcomes]


class Runtime:
    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []

    def time(self) -> float:
        return 0.0

    def call_later(self, seconds: float, fn: Callable[[], None]) -> None:
        self.later.append(fn)


class Carriers:
    cores = ()
    apart = object()


@pytest.mark.parametrize("is_ordered", [False, True])
def test_what_a_log_brings_is_never_dropped(monkeypatch: pytest.MonkeyPatch, is_ordered: bool) -> None:
    """The entry would count as applied, and who read afterwards would not see it."""
    monkeypatch.setattr(pump, "_BUSY_MAX", 0)
    core, deliveries, runtime = Core(), Busy(), Runtime()
    pumped = pump.Pump(Carriers(), deliveries, runtime, lambda *_: None, lambda: None)  # type: ignore[arg-type]
    delivery = Delivery("b", (Item("a", b"delta", b""),), is_ordered=is_ordered)
    pumped._deliver(pump._Arrival(core, delivery))  # type: ignore[arg-type]
    assert len(core.landings) == (0 if is_ordered else 1)
    deliveries.is_free = True
    for again in runtime.later:
        again()
    assert len(core.landings) == 1
    assert list(core.landings[0].outcomes) == ["landed" if is_ordered else "waiting"]
