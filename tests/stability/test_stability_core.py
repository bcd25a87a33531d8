"""Who asks whom, what the answers come to, and what keeps a purge from being made."""

from typing import Any

import pytest

from crdt import VersionVector
from replication.config import Config
from replication.core import Send
from replication.growth.absences import Absences, Waits
from replication.growth.promises import Promises
from replication.growth.stability import Answer, Decide, Purge, Stability, decide_purge
from replication.messages import Poll, Standing, Standings

CONFIG = Config(purge_interval=1.0, purge_min=10, dead_kept=100.0, writer_kept=1000.0)


def vector(**counts: int) -> VersionVector:
    return VersionVector({f"{writer[:-1]}~{writer[-1]}": count for writer, count in counts.items()})


def answer(writer: str, stored: VersionVector, held: VersionVector | None = None) -> Answer:
    return Answer(f"{writer[:-1]}~{writer[-1]}", stored, held or stored)


class Agents:
    """A node's agents as numbers: what would go, and how far it is."""

    def __init__(self, writer: str, held: VersionVector, excess: int = 50) -> None:
        self.writer, self.held, self.left = writer, held, excess
        self.changed = ["agent"]
        self.purges: list[Purge] = []

    def take_changed(self) -> list[str]:
        changed, self.changed = self.changed, []
        return changed

    def excess(self, agent_id: str, gone: frozenset[str]) -> int | None:
        return self.left

    def standing(self, agent_id: str) -> Standing | None:
        return Standing(agent_id, self.writer, self.held.to_bytes(), b"")

    def purge(self, agent_id: str, decide: Decide, carried: bool) -> bool | None:
        purge = decide(self.writer, self.held, self.held)
        if purge is not None:
            self.purges.append(purge)
        return None if purge is None else True


HELD = vector(a1=5, b1=3)


def node(waits: Waits, excess: int = 50) -> tuple[Stability, Agents]:
    agents = Agents("a~1", HELD, excess)
    promises = Promises({}, CONFIG, lambda agent_id: None)
    return Stability("a", agents, promises, CONFIG, 0, lambda now: waits), agents


def tick(core: Stability, *times: float) -> list[Any]:
    sent: list[Any] = []
    for now in times:
        core.tick(now)
        sent += core.ready().send
    return sent


def waits(*ask: str, absent: tuple[str, ...] = (), gone: tuple[str, ...] = ()) -> Waits:
    return Waits(ask, absent, frozenset(gone))


def test_who_is_alone_asks_nobody() -> None:
    core, agents = node(waits())
    assert tick(core, 0.0, 1.0) == []
    assert agents.purges == [Purge(HELD, vector())]


def test_the_cut_is_what_all_have_on_disk() -> None:
    core, agents = node(waits("b", "c"))
    first, second = tick(core, 0.0, 1.0)
    assert (first.peer, second.peer) == ("b", "c")
    assert first.message.agents == ("agent",)
    round = first.message.round
    core.step("b", Standings(round, (Standing("agent", "b~1", vector(a1=4, b1=3).to_bytes(), b""),)), 1.1)
    assert agents.purges == []
    core.step("c", Standings(round, (Standing("agent", "c~1", vector(a1=5, b1=2).to_bytes(), b""),)), 1.2)
    assert agents.purges == [Purge(vector(a1=4, b1=2), vector())]


def test_nothing_goes_while_somebody_is_silent() -> None:
    core, agents = node(waits("b", "c"))
    round = tick(core, 0.0, 1.0)[0].message.round
    message = Standings(round, (Standing("agent", "b~1", HELD.to_bytes(), b""),))
    for _ in range(3):  # a doubled answer is one answer
        core.step("b", message, 1.1)
    tick(core, 2.0, 50.0)
    assert agents.purges == []
    assert core.status()["unanswered"] == 1


def test_nothing_goes_while_somebody_is_absent() -> None:
    core, agents = node(waits("b", absent=("c",)))
    assert tick(core, 0.0, 1.0, 2.0) == []
    assert agents.purges == []
    assert core.status()["waits_for"] == ["c"]


def test_what_could_not_be_purged_is_asked_about_again() -> None:
    core, agents = node(waits("b"))
    round = tick(core, 0.0, 1.0)[0].message.round
    ahead = Standing("agent", "b~1", vector(a1=5, b1=4).to_bytes(), b"")
    core.step("b", Standings(round, (ahead,)), 1.1)
    assert agents.purges == []
    (sent,) = tick(core, 1.5, 2.5)
    assert sent.message.agents == ("agent",)
    core.step("b", Standings(sent.message.round, ()), 2.6)
    (sent,) = tick(core, 3.6)
    core.step("b", Standings(sent.message.round, (ahead._replace(stored=HELD.to_bytes()),)), 3.7)
    assert agents.purges == [Purge(HELD, vector())]


def test_an_answer_to_an_earlier_poll_or_of_a_stranger_counts_nothing() -> None:
    core, agents = node(waits("b"))
    round = tick(core, 0.0, 1.0)[0].message.round
    standing = Standing("agent", "b~1", HELD.to_bytes(), b"")
    core.step("b", Standings(round - 1, (standing,)), 1.1)
    core.step("x", Standings(round, (standing,)), 1.1)
    core.step("b", Standings(round, (standing._replace(stored=b"garbage"),)), 1.1)
    assert agents.purges == []


def test_only_the_first_by_name_asks() -> None:
    core, agents = node(waits("Z", "b"))
    assert tick(core, 0.0, 1.0, 2.0) == []
    assert agents.purges == []


def test_little_is_left_alone() -> None:
    core, agents = node(waits("b"), excess=9)
    assert tick(core, 0.0, 1.0, 2.0) == []
    assert agents.purges == []


def test_a_poll_is_answered_with_what_the_disk_has() -> None:
    core, _ = node(waits("b"))
    core.step("b", Poll(7, ("agent",), ("a", "b")), 0.0)
    (sent,) = core.ready().send
    assert isinstance(sent, Send)
    assert sent.peer == "b"
    assert sent.message == Standings(7, (Standing("agent", "a~1", HELD.to_bytes(), b""),))


def test_an_answer_is_promised_on_disk_before_it_leaves() -> None:
    core, _ = node(waits("b"))
    core.step("b", Poll(7, ("agent",), ("a", "b")), 0.0)
    ready = core.ready()
    assert [note.key for note in ready.persist] == ["promise agent"]
    assert len(ready.send) == 1


def test_who_sees_somebody_that_the_asker_does_not_answers_nothing_of_its_agents() -> None:
    core, _ = node(waits("b", "c"))
    core.peers(("b", "c"), 0.0)
    core.step("b", Poll(7, ("agent",), ("a", "b")), 0.0)
    ready = core.ready()
    (sent,) = ready.send
    assert isinstance(sent, Send)
    assert sent.message == Standings(7, ())
    assert ready.persist == ()


def test_a_poll_names_all_who_are_asked() -> None:
    core, _ = node(waits("b", "c"))
    assert {sent.message.among for sent in tick(core, 0.0, 1.0)} == {("a", "b", "c")}


def test_nothing_goes_while_somebody_is_writing_down_what_a_stranger_told() -> None:
    held = vector(a1=5, b1=3)
    stranger = answer("b1", vector(a1=5), vector(a1=5, b1=4, c1=1))
    assert decide_purge("a", "a~1", held, held, {"b": stranger}, frozenset()) is None
    own = answer("b1", vector(a1=5), vector(a1=5, b1=4))
    assert decide_purge("a", "a~1", held, held, {"b": own}, frozenset()) == Purge(vector(a1=5), vector())


# ---- what the answers come to


def test_who_lacks_what_another_has_purges_nothing() -> None:
    assert decide_purge("a", "a~1", HELD, HELD, {"b": answer("b1", vector(b1=4))}, frozenset()) is None


def test_former_incarnations_of_those_who_answered_are_retired() -> None:
    held = vector(a1=5, a2=1, b1=3, b2=4, c1=1)
    purge = decide_purge("a", "a~2", held, held, {"b": answer("b2", held)}, frozenset())
    assert purge == Purge(held, vector(a1=5, b1=3))


def test_who_was_restarted_since_it_answered_writes_on() -> None:
    held = vector(a1=5, b1=3, b2=1)
    purge = decide_purge("a", "a~1", held, held, {"b": answer("b1", vector(a1=5, b1=3))}, frozenset())
    assert purge == Purge(vector(a1=5, b1=3), vector())


def test_writers_of_nodes_gone_for_good_are_retired() -> None:
    held = vector(a1=5, c1=1)
    assert decide_purge("a", "a~1", held, held, {}, frozenset("c")) == Purge(held, vector(c1=1))


def test_a_writer_with_an_event_on_its_way_to_a_disk_stays() -> None:
    stored, held = vector(a1=5, b1=3), vector(a1=5, b1=4)
    purge = decide_purge("a", "a~1", stored, stored, {"b": answer("b2", stored, held)}, frozenset())
    assert purge == Purge(stored, vector())


def test_what_the_own_disk_lacks_is_not_cut() -> None:
    held, stored = vector(a1=5, b1=3), vector(a1=4, b1=3)
    purge = decide_purge("a", "a~1", held, stored, {"b": answer("b1", held)}, frozenset())
    assert purge == Purge(stored, vector())


def test_a_name_dropped_since_the_disk_was_written_is_not_cut() -> None:
    held, stored = vector(a2=1, b1=3), vector(a1=5, b1=3)
    purge = decide_purge("a", "a~2", held, stored, {"b": answer("b1", vector(b1=3))}, frozenset())
    assert purge == Purge(vector(b1=3), vector())


# ---- who is gone for how long


def test_the_dead_are_waited_for_as_long_as_they_are_kept() -> None:
    absences = Absences(CONFIG)
    assert absences.look({"b": "alive"}, (), 0.0) == waits("b")
    now = 0.0
    for _ in range(50):
        assert absences.look({"b": "dead"}, (), now).absent == ("b",)
        now += 2.0
    absences.look({"b": "dead"}, (), now)
    assert absences.look({"b": "dead"}, (), now + 2.0) == waits()
    assert absences.look({"b": "alive"}, (), now + 4.0) == waits("b")
    assert absences.look({"b": "dead"}, (), now + 6.0).absent == ("b",)


@pytest.mark.parametrize("forgotten", [False, True])
def test_who_left_is_not_waited_for_also_after_a_restart(forgotten: bool) -> None:
    absences = Absences(CONFIG)
    assert absences.look({"b": "left"}, ("b",), 0.0) == waits()
    note = absences.note()
    assert note
    again = Absences(CONFIG, note)
    assert again.look({} if forgotten else {"b": "left"}, ("b",), 5.0) == waits()


def test_who_is_remembered_from_before_and_not_seen_is_waited_for() -> None:
    assert Absences(CONFIG).look({}, ("b",), 0.0).absent == ("b",)


def test_standing_still_is_not_waiting() -> None:
    absences = Absences(CONFIG)
    absences.look({"b": "dead"}, (), 0.0)
    assert absences.look({"b": "dead"}, (), 1e6).absent == ("b",)


def test_writers_go_much_later() -> None:
    absences = Absences(CONFIG)
    gone = [absences.look({"b": "left"}, (), float(now)).gone for now in range(0, 1010, 2)]
    assert gone[499] == frozenset()
    assert gone[-1] == {"b"}
