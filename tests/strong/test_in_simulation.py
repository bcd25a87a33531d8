"""`replicated` in a simulated world: a few seeds of the runs, and moments that deserve a name."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from replication.errors import OutcomeUnknown, Timeout, Unavailable
from replication.message_fields import MessageError
from replication.simulation import Cluster, Conditions
from replication.simulation.disk import Disk
from tests.strong.runs import Board, run


@contextmanager
def three_voters(**options: Any) -> Iterator[Cluster]:
    made = Cluster(
        Board, "abc", seed=5, bootstrap="abc", election_timeout=0.5, probe_interval=0.5, probe_timeout=0.3,
        sync_interval=0.5, **options,
    )  # fmt: skip
    try:
        made.run_until(lambda: leader(made) != "")
        yield made
    finally:
        made.close()


@pytest.fixture
def group() -> Iterator[Cluster]:
    with three_voters() as made:
        yield made


def leader(cluster: Cluster) -> str:
    """Who leads, as all that run see it; "" if they do not agree."""
    seen = {cluster[name].status()["replicated"]["leader"] for name in cluster.running()}
    return seen.pop() if len(seen) == 1 else ""


def look(board: Any) -> int:
    """One more, and how many that makes."""
    board.looks.increment()
    looks: int = board.looks.value
    return looks


def looks(cluster: Cluster, name: str, **options: Any) -> int:
    found: int = cluster[name].read_state("board", lambda board: board.looks.value, **options)
    return found


def cut_off(cluster: Cluster, name: str) -> list[str]:
    """Cut a node off from the others; their names."""
    others = [each for each in cluster.names if each != name]
    cluster.partition([[name], others])
    return others


class Caller:
    """A client that does not stop asking, by one op_id, until it knows what came of it."""

    def __init__(self, cluster: Cluster, op_id: str) -> None:
        self._cluster, self._op_id = cluster, op_id
        self.answers: list[int] = []
        self.unknown = 0

    def ask(self, name: str) -> None:
        self._cluster.spawn(name, self._ask(name))

    async def _ask(self, name: str) -> None:
        while not self.answers:
            try:
                result = await self._cluster[name].aupdate_state(
                    "board", look, "replicated", timeout=1.0, op_id=self._op_id
                )
            except (OutcomeUnknown, Unavailable):
                self.unknown += 1
            else:
                self.answers.append(result.value)


@pytest.mark.parametrize("seed", range(4))
def test_clients_are_answered_as_by_one_copy(seed: int) -> None:
    outcomes = run(seed)
    assert outcomes["committed"] > 10


def test_a_seed_is_one_run() -> None:
    assert run(11) == run(11)


@pytest.mark.parametrize("after", [0.0, 0.0011, 0.0042, 0.02])
def test_a_leader_crashes_with_calls_in_flight(group: Cluster, after: float) -> None:
    old = leader(group)
    others = [name for name in group.names if name != old]
    callers = [Caller(group, f"op {k}") for k in range(6)]
    for k, caller in enumerate(callers):
        caller.ask(others[k % 2])
    group.run(after)
    group.crash(old)
    group.run_until(lambda: all(caller.answers for caller in callers), 60)
    assert sorted(caller.answers[0] for caller in callers) == [1, 2, 3, 4, 5, 6]
    group.restart(old)
    group.run_until_quiet()
    assert [looks(group, name, consistency="replicated", timeout=10) for name in group.names] == [6, 6, 6]


@pytest.mark.parametrize("after", [0.0, 0.0011, 0.0042, 0.02])
def test_who_asked_a_leader_that_crashed_asks_another_by_the_same_name(group: Cluster, after: float) -> None:
    """Whether it was committed before the crash, is later, or never: it has one effect."""
    old = leader(group)
    caller = Caller(group, "once")
    caller.ask(old)
    group.run(after)
    group.crash(old)
    assert not caller.answers or after > 0
    caller.ask(next(name for name in group.names if name != old))
    group.run_until(lambda: bool(caller.answers), 60)
    group.restart(old)
    group.run(2)  # who was answered by the old leader knows before the others that it is committed
    group.run_until_quiet()
    assert set(caller.answers) == {1}
    assert group.values("board", lambda board: board.looks.value) == [1, 1, 1]


def test_an_old_leader_that_is_cut_off_serves_no_read(group: Cluster) -> None:
    old = leader(group)
    group[old].update_state("board", look, "replicated", timeout=5)
    others = cut_off(group, old)
    for timeout in (0.05, 0.2, 3.0):
        assert not reads(group, old, timeout)
    group.run_until(lambda: group[others[0]].status()["replicated"]["leader"] in others)
    group[others[0]].update_state("board", look, "replicated", timeout=10)
    assert not reads(group, old, 0.5)
    assert looks(group, old) == 1, "what it has, it may show to who asks for no more"
    assert looks(group, others[1], consistency="replicated", timeout=5) == 2
    group.heal()
    group.run(15)
    assert looks(group, old, consistency="replicated", timeout=10) == 2


def reads(cluster: Cluster, name: str, timeout: float) -> bool:
    try:
        looks(cluster, name, consistency="replicated", timeout=timeout)
    except (Timeout, Unavailable):
        return False
    return True


def test_who_repeats_after_an_unknown_outcome_has_one_effect(group: Cluster) -> None:
    old = leader(group)
    others = cut_off(group, old)
    with pytest.raises(OutcomeUnknown, match="at most once") as caught:
        group[old].update_state("board", look, "replicated", timeout=0.3, op_id="once")
    assert caught.value.op_id == "once"
    group.run_until(lambda: group[others[0]].status()["replicated"]["leader"] in others)
    result = group[others[0]].update_state("board", look, "replicated", timeout=10, op_id="once")
    assert (result.value, result.replayed) == (1, False)
    group.heal()
    group.run(15)
    again = group[old].update_state("board", look, "replicated", timeout=10, op_id="once")
    assert (again.value, again.replayed) == (1, True)
    group.run_until_quiet()
    assert group.values("board", lambda board: board.looks.value) == [1, 1, 1]


def test_what_an_old_leader_could_not_commit_runs_again_on_what_is_newest(group: Cluster) -> None:
    """Without an op_id, for as long as its caller waits."""
    old = leader(group)
    others = cut_off(group, old)
    seen: list[int] = []

    async def client() -> None:
        seen.append((await group[old].aupdate_state("board", look, "replicated")).value)

    group.spawn(old, client())
    group.run_until(lambda: group[others[0]].status()["replicated"]["leader"] in others)
    assert group[others[1]].update_state("board", look, "replicated", timeout=10).value == 1
    group.heal()
    group.run_until(lambda: bool(seen), 60)
    assert seen == [2]


def test_what_was_committed_is_there_after_all_have_crashed(group: Cluster) -> None:
    for expected, name in enumerate("abcabc", 1):
        assert group[name].update_state("board", look, "replicated", timeout=10).value == expected
    for name in "abc":
        group.crash(name)
    for name in "abc":
        group.restart(name)
    group.run_until(lambda: leader(group) != "")
    assert [looks(group, name, consistency="replicated", timeout=10) for name in "abc"] == [6, 6, 6]


def test_a_leader_whose_disk_fails_holds_nobody_up(group: Cluster) -> None:
    old = leader(group)
    group.fail_disk(old)
    other = next(name for name in "abc" if name != old)
    assert group[other].update_state("board", look, "replicated", timeout=20).value == 1
    assert group[other].status()["replicated"]["leader"] not in ("", old)
    with pytest.raises(Unavailable, match="acknowledges nothing"):
        group[old].update_state("board", look, "replicated")
    group.repair_disk(old)
    group.restart(old)
    group.run_until(lambda: leader(group) != "", 60)
    assert looks(group, old, consistency="replicated", timeout=10) == 1


def test_a_counter_counts_each_operation_once_however_often_it_is_asked_for() -> None:
    """Dissertation section 6.3: messages are lost and doubled, nodes crash, clients ask all nodes until they know."""
    with three_voters(conditions=Conditions(loss=0.15, duplicate=0.2)) as group:
        callers = [Caller(group, f"op {k}") for k in range(12)]
        for k, caller in enumerate(callers):
            for name in "abc":
                caller.ask(name)
            group.run(0.3)
            if k % 4 == 0:
                group.crash("abc"[k % 3])
                group.run(0.2)
                group.restart("abc"[k % 3])
                caller.ask("abc"[k % 3])
        group.run_until(lambda: all(caller.answers for caller in callers), 120)
        group.run(5)
        group.run_until_quiet()
        assert sorted(caller.answers[0] for caller in callers) == list(range(1, 13))
        assert all(len(set(caller.answers)) == 1 for caller in callers)
        assert group.values("board", lambda board: board.looks.value) == [12, 12, 12]


def test_a_voter_whose_disk_was_wiped_has_no_vote(group: Cluster) -> None:
    """openraft's pages on wiped data and reused ids: it does not know what it promised, and is one of a majority."""
    old = leader(group)
    cut, wiped = (name for name in "abc" if name != old)
    group.partition([[cut], [old, wiped]])
    group[old].update_state("board", look, "replicated", timeout=5)
    group.crash(old)
    group.crash(wiped)
    disk = Disk(group.world, f"{wiped}, again")
    disk._name = wiped
    group.hosts[wiped].disk = disk
    group.heal()
    group.restart(wiped)
    group.run(20)
    assert leader(group) == "", "those two do not have what was committed"
    assert any("had another store" in text for text in group[wiped].status()["problems"].values())
    group.restart(old)
    group.run_until(lambda: group[cut].status()["replicated"]["leader"] == old)
    assert looks(group, cut, consistency="replicated", timeout=10) == 1


def test_nothing_leaves_a_node_that_its_disk_does_not_have(group: Cluster) -> None:
    """A strong change takes along the weaker ones that it builds on, which a crash may take until they are there."""
    name = next(each for each in "abc" if each != leader(group))
    group[name].update_state("board", look)
    group.hang_disk(name)
    with pytest.raises(OutcomeUnknown):
        group[name].update_state("board", look, "replicated", timeout=1.0)
    assert [looks(group, each) for each in "abc"] == [int(each == name) for each in "abc"]
    group.repair_disk(name)
    group.run_until(lambda: [looks(group, each) for each in "abc"] == [2, 2, 2])


@pytest.mark.parametrize(("op_id", "advice"), [(None, "has no op_id"), ("once", "Ask again with the same op_id")])
def test_who_gave_no_op_id_is_not_told_to_ask_again_with_it(group: Cluster, op_id: str | None, advice: str) -> None:
    name = leader(group)
    cut_off(group, name)
    with pytest.raises(OutcomeUnknown, match=advice):
        group[name].update_state("board", look, "replicated", op_id=op_id, timeout=0.1)


@pytest.mark.parametrize("seconds", [0.12, 1.2])
def test_who_is_alone_waits_for_its_disk_however_slow(seconds: float) -> None:
    """One sync took longer than a tick, and it never came to lead; or longer than an election timeout."""
    cluster = Cluster(Board, "a", bootstrap="a", write_modes=("beside",), disk_seconds=seconds)
    try:
        for count in (1, 2):
            assert cluster["a"].update_state("board", look, "replicated", timeout=10 * seconds + 2).value == count
        cluster.crash("a")
        cluster.restart("a")
        assert looks(cluster, "a", consistency="replicated", timeout=10 * seconds + 2) == 2
    finally:
        cluster.close()


@contextmanager
def a_learner_behind() -> Iterator[tuple[Cluster, str, str]]:
    """Two voters, who leads and another, that have the same snapshot; and d, cut off, to be sent it in many pieces."""
    cluster = Cluster(
        Board, "abcd", seed=3, bootstrap="abc", election_timeout=0.5, probe_interval=0.5, probe_timeout=0.3,
        redial_max=1.0, sync_interval=1000.0, log_entries_max=20, log_entries_kept=1,
        conditions=Conditions(bandwidth=1e6),
    )  # fmt: skip
    try:
        cluster.run_until(lambda: leader(cluster) != "")
        led_by = leader(cluster)
        late = next(each for each in "abc" if each != led_by)
        cluster.partition([[each for each in "abc" if each != late], [late], ["d"]])
        for k in range(20):
            cluster[led_by].update_state("board", lambda b, k=k: large(b, k), "replicated", timeout=30)
        cluster.heal()
        cluster.partition([list("abc"), ["d"]])
        cluster.run_until(lambda: raft(cluster, led_by).snapshot == raft(cluster, late).snapshot, 60)
        yield cluster, led_by, late
    finally:
        cluster.close()


def large(board: Any, number: int) -> None:
    board.looks.increment()
    board.claims[f"task {number}"] = "x" * 100_000


def applied(cluster: Cluster, name: str) -> int:
    index: int = cluster[name].status()["replicated"]["applied"]
    return index


def raft(cluster: Cluster, name: str) -> Any:
    return cluster[name]._others.group.core.raft


def test_a_snapshot_that_another_leader_goes_on_with_begins_anew() -> None:
    """Two have the same snapshot, and each makes its bytes of the states that it has."""
    with a_learner_behind() as (cluster, first, second):
        cluster[second].update_state("board", lambda board: board.notes.append("only here"), durable=True)
        cluster.heal()
        while raft(cluster, "d")._follower._incoming.offset < 600_000:
            cluster.run(0.01)
        cluster[first]._others.group.core.members.manage("transfer", second)
        cluster.run_until(lambda: applied(cluster, "d") == applied(cluster, second), 60)
        assert looks(cluster, "d", consistency="replicated", timeout=20) == 20
        assert "snapshot" not in cluster["d"].status()["problems"]


def test_a_snapshot_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: Any) -> None:
        raise MessageError("not a snapshot")

    with a_learner_behind() as (cluster, led_by, _):
        with monkeypatch.context() as patch:
            patch.setattr("replication.strong.snapshots.Snapshots.contents", damaged)
            cluster.heal()
            cluster.run_until(lambda: "snapshot" in cluster["d"].status()["problems"], 60)
        assert "open it again" in cluster["d"].status()["problems"]["snapshot"]
        cluster.crash("d")
        cluster.restart("d")
        cluster.run_until(lambda: applied(cluster, "d") == applied(cluster, led_by), 60)
        assert looks(cluster, "d", consistency="replicated", timeout=20) == 20
