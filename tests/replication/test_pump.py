"""Whom the pump asks what is to be done, and what it does with deltas for agents that are busy."""

from collections.abc import Callable
from typing import Any

import pytest

from replication import pump
from replication.core import NOTHING, Delivery, Landing, Ready, Send
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
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, fn: Callable[[], None]) -> None:
        self.soon.append(fn)

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


class Asked:
    """Notes when it is asked, and wants one thing done each time that something happened to it."""

    handles: tuple[type, ...] = ()

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name, self.asked = name, asked
        self.wishes = 0

    def ready(self) -> Ready:
        self.asked.append(self.name)
        if not self.wishes:
            return NOTHING
        self.wishes -= 1
        return Ready(send=(Send("peer", Item("a", b"", b"")),))  # type: ignore[arg-type]


class Three:
    """Two cores that belong together, and one apart; what they send makes something happen to `touches`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.a, self.b, self.apart = (Asked(name, self.asked) for name in ("a", "b", "apart"))
        self.cores = (self.a, self.b, self.apart)
        self.runtime = Runtime()
        self.pump = pump.Pump(self, Busy(), self.runtime, lambda *_: None, lambda: None)  # type: ignore[arg-type]
        self.touches: Asked | None = None

    def send(self, peer: str, message: Any) -> bool:
        if self.touches is not None:
            self.touches.wishes += 1
            self.pump.run_soon(self.touches)  # type: ignore[arg-type]
            self.touches = None
        return True


def test_the_core_apart_is_asked_alone_until_it_has_nothing_more_to_say() -> None:
    three = Three()
    three.apart.wishes = 2
    three.pump.run(three.apart)  # type: ignore[arg-type]
    assert three.asked == ["apart"] * 3


@pytest.mark.parametrize("named", [True, False])
def test_what_happens_to_another_may_concern_all(named: bool) -> None:
    three = Three()
    three.b.wishes = 1
    three.pump.run(three.b if named else None)  # type: ignore[arg-type]
    assert three.asked == ["a", "b", "apart"] * 2


def test_what_happens_while_it_runs_is_seen_to_by_that_run() -> None:
    three = Three()
    three.touches, three.apart.wishes = three.a, 1
    three.pump.run(three.apart)  # type: ignore[arg-type]
    assert three.asked == ["apart", "a", "b", "apart", "a", "b", "apart"]
    assert three.a.wishes == 0 and not three.runtime.soon


def test_a_run_that_was_to_come_is_none_when_all_has_been_done() -> None:
    three = Three()
    three.pump.run_soon(three.apart)  # type: ignore[arg-type]
    three.pump.run_soon()
    assert len(three.runtime.soon) == 1
    three.pump.run()
    asked = list(three.asked)
    three.runtime.soon[0]()
    assert three.asked == asked == ["a", "b", "apart"]
