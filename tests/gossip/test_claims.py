"""One node and what it is told: which claims hold, which are refuted, which are refused."""

from random import Random
from typing import Any

import pytest

from replication.config import Config
from replication.core import Send
from replication.gossip.claims import ALIVE, DEAD, INCARNATION_MAX, LEFT, SUSPECT, ClaimQueue, first_incarnation
from replication.gossip.membership import NOTE_KEY, Membership
from replication.gossip.roster import Event
from replication.messages import Claim, Members, NoPong, Ping, PingRequest, Pong


def claim(name: str, state: int = ALIVE, opening: int = 1, spoken: int = 1, **other: Any) -> Claim:
    fields = {"address": f"{name}:1", "meta": {}, "by": "x" if state in (SUSPECT, DEAD) else "", **other}
    return Claim(name=name, state=state, incarnation=first_incarnation(opening) + spoken, **fields)


def node(*claims: Claim, **limits: Any) -> Membership:
    """A node `me` that heard these claims from `b` and said what it had to."""
    membership = Membership("me", "me:1", 3, Config.of(limits), Random(1), {"zone": "a"})
    membership.met("b", "b:1", 1, 0.0)
    hear(membership, *claims)
    return membership


def hear(membership: Membership, *claims: Claim, peer: str = "b", now: float = 0.0) -> list[Send]:
    membership.step(peer, Ping(7, claims), now)
    return sent(membership)


def sent(membership: Membership) -> list[Send]:
    return [send for send in membership.ready().send if isinstance(send, Send)]


def state_of(membership: Membership, name: str) -> str | None:
    return next((view.state for view in membership.members() if view.name == name), None)


def own(membership: Membership, sends: list[Send]) -> Claim:
    """What the last of these messages says of the node itself."""
    told = [c for send in sends for c in getattr(send.message, "claims", ()) if c.name == "me"]
    return told[-1]


# ---- which of two holds


@pytest.mark.parametrize(
    ("held", "heard", "state"),
    [
        (claim("c"), claim("c", SUSPECT), "suspect"),
        (claim("c", SUSPECT), claim("c"), "suspect"),
        (claim("c", SUSPECT), claim("c", spoken=2), "alive"),
        (claim("c", spoken=5), claim("c", SUSPECT, spoken=4), "alive"),
        (claim("c", spoken=5), claim("c", DEAD, spoken=4), "alive"),
        (claim("c", spoken=5), claim("c", LEFT, spoken=5), "left"),
        (claim("c", LEFT, spoken=5), claim("c", spoken=5), None),
        (claim("c", opening=2), claim("c", LEFT, opening=1, spoken=99), "alive"),
        (claim("c", SUSPECT, opening=1, spoken=99), claim("c", opening=2, spoken=0), "alive"),
    ],
)
def test_the_higher_incarnation_holds_then_the_worse_state(held: Claim, heard: Claim, state: str | None) -> None:
    assert state_of(node(held, heard), "c") == state or state is None
    assert state is not None or state_of(node(claim("c"), held, heard), "c") == "left"


def test_nobody_is_buried_on_hearsay() -> None:
    membership = node(claim("c"), claim("c", DEAD))
    assert state_of(membership, "c") == "alive"
    pings = []
    for tick in range(1, 8):
        membership.tick(tick * 0.2)
        pings += [send.message for send in sent(membership) if send.peer == "c"]
    assert any(isinstance(ping, Ping) and claim("c", DEAD) in ping.claims for ping in pings)
    assert state_of(membership, "c") == "dead"


def test_a_word_of_its_own_ends_the_doubt() -> None:
    membership = node(claim("c"), claim("c", DEAD))
    membership.tick(0.2)
    hear(membership, claim("c", spoken=2), peer="c", now=0.3)
    for tick in range(2, 30):
        membership.tick(tick * 0.2)
        for send in sent(membership):
            if isinstance(send.message, Ping) and send.message.sequence:
                membership.step(send.peer, Pong(send.message.sequence, ()), tick * 0.2)
    assert state_of(membership, "c") == "alive"


def test_the_dead_are_no_news_to_those_who_never_knew_them() -> None:
    membership = node(claim("c", DEAD), claim("d", LEFT))
    assert [view.name for view in membership.members()] == ["b", "me"]


def test_a_member_brings_its_address_and_metadata() -> None:
    membership = node(claim("c", meta={"zone": "b"}))
    assert next(view.meta for view in membership.members() if view.name == "c") == {"zone": "b"}
    hear(membership, claim("c", spoken=2, address="elsewhere:9"))
    assert membership.address_of("c") == "elsewhere:9"
    assert membership.address_of("me") == "me:1"
    assert membership.address_of("nobody") is None


def test_a_handshake_says_less_than_a_members_word() -> None:
    membership = node(claim("c", opening=2, address="real:1", meta={"zone": "b"}))
    membership.met("c", "handshake:1", 2, 0.0)
    assert membership.address_of("c") == "real:1"
    membership.met("c", "handshake:2", 3, 0.0)
    assert membership.address_of("c") == "handshake:2"
    membership.met("c", "handshake:3", 1, 0.0)
    assert membership.address_of("c") == "handshake:2"


# ---- what is said of oneself


@pytest.mark.parametrize("state", [SUSPECT, DEAD, LEFT])
@pytest.mark.parametrize("ahead", [0, 1, 1000])
def test_claims_against_oneself_are_refuted_at_once(state: int, ahead: int) -> None:
    against = claim("me", state, opening=3, spoken=1 + ahead, meta={"zone": "a"})
    membership = node()
    answer = own(membership, hear(membership, against))
    assert (answer.state, answer.incarnation) == (ALIVE, against.incarnation + 1)
    assert state_of(membership, "me") == "alive"


def test_old_claims_against_oneself_are_answered_not_refuted() -> None:
    membership = node()
    before = own(membership, hear(membership))
    answer = own(membership, hear(membership, claim("me", DEAD, opening=2, spoken=500)))
    assert answer == before
    assert membership.status()["suspicions_refuted"] == 0


def test_a_node_that_left_stays_so() -> None:
    membership = node(claim("c"))
    membership.leave(0.0)
    assert {send.peer for send in sent(membership)} == {"b", "c"}
    hear(membership, claim("me", SUSPECT, opening=3, meta={"zone": "a"}))
    membership.set_address("other:1")
    assert state_of(membership, "me") == "left"


def test_a_new_address_is_told() -> None:
    membership = node()
    before = own(membership, hear(membership))
    membership.set_address("new:1")
    after = own(membership, hear(membership))
    assert after.address == "new:1"
    assert after.incarnation > before.incarnation


def test_another_node_under_ones_name_is_a_conflict_once_it_persists() -> None:
    membership = node()
    for spoken in (5, 10, 15, 20, 25):
        hear(membership, claim("me", opening=3, spoken=spoken, address="rival:1"))
    conflicts = [event for event in membership.take_events() if event.kind == "conflict"]
    assert conflicts == [Event("conflict", "me", "rival:1", 3)]


def test_ones_former_self_is_no_conflict() -> None:
    membership = node()
    hear(membership, claim("me", LEFT, opening=3, spoken=4, address="before:1"))
    hear(membership, claim("me", LEFT, opening=3, spoken=4, address="before:1"))
    assert "conflict" not in [event.kind for event in membership.take_events()]
    assert state_of(membership, "me") == "alive"


# ---- what is refused


@pytest.mark.parametrize(
    "bad",
    [
        claim("c", 4),
        claim("c", 255),
        claim("c")._replace(incarnation=2**63),
        claim("c")._replace(incarnation=INCARNATION_MAX),
        claim("me", DEAD)._replace(incarnation=2**63),
        claim(""),
        claim("n" * 45),
        claim("é" * 23),
        claim("c", SUSPECT, by="n" * 45),
        claim("c", address="a" * 257),
        claim("c", meta={"k": "v" * 512}),
        claim("c", meta={str(number): "" for number in range(65)}),
    ],
    ids=lambda bad: str(bad)[:60],
)
def test_what_can_be_no_members_word_is_refused(bad: Claim) -> None:
    membership = node()
    hear(membership, bad)
    assert [view.name for view in membership.members()] == ["b", "me"]
    assert membership.status()["claims_refused"] == 1
    assert state_of(membership, "me") == "alive"


def test_the_highest_incarnation_there_is_does_no_harm() -> None:
    membership = node()
    for _ in range(3):
        hear(membership, claim("me", DEAD)._replace(incarnation=INCARNATION_MAX - 1))
    assert state_of(membership, "me") == "alive"
    membership.met("c", "c:1", 2**60, 0.0)
    membership.met("c", "c:1", -1, 0.0)
    assert membership.status()["claims_refused"] == 2


def test_members_are_limited_and_the_gone_make_room() -> None:
    membership = node(*(claim(f"m{number}") for number in range(10)), members_max=5)
    assert len(membership.members()) == 5
    assert membership.status()["claims_refused"] == 7
    hear(membership, claim("m1", LEFT))
    hear(membership, claim("late"))
    assert [view.name for view in membership.members()] == ["b", "late", "m0", "m2", "me"]


def test_a_message_that_makes_the_owed_forgotten_is_survived() -> None:
    membership = node(claim("m0", spoken=5), claim("m1"), members_max=4)
    hear(membership, claim("m0", LEFT, spoken=6))
    hear(membership, claim("m0"), claim("m2"), claim("m3"))
    assert len(membership.members()) == 4


def test_the_gone_are_forgotten_after_a_while() -> None:
    membership = node(claim("c"), claim("d"), dead_kept=100.0)
    hear(membership, claim("c", LEFT), now=1.0)
    for tick in range(1, 1100):
        membership.tick(tick / 10)
        hear(membership, claim("d", spoken=tick), peer="d", now=tick / 10)
    assert state_of(membership, "c") is None
    assert state_of(membership, "d") is not None


@pytest.mark.parametrize(
    "bad", [b"", b"\xc1", b"\x01", b"\x91\x01", b"\x91\x93\x01\x02\x03", b"\x91\x93\xa1c\x01\xa1d"]
)
def test_a_damaged_note_is_only_a_lost_hint(bad: bytes) -> None:
    membership = Membership("me", "me:1", 3, Config(), Random(1), {}, bad)
    assert len(membership.members()) == 1
    assert membership.status()["claims_refused"] == 1


def test_what_a_node_says_of_itself_is_checked_when_it_is_made() -> None:
    for name, address, incarnation, meta in [
        ("", "a:1", 1, {}),
        ("a", "a" * 257, 1, {}),
        ("a", "a:1", -1, {}),
        ("a", "a:1", 2**42, {}),
        ("a", "a:1", 1, {"k": "v" * 512}),
    ]:
        with pytest.raises(ValueError):
            Membership(name, address, incarnation, Config(), Random(1), meta)


# ---- what is remembered


def test_what_is_remembered_is_all_that_have_not_left() -> None:
    membership = node(claim("c", SUSPECT, opening=7), claim("d"), claim("d", LEFT))
    later = Membership("me", "me:1", 4, Config(), Random(1), {}, membership.remembered())
    assert [(v.name, v.address, v.state, v.incarnation) for v in later.members()] == [
        ("b", "b:1", "alive", 1),
        ("c", "c:1", "alive", 7),
        ("me", "me:1", "alive", 4),
    ]
    later.tick(1.0)
    assert later.ready().persist == ()


def test_a_change_is_to_be_noted_once_and_not_too_often() -> None:
    membership = node()
    membership.tick(5.0)
    membership.ready()
    membership.step("b", Ping(0, (claim("c"),)), 7.0)
    notes = membership.ready().persist
    assert [(note.key, note.data) for note in notes] == [(NOTE_KEY, membership.remembered())]
    membership.step("b", Ping(0, (claim("d"),)), 7.1)
    membership.step("b", Ping(0, (claim("e"),)), 7.2)
    assert membership.ready().persist == ()
    membership.tick(8.1)
    assert len(membership.ready().persist) == 1
    membership.tick(12.0)
    assert membership.ready().persist == ()


def test_only_the_dead_can_be_forgotten() -> None:
    membership = node(claim("c"), claim("c", SUSPECT))
    for name, reason in [("c", "suspect"), ("me", "not a member"), ("nobody", "not a member")]:
        with pytest.raises(ValueError, match=reason):
            membership.forget(name, 0.0)
    for tick in range(1, 300):
        membership.tick(tick * 0.2)
    membership.forget("c", 61.0)
    assert state_of(membership, "c") == "left"


# ---- probes for others


def test_a_probe_for_another_ends_in_its_answer_or_in_word_that_there_is_none() -> None:
    membership = node(claim("c"))
    membership.step("b", PingRequest(70, "c", ()), 0.0)
    (ping,) = [send.message for send in sent(membership) if send.peer == "c"]
    assert isinstance(ping, Ping)
    membership.step("d", Pong(ping.sequence, ()), 0.1)  # not the one who was asked
    assert not [send for send in sent(membership) if isinstance(send.message, Pong)]
    membership.step("c", Pong(ping.sequence, ()), 0.1)
    assert [(s.peer, s.message.sequence) for s in sent(membership) if isinstance(s.message, Pong)] == [("b", 70)]
    membership.step("b", PingRequest(71, "c", ()), 0.2)
    membership.tick(0.65)
    assert Send("b", NoPong(71)) in sent(membership)
    membership.step("b", PingRequest(72, "nobody", ()), 0.7)
    assert sent(membership) == [Send("b", NoPong(72))]


def test_probes_for_others_are_limited() -> None:
    membership = node(claim("c"))
    for sequence in range(3000):
        membership.step("b", PingRequest(sequence, "c", ()), 0.0)
    assert len(sent(membership)) == 1024
    assert membership.status()["errands_refused"] == 3000 - 1024


def test_a_lost_link_is_a_hint_whom_to_probe_next() -> None:
    names = [f"m{number}" for number in range(20)]
    for lost in names[5:15]:
        membership = node(*(claim(name) for name in names))
        membership.lost(lost, 0.0)
        membership.lost("nobody", 0.0)
        assert state_of(membership, lost) == "alive"
        probed: list[str] = []
        for tick in range(1, 6):
            membership.tick(tick * 0.2)
            probed += [s.peer for s in sent(membership) if isinstance(s.message, Ping) and s.message.sequence]
        assert probed == [lost]


def test_everything_is_told_to_whom_one_meets() -> None:
    membership = node(claim("c"))
    membership.met("d", "d:1", 1, 0.0)
    (send,) = [send for send in sent(membership) if send.peer == "d"]
    assert isinstance(send.message, Members)
    assert sorted(c.name for c in send.message.claims) == ["b", "c", "d", "me"]
    assert send.message.reply


def test_an_answer_is_not_answered() -> None:
    membership = node(claim("c"))
    for reply in (False, True):
        membership.step("b", Members(reply, (claim("c"),)), 0.0)
        answers = [send.message for send in sent(membership) if isinstance(send.message, Members)]
        assert [answer.reply for answer in answers] == [False] * reply


# ---- passing on


def test_the_least_sent_goes_first_and_nothing_goes_for_ever() -> None:
    queue = ClaimQueue(4)
    for number in range(30):
        queue.put(claim(f"m{number}"))
    seen: dict[str, int] = {}
    for _ in range(1000):
        taken = queue.take(200, members=50, without=("m3",))
        for each in taken:
            seen[each.name] = seen.get(each.name, 0) + 1
            assert seen[each.name] <= min((seen.get(f"m{n}", 0) for n in range(30) if n != 3), default=0) + 1
    assert seen == {f"m{number}": 8 for number in range(30) if number != 3}
    assert len(queue) == 1


def test_a_newer_claim_takes_the_place_of_the_older() -> None:
    queue = ClaimQueue(4)
    queue.put(claim("c"))
    queue.take(200, 50, ())
    queue.put(claim("c", SUSPECT))
    assert queue.take(200, 50, ()) == [claim("c", SUSPECT)]
    queue.drop("c")
    assert queue.take(200, 50, ()) == []
    assert len(queue) == 0


def test_the_list_of_members_is_made_anew_only_when_it_changed() -> None:
    membership = node(claim("c"))
    first = membership.members()
    hear(membership, claim("c"))
    membership.tick(0.1)
    assert membership.members() is first
    for change in (claim("c", SUSPECT), claim("me", SUSPECT, opening=3), claim("d")):
        before = membership.members()
        hear(membership, change, now=0.1)
        assert membership.members() is not before or change.name == "me"
    membership.set_address("new:1")
    assert next(view.address for view in membership.members() if view.name == "me") == "new:1"
