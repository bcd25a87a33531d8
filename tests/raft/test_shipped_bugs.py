"""Mistakes that other implementations have shipped: one test for each that a pure core can make.

What is after the name is where it was found. The same are planted in the core, in `planted`, and must be shown.
"""

from replication.raft.messages import (
    Appended,
    AppendEntries,
    Heartbeat,
    HeartbeatAnswer,
    ReadIndex,
    ReadIndexAnswer,
    RequestVote,
    TimeoutNow,
    Vote,
)
from tests.raft.bench import Bench, led
from tests.raft.script import Script


def test_a_new_leader_commits_and_reads_without_a_proposal() -> None:
    """etcd#7331: without an entry of its own, a leader can neither commit what is there, nor know what is committed."""
    node = Bench(1, 1, term=1)
    node.elect()
    read = node.core.read(node.now)
    node.act()
    assert not node.take(Heartbeat) and node.core.commit == 0
    node.acknowledge("b", 3)
    assert node.core.commit == 3
    (heartbeat, *_) = node.take(Heartbeat, "b")
    node.hear("b", HeartbeatAnswer(2, heartbeat.round))
    assert node.reads == [read]


def test_no_vote_is_given_or_counted_before_it_is_durable() -> None:
    """PySyncObj#202, nats-server#5848."""
    node = Bench(term=1, slow=True)
    assert node.ask_vote("b", 2, 0, 0) is None
    assert node.writes[-1].term == 2 and node.writes[-1].vote == "b"
    node.written()
    assert node.take(Vote) == [Vote(2, False, True)]
    alone = Bench(voters="a", slow=True)
    alone.wait(0.1)
    assert alone.core.role == "candidate"
    alone.written()
    assert alone.core.role == "leader"


def test_a_candidate_does_not_boast_of_entries_that_it_may_lose() -> None:
    """It could come back without them, stand in the same term, and win by votes that were given to them."""
    node = Bench(1, term=1, slow=True)
    node.append(1, 1, 1)
    node.hear("b", TimeoutNow(1))
    assert node.core.role == "candidate" and not node.take(RequestVote)
    node.written(1)
    assert not node.take(RequestVote), "the entry is durable now, but not yet the term"
    node.written()
    assert node.take(RequestVote) == [RequestVote(2, False, True, 2, 1)] * 2


def test_a_report_of_entries_that_were_replaced_does_not_count() -> None:
    """etcd raft, `async_storage_writes_append_aba_race`."""
    node = Bench(1, term=1, slow=True)
    node.append(1, 1, 1, 1, 1)  # write 1: entries 2 to 4 of term 1
    node.append(1, 1, 2, term=2, by="c")  # write 2: entry 2 of term 2 instead
    node.append(2, 2, 2, 2, term=2, by="c")  # write 3
    node.sent.clear()
    node.written(1)
    assert node.state.log.durable == 1, "what write 1 made durable is not in the log any more"
    assert not node.take(Appended), "nor is it acknowledged to whom it came from, whose term is over"
    node.written(1)
    assert node.state.log.durable == 2
    assert node.take(Appended) == [Appended(2, 2, False, 0, 0)]
    node.written(1)
    assert node.take(Appended) == [Appended(2, 4, False, 0, 0)]


def test_a_leader_counts_its_own_disk_only_when_it_has_written() -> None:
    """etcd#14370: one that is alone, or a leader, must not acknowledge before its fsync."""
    node = led(slow=True)
    node.core.propose((b"x",), node.now)
    node.act()
    assert node.take(AppendEntries, "b")[-1].entries[0].data == b"x", "sent before it is written"
    assert node.core.commit == 1
    node.acknowledge("b", 2)
    assert node.core.commit == 1, "one disk of three"
    node.acknowledge("c", 2)
    assert node.core.commit == 2 and node.applied[-1].data == b"", "two others make a majority; it applies later"
    node.written()
    assert node.applied[-1].data == b"x"


def test_an_append_cuts_no_tail_that_matches() -> None:
    """raftos#26, openraft: what was acknowledged must stay."""
    node = Bench(1, 1, 1, 1, term=1)
    node.append(1, 1, 1)
    node.append(4, 1)
    node.append(0, 0)
    assert node.terms == [1, 1, 1, 1]
    assert node.take(Appended) == [Appended(1, at, False, 0, 0) for at in (2, 4, 0)]


def test_what_was_compacted_is_no_conflict() -> None:
    """etcd raft#31, openraft: an append from before the snapshot."""
    node = Bench(1, 1, 1, 1, term=1, snapshot=3)
    node.append(1, 1, 1, 1, 1, 1)
    assert node.terms == [1, 1]
    assert node.take(Appended) == [Appended(1, 5, False, 0, 0)]
    node.append(0, 0, 1)
    assert node.take(Appended) == [Appended(1, 3, False, 0, 0)]


def test_old_answers_take_nothing_back() -> None:
    """PySyncObj#167, etcd raft#149."""
    node = led()
    for data in (b"x", b"y", b"z"):
        node.core.propose((data,), node.now)
        node.act()
    progress = node.core.progress()["b"]
    node.acknowledge("b", 4)
    for at in (2, 1, 3):
        node.acknowledge("b", at)
        node.hear("b", Appended(2, at, True, at - 1, 1))
        assert (progress.match, progress.next, progress.state) == (4, 5, "replicate")
    node.hear("b", Appended(2, 99, False, 0, 0))
    assert progress.match == 4, "nor is more believed than there is"
    node.core.propose((b"lost",), node.now)
    node.act()
    node.hear("b", Appended(2, 5, True, 4, 2))
    assert (progress.match, progress.next, progress.state) == (4, 5, "probe")
    node.hear("b", Appended(2, 4, True, 1, 1))
    assert (progress.match, progress.next) == (4, 5)


def test_nothing_is_committed_that_this_message_has_not_shown() -> None:
    """PySyncObj#166, raft.tla#19: a tail that the leader does not have, and a high commit index."""
    node = Bench(1, 1, 1, term=2)
    node.append(1, 1, commit=3)
    assert node.core.commit == 1
    node.append(1, 1, 2, commit=3)
    assert node.core.commit == 2 and node.terms == [1, 2]
    leader = led()
    leader.core.propose((b"x",), leader.now)
    leader.act()
    leader.acknowledge("c", 2)
    leader.sent.clear()
    leader.wait(0.3)
    assert {message.commit for message in leader.take(Heartbeat, "b")} == {1}, "b has not said that it has entry 2"


def test_whoever_does_not_vote_is_not_counted() -> None:
    """openraft: learners, removed nodes, strangers, and anybody twice."""
    node = Bench(voters="abcde", learners="l", term=1)
    node.wait(2)
    for voter in ("l", "x", "b", "b", "b"):
        node.hear(voter, Vote(2, True, True))
        assert node.core.role == "pre-candidate"
    node.hear("c", Vote(2, True, True))
    for voter in ("l", "x", "b", "b"):
        node.hear(voter, Vote(2, False, True))
        assert node.core.role == "candidate"
    node.hear("c", Vote(2, False, True))
    assert node.core.role == "leader"
    for peer in ("l", "x", "b", "b"):
        node.acknowledge(peer, 1)
    assert node.core.commit == 0


def test_an_answer_to_a_question_that_nobody_has_any_more_serves_nothing() -> None:
    """etcd#20418, etcd raft#397: contexts of reads that were used again."""
    node = Bench(1, term=1)
    node.append(1, 1, commit=1, by="b")
    node.core.read(node.now)
    node.act()
    (first,) = node.take(ReadIndex)
    for _ in range(15):
        node.wait(0.1)
        node.hear("b", Heartbeat(1, 1, 1))
    (second,) = node.take(ReadIndex)
    assert second.context != first.context
    node.hear("b", ReadIndexAnswer(1, first.context, 1))
    assert node.reads == []
    node.append(1, 1, commit=1, term=2, by="c")
    (third,) = node.take(ReadIndex)
    assert len({first.context, second.context, third.context}) == 3
    node.hear("b", ReadIndexAnswer(2, second.context, 1))
    assert node.reads == []
    node.hear("c", ReadIndexAnswer(2, third.context, 1))
    assert len(node.reads) == 1


def test_a_round_that_began_before_a_read_does_not_prove_it() -> None:
    node = led()
    node.wait(0.1)
    old = node.take(Heartbeat, "b")[-1]
    node.core.read(node.now)
    node.act()
    node.hear("b", HeartbeatAnswer(2, old.round))
    assert node.reads == []
    node.hear("b", HeartbeatAnswer(2, old.round + 7))
    assert node.reads == [], "nor does one that there was not"
    node.hear("b", HeartbeatAnswer(2, old.round + 1))
    assert len(node.reads) == 1


def test_a_lease_counts_from_when_the_heartbeat_was_sent() -> None:
    """etcd raft, `ReadOnlyLeaseBased`."""
    node = led(lease_reads=True, clock_drift_max=0.2)
    node.wait(0.1)
    beat = node.take(Heartbeat, "b")[-1]
    for _ in range(7):
        node.wait(0.1)
        node.acknowledge("b", 1)
    node.hear("b", HeartbeatAnswer(2, beat.round))
    node.core.read(node.now)
    node.act()
    assert len(node.reads) == 1, "0.7 s after it was sent"
    node.wait(0.1)
    node.core.read(node.now)
    node.act()
    assert len(node.reads) == 1, "0.8 s is what is left of 1 s if clocks may drift by a fifth"


def test_a_lease_ends_when_a_successor_was_told_to_stand() -> None:
    node = led(lease_reads=True)
    node.wait(0.1)
    node.hear("b", HeartbeatAnswer(2, node.take(Heartbeat, "b")[-1].round))
    node.core.read(node.now)
    node.core.transfer("b", node.now)
    node.act()
    assert len(node.reads) == 1 and node.take(TimeoutNow)
    node.core.read(node.now)
    node.act()
    assert len(node.reads) == 1


def test_who_was_restarted_does_not_break_the_lease_that_it_gave() -> None:
    node = Bench(1, term=1, lease_reads=True)
    assert node.ask_vote("b", 2, 1, 1) is None
    node.wait(0.9)
    assert node.ask_vote("b", 2, 1, 1) is None
    node.wait(0.15)
    assert node.ask_vote("b", 2, 1, 1) == Vote(2, False, True)


def test_a_node_that_comes_back_deposes_nobody() -> None:
    """Dissertation section 9.6; hashicorp raft, docs/divergence.md."""
    script = Script()
    for line in ("nodes a b c", "campaign a", "stabilize", "cut c", "run 60", "heal", "run 5"):
        script.do(line)
    assert script.machines["a"].core.role == "leader"
    assert {machine.core.term for machine in script.machines.values()} == {1}


def test_a_term_that_is_ahead_and_a_log_that_is_behind_do_not_block() -> None:
    """etcd#8243, #8501; canonical raft#142."""
    script = Script()
    for line in ("nodes a b c", "load a term=1 log=1,1", "load b term=1 log=1,1", "load c term=9 log=1", "run 8"):
        script.do(line)
    leader = next(machine.core for machine in script.machines.values() if machine.core.role == "leader")
    assert leader.term > 9 and {machine.core.commit for machine in script.machines.values()} == {3}
