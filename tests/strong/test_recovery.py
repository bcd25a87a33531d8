"""A group that has lost most of its voters for good, and goes on from one store: `nexus-state recover`."""

import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest

import replication
from replication import cli
from replication import recover as recovering
from replication.raft.configuration import Configuration
from replication.raft.core import Raft
from replication.raft.log import CONFIGURATION, NOOP, Entry
from replication.raft.options import Options
from replication.raft.ready import Write
from replication.storage import Note, Record
from replication.strong import journal
from replication.strong.entries import Refounded, decode, writer_of
from replication.strong.machine import Machine
from replication.strong.recovery import held, refound
from tests.cluster.nodes import Nodes, eventually
from tests.replication.agents import AgentState, bump, count

STRONG: dict[str, Any] = {"consistency": "replicated", "timeout": 20.0}


@pytest.fixture
def nodes(five_nodes: Nodes) -> Nodes:
    return five_nodes


def add_one(state: Any) -> int:
    bump(state)
    value: int = state.counters.value
    return value


def group_of(node: replication.Node) -> dict[str, Any]:
    status: dict[str, Any] = node.status()["replicated"]
    return status


def contents(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in ("store.db", "mark")}


def lose(nodes: Nodes, *places: int) -> None:
    """Those are lost for good, with their disks; the others are closed."""
    nodes.close()
    for place in places:
        shutil.rmtree(nodes.directory / nodes.names[place])


def started_and_used(nodes: Nodes, calls: int = 5) -> None:
    nodes.start(0, 1, 2)
    nodes.meet()
    for k in range(calls):
        nodes[k % 3].update_state("a", add_one, op_id=f"op {k}", **STRONG)
    nodes[0].read_state("a", **STRONG)
    eventually(lambda: len({group_of(node)["applied"] for node in nodes}) == 1, "everything everywhere")


def recover(nodes: Nodes, place: int, *arguments: str) -> int:
    return cli.main(["recover", str(nodes.directory / nodes.names[place]), *arguments])


def test_it_goes_on_with_everything_and_grows_again(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    started_and_used(nodes)
    before = group_of(nodes[2])["group"]
    lose(nodes, 0, 1)

    directory = nodes.directory / "n2"
    untouched = contents(directory)
    assert recover(nodes, 2) == 0
    said = capsys.readouterr().out
    for words in (
        "voters               n0, n1, n2",
        f"group                {before}",
        "ARE LOST",
        "Nothing was changed",
        "of term",
    ):
        assert words in said
    assert contents(directory) == untouched, "a look changes nothing"

    assert recover(nodes, 2, "--yes") == 0
    assert "DONE" in capsys.readouterr().out
    nodes.start(2)
    assert nodes[2].update_state("a", add_one, **STRONG).value == 6
    again = nodes[2].update_state("a", add_one, op_id="op 3", **STRONG)
    assert (again.value, again.replayed) == (4, True), "what was served is remembered"
    assert group_of(nodes[2])["group"].startswith(f"{before}.") and group_of(nodes[2])["voters"] == ["n2"]

    nodes.start(3, 4, bootstrap=())
    for name in ("n3", "n4"):
        eventually(lambda name=name: name in group_of(nodes[2])["learners"], f"{name} learns")
        nodes[3].add_voter(name)
    assert nodes[4].update_state("a", add_one, **STRONG).value == 7
    again = nodes[4].update_state("a", add_one, op_id="op 4", **STRONG)
    assert (again.value, again.replayed) == (5, True)
    nodes.stop(2)
    assert nodes[3].update_state("a", add_one, **STRONG).value == 8, "the two that came are a majority"
    nodes.start(2)
    assert nodes[2].update_state("a", add_one, **STRONG).value == 9
    assert {m.name for m in nodes[2].members() if m.voter} == {"n2", "n3", "n4"}
    nodes.agree("a")


def test_old_voters_that_come_back_do_no_harm_and_can_rejoin(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    started_and_used(nodes)
    nodes.close()
    assert recover(nodes, 2, "--yes") == 0
    # The two that were believed to be lost agree among themselves, as long as they see nobody of the new group.
    nodes.start(0, 1)
    assert nodes[0].update_state("a", add_one, op_id="on the old side", **STRONG).value == 6
    nodes.start(2)
    assert nodes[2].update_state("a", add_one, op_id="on the new side", **STRONG).value in (6, 7)
    for place in (0, 1):
        eventually(lambda place=place: group_of(nodes[place])["role"] == "retired", f"n{place} is not heard any more")
        for call in (nodes[place].update_state, nodes[place].read_state):
            with pytest.raises(replication.Unavailable, match=r"is over: it was recovered elsewhere.*--rejoin"):
                call("a", bump, consistency="replicated")
        assert "--rejoin" in nodes[place].status()["problems"]["group"]
    eventually(lambda: {"group of n0", "group of n1"} <= set(nodes[2].status()["problems"]), "n2 says so, too")
    # What each side did is there, once, on all of them: their changes have different names.
    eventually(lambda: [count(node, "a") for node in nodes] == [7, 7, 7], "all increments everywhere")
    nodes.agree("a")
    assert not any("diverged" in key for node in nodes for key in node.status()["problems"])

    # Also after a restart in which they meet nobody but each other.
    for place in (0, 1, 2):
        nodes.stop(place)
    nodes.start(0, 1)
    with pytest.raises(replication.Unavailable, match="--rejoin"):
        nodes[0].update_state("a", bump, "replicated", timeout=5)

    for place in (0, 1):
        nodes.stop(place)
        assert recover(nodes, place) == 0 and "is REMOVED" in capsys.readouterr().out.replace(
            "RECOVERING", "is REMOVED"
        )
        assert recover(nodes, place, "--rejoin") == 0 and "Nothing was changed" in capsys.readouterr().out
        assert recover(nodes, place, "--rejoin", "--yes") == 0 and "DONE" in capsys.readouterr().out
    nodes.start()
    for name in ("n0", "n1"):
        eventually(lambda name=name: name in group_of(nodes[2])["learners"], f"{name} learns")
        nodes[2].add_voter(name)
    assert [nodes[place].update_state("a", add_one, **STRONG).value for place in range(3)] == [8, 9, 10]
    assert not set(nodes[2].status()["problems"]) & {"group of n0", "group of n1"}
    nodes.stop(2)
    assert nodes[0].update_state("a", add_one, **STRONG).value == 11


def test_who_has_left_its_group_waits_for_the_one_that_goes_on(nodes: Nodes) -> None:
    """Without its log it would be a voter that has forgotten what it had promised."""
    started_and_used(nodes)
    nodes.close()
    assert recover(nodes, 0, "--rejoin", "--yes") == 0
    nodes.start(0, 1, 2)
    nodes.meet()
    assert nodes[1].update_state("a", add_one, **STRONG).value == 6
    assert group_of(nodes[0])["group"] == "" and group_of(nodes[0])["voters"] == []
    nodes.stop(1)
    eventually(lambda: group_of(nodes[2])["leader"] == "", "nobody leads")
    with pytest.raises(replication.Unavailable, match=r"missing: n1 \(left\)"):
        nodes[2].update_state("a", bump, "replicated", timeout=5)


def test_several_voters_can_be_named(nodes: Nodes) -> None:
    started_and_used(nodes)
    lose(nodes, 0)
    assert recover(nodes, 2, "--voters", "n2,n1", "--yes") == 0
    assert recover(nodes, 1, "--rejoin", "--yes") == 0
    nodes.start(2)
    with pytest.raises(
        replication.Unavailable, match=r"1 of the 2 voters can be reached and 2 are needed; missing: n1 \("
    ):
        nodes[2].update_state("a", bump, "replicated")
    nodes.start(1)
    assert nodes[2].update_state("a", add_one, **STRONG).value == 6
    assert nodes[1].update_state("a", add_one, **STRONG).value == 7
    assert group_of(nodes[1])["voters"] == ["n1", "n2"]


def test_a_recovered_group_can_be_recovered_again(nodes: Nodes) -> None:
    started_and_used(nodes)
    lose(nodes, 0, 1)
    for expected in (6, 7, 8):
        assert recover(nodes, 2, "--yes") == 0
        nodes.start(2)
        assert nodes[2].update_state("a", add_one, **STRONG).value == expected
        nodes.stop(2)
    nodes.start(2, 3, bootstrap=())
    assert nodes[3].update_state("a", add_one, op_id="op 3", **STRONG).value == 4
    assert nodes[3].update_state("a", add_one, **STRONG).value == 9


def test_it_goes_on_from_a_snapshot(nodes: Nodes) -> None:
    nodes.options |= {"log_entries_max": 5, "log_entries_kept": 1}
    started_and_used(nodes, 20)
    eventually(lambda: all(group_of(node)["snapshot"] for node in nodes), "a snapshot everywhere")
    lose(nodes, 0, 1)
    assert recover(nodes, 2, "--yes") == 0
    nodes.start(2)
    assert nodes[2].update_state("a", add_one, **STRONG).value == 21
    for _ in range(10):
        nodes[2].update_state("b", add_one, **STRONG)
    nodes.start(3, bootstrap=())
    # One that calls before it has the snapshot may be told that nobody knows: its entry may be in that.
    eventually(lambda: group_of(nodes[3])["applied"] >= group_of(nodes[2])["snapshot"], "n3 has the snapshot")
    assert nodes[3].update_state("a", add_one, op_id="op 19", **STRONG).replayed
    assert nodes[3].update_state("a", add_one, **STRONG).value == 22


def test_a_change_of_voters_that_was_under_way_is_over() -> None:
    """Its entry may never have been committed: the newest configuration in a log is in force all the same."""
    old, now = Configuration(("a", "b", "c")), 0.0
    joint = old.entering(("a", "b", "d"), ())
    start, log = journal.read((), old)
    records = log.base(journal.Base(start.saved.snapshot, Machine(writer_of("g")).to_bytes(), 0, 0), 0, "")
    entries = (Entry(3, NOOP, b""), Entry(3, CONFIGURATION, joint.to_bytes()))
    records.append(log.write(Write(1, 7, "b", None, 1, entries), None))
    store = held({"group": b"g"}, records)
    assert store is not None
    assert (store.term, store.last, store.last_term, store.configuration) == (7, 2, 3, joint)

    written = refound(store, records, ["c"], "x")
    assert Note("group", b"g.x") in written
    records += [each for each in written if isinstance(each, Record)]
    saved = journal.read(records, Configuration())[0].saved
    raft = Raft("c", saved, Options(), Random(1), now)
    for k in range(20):
        raft.tick(now := now + 0.1)
        if (write := raft.ready().write) is not None:
            raft.persisted(write.number, now)
        assert k or raft.term > 7
    assert raft.configuration == Configuration(("c",)) and raft.role == "leader"
    assert raft.commit == raft.last == 5, "what was there, the new voters, the new name, and a leader's first"
    assert decode(saved.entries[-1].data) == Refounded("g.x")


def test_what_cannot_be_recovered_is_refused(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    nodes.start(0, 1, 2)
    nodes.meet()
    nodes[0].update_state("a", bump, **STRONG)
    assert recover(nodes, 0, "--yes") == 1
    assert "open" in capsys.readouterr().err
    nodes.close()
    assert recover(nodes, 0, "--voters", "n1,n2", "--yes") == 2
    assert "'n0' must be among them" in capsys.readouterr().err
    assert recover(nodes, 0, "--voters", "n0", "--rejoin") == 2
    assert "exclude each other" in capsys.readouterr().err

    with replication.open(nodes.directory / "stranger", schema=AgentState, peers=["127.0.0.1:1"]) as node:
        node.update_state("a", bump)
    assert cli.main(["recover", str(nodes.directory / "stranger"), "--yes"]) == 1
    assert "never a member" in capsys.readouterr().err
    for wrong in (nodes.directory / "nothing", nodes.directory):
        assert cli.main(["recover", str(wrong), "--yes"]) == 1
        assert "holds no store" in capsys.readouterr().err
    assert not (nodes.directory / "nothing").exists()

    database = nodes.directory / "n1" / "store.db"
    data = bytearray(database.read_bytes())
    data[len(data) // 2 :: 97] = bytes(len(data[len(data) // 2 :: 97]))
    database.write_bytes(data)
    assert recover(nodes, 1, "--yes") == 1
    assert "damaged" in capsys.readouterr().err
    assert database.read_bytes() == data
    assert recover(nodes, 0, "--yes") == 0


def test_the_only_voter_is_told_that_nothing_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with replication.open(tmp_path, schema=AgentState, name="ann") as node:
        node.update_state("a", bump, "replicated")
    assert cli.main(["recover", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "'ann' is the only voter, so nothing is missing" in said
    assert "surely committed     all of it" in said and "has lost none" in said and "Open the store" in said
    assert "LOST" not in said and "lost voters" not in said
    assert cli.main(["recover", str(tmp_path), "--rejoin"]) == 0
    said = capsys.readouterr().out
    assert "'ann' is the only voter, so nothing is missing" in said and "REMOVED" in said and "lost voters" not in said
    assert cli.main(["recover", str(tmp_path), "--yes"]) == 0
    assert "has lost none" in capsys.readouterr().out
    with replication.open(tmp_path, schema=AgentState, name="ann") as node:
        assert node.read_state("a", lambda s: s.counters.value, **STRONG) == 1


def test_a_group_recovered_elsewhere_is_not_told_that_nothing_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with replication.open(tmp_path, schema=AgentState, name="ann") as node:
        node.update_state("a", bump, "replicated")
    found = recovering.held
    monkeypatch.setattr(recovering, "held", lambda *held: found(*held)._replace(heir="elsewhere"))  # type: ignore[union-attr]
    assert cli.main(["recover", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "recovered ELSEWHERE already, as elsewhere" in said
    assert "nothing is missing" not in said and "Open the store" not in said
