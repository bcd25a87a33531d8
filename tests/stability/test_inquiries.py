"""Before a node writes again what it alone seems to have, it asks everybody else whether he has it."""

from types import SimpleNamespace
from typing import Any

import pytest

from crdt import VersionVector
from replication.config import Config
from replication.growth.comeback import Comeback
from tests.replication.agents import AgentState
from tests.stability.test_comeback import apart

CONFIG = Config(ack_timeout=1.0, ack_timeout_max=10.0, sync_ask_timeout=1.0, sync_wait_max=4.0, redial_max=0.1)


class Away:
    """Node z, which was away, has counted 3, and can reach a, which has purged meanwhile, b and c."""

    def __init__(self, *reachable: str) -> None:
        self.theirs, state = apart()
        self.rewritten: list[str] = []
        self.rounds: list[tuple[str, ...]] = []
        writers = SimpleNamespace(fresh=lambda token: f"z~1.{token}", rename=lambda agent_id, writer: None)
        store: Any = SimpleNamespace(
            empty=lambda: AgentState("new"), writers=writers, changes=SimpleNamespace(mark=lambda slot: None)
        )
        self.slot: Any = SimpleNamespace(agent_id="agent", state=state, dirty=True)
        random: Any = SimpleNamespace(getrandbits=lambda bits: 7)
        self.comeback = Comeback(
            store, "z", CONFIG, random, lambda: reachable, lambda agent_id, top, made: self.rewritten.append(agent_id)
        )
        self.at(100.0)

    def at(self, now: float) -> list[tuple[str, str]]:
        wanted = self.comeback.take_wanted(now)
        self.comeback.inquire(self.ask)
        return wanted

    def ask(self, agents: tuple[str, ...]) -> int:
        self.rounds.append(agents)
        return len(self.rounds)

    def meet(self, peer: str, state: Any) -> bool:
        return self.comeback.meet(self.slot, peer, state.to_bytes(), True)

    def hear(self, peer: str, held: VersionVector) -> None:
        self.comeback.heard(peer, len(self.rounds), "agent", held)

    @property
    def count(self) -> int:
        counted: int = self.slot.state.counters.value
        return counted


def test_nobody_is_asked_before_all_who_come_back_at_the_same_time_can_be_reached() -> None:
    away = Away("a")
    assert not away.meet("a", away.theirs)
    away.at(100.05)
    assert away.rounds == []
    away.at(100.1)
    assert away.rounds == [("agent",)]


def test_with_nobody_else_to_ask_it_is_written_again_as_soon_as_its_holder_has_answered() -> None:
    away = Away("a")
    assert not away.meet("a", away.theirs)
    away.at(100.1)
    away.hear("a", away.theirs.version)
    assert away.at(100.2) == [("a", "agent")]
    assert away.meet("a", away.theirs)
    assert away.rewritten == ["agent"]
    assert away.count == 3


def test_what_nobody_has_is_written_again_once_all_have_said_so() -> None:
    away = Away("a", "b", "c")
    assert not away.meet("a", away.theirs)
    assert away.at(100.1) == []
    assert away.rounds == [("agent",)]
    away.hear("b", away.theirs.version)
    assert away.at(100.2) == []
    assert not away.meet("a", away.theirs)
    away.hear("c", VersionVector())
    assert away.at(100.3) == [("a", "agent")]
    assert away.meet("a", away.theirs)
    assert away.count == 3


def test_who_has_it_and_all_that_was_purged_is_asked_for_his_state_instead() -> None:
    away = Away("a", "b")
    purged = away.theirs
    held = VersionVector({**away.slot.state.version, **purged._cut})
    assert not away.meet("a", purged)
    away.at(100.1)
    away.hear("b", held)
    assert away.at(100.2) == [("a", "agent")]
    assert not away.meet("a", purged)
    assert away.at(100.3) == [("b", "agent")]
    assert away.rewritten == []


def told_by_b(away: Away, held: VersionVector) -> bool:
    """Whether it is written again after b, who can be reached too, has answered that he holds this."""
    assert not away.meet("a", away.theirs)
    away.at(100.1)
    away.hear("b", held)
    away.at(100.2)
    return away.meet("a", away.theirs)


def test_who_will_have_to_give_way_himself_does_not_count() -> None:
    away = Away("a", "b")
    assert told_by_b(away, away.slot.state.version)  # it was away together with z
    assert away.count == 3


@pytest.mark.parametrize("more", [-1, 1])
def test_who_was_away_too_and_has_not_all_of_the_same_is_met_first(more: int) -> None:
    """He may have removed what is here, or not have heard that it was removed."""
    away = Away("a", "b")
    held = dict(away.slot.state.version)
    assert not told_by_b(away, VersionVector({**held, "z~1.x": held["z~1.x"] + more}))
    assert away.at(100.3) == [("b", "agent")]
    away.at(101.2)
    away.hear("b", VersionVector(held))
    assert away.at(101.3) == [("a", "agent")]
    assert away.meet("a", away.theirs)


def test_what_was_written_since_is_not_waited_for() -> None:
    away = Away("a", "b")
    assert not away.meet("a", away.theirs)
    held = away.slot.state.version
    away.slot.state.counters.increment()
    assert told_by_b(away, held)
    assert away.count == 4


@pytest.mark.parametrize("held", [{"a~1.x": 1, "b~1.x": 7}, {"b~1.x": 7}, {}])
def test_who_was_away_alone_is_not_met_first(held: dict[str, int]) -> None:
    away = Away("a", "b")
    assert told_by_b(away, VersionVector(held))


@pytest.fixture
def answered() -> Away:
    """Node z, which asked, and was told at 100.1 that nobody has what it would write again."""
    away = Away("a", "b")
    assert not away.meet("a", away.theirs)
    away.at(100.1)
    away.hear("b", away.theirs.version)
    return away


def test_answers_hold_until_the_state_has_come_though_that_may_be_put_off(answered: Away) -> None:
    answered.at(115.0)
    assert answered.meet("a", answered.theirs)


def test_what_was_answered_long_ago_is_asked_again(answered: Away) -> None:
    away = answered
    away.at(116.0)
    assert not away.meet("a", away.theirs)
    away.at(117.1)
    assert len(away.rounds) == 2
    away.comeback.heard("b", 1, "agent", away.theirs.version)
    assert not away.meet("a", away.theirs), "that answered the first round"
    away.hear("b", away.theirs.version)
    assert away.meet("a", away.theirs)


def test_who_does_not_answer_is_asked_again_and_then_not_waited_for() -> None:
    away = Away("a", "b")
    for second in range(10):
        assert not away.meet("a", away.theirs)
        away.at(100.5 + second)
        away.at(100.6 + second)
        assert len(away.rounds) == second + 1
    assert away.meet("a", away.theirs)
    assert away.count == 3


def test_who_has_it_and_never_gives_it_is_not_waited_for() -> None:
    away = Away("a", "b")
    held = VersionVector({**away.slot.state.version, **away.theirs._cut})
    for second in range(10):
        assert not away.meet("a", away.theirs)
        away.at(100.5 + 1.5 * second)
        away.hear("b", held)
    assert away.meet("a", away.theirs)


def test_where_nobody_is_behind_any_more_nothing_is_asked_for_ever() -> None:
    away = Away("a", "b")
    assert not away.meet("a", away.theirs)
    for second in range(1000):
        away.at(100.5 + second)
    assert len(away.rounds) == 10
