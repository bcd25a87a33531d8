"""Laws of membership: what is heard in any order is held alike, nothing old comes back, nothing hostile
breaks it, and after any faults everybody finds everybody again."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from replication.config import Config
from replication.core import Send
from replication.gossip.claims import ALIVE, DEAD, INCARNATION_MAX, LEFT, SUSPECT, first_incarnation, rank
from replication.gossip.membership import Membership
from replication.messages import Claim, Members, Message, NoPong, Ping, PingRequest, Pong, encode
from tests.gossip.members_world import World

NAMES = ("b", "c", "d")


def word(name: str, state: int, opening: int, spoken: int) -> Claim:
    """What holds at one incarnation is the member's own word: one address, one metadata."""
    incarnation = first_incarnation(opening) + spoken
    return Claim(name, f"{name}:{incarnation}", state, incarnation, {"at": str(incarnation)}, "x" if state else "")


words = st.builds(
    word,
    st.sampled_from(NAMES),
    st.sampled_from([ALIVE, SUSPECT, DEAD, LEFT]),
    st.integers(1, 3),
    st.integers(0, 3),
)


def node() -> Membership:
    membership = Membership("me", "me:1", 2, Config(), Random(1), {"zone": "a"})
    for name in NAMES:
        membership.met(name, "", 0, 0.0)
    return membership


def known(membership: Membership) -> dict[str, tuple[int, int, str]]:
    """The weightiest that was heard of each: held, or to be held unless the member speaks up."""
    roster: Any = membership._roster
    claims = {name: roster.get(name) for name in NAMES}
    for name, doubt in roster.doubts.items():
        claims[name] = max(claims[name], doubt.claim, key=rank)
    return {name: (*rank(claim), claim.address) for name, claim in claims.items()}


@given(claims=st.lists(words, max_size=12), data=st.data())
def test_what_is_known_does_not_depend_on_the_order(claims: list[Claim], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(claims + claims[:4]))
    one, other = node(), node()
    one.step("x", Ping(1, tuple(claims)), 0.0)
    for claim in shuffled:
        other.step("x", Members(False, (claim,)), 0.0)
    assert known(one) == known(other)


@given(claims=st.lists(words, min_size=1, max_size=20))
def test_what_is_known_never_becomes_older(claims: list[Claim]) -> None:
    membership = node()
    for claim in claims:
        before = known(membership)
        membership.step("x", Pong(1, (claim,)), 0.0)
        after = known(membership)
        assert all(after[name] >= before[name] for name in NAMES)
        assert after[claim.name][:2] == max(before[claim.name][:2], rank(claim))


@given(claims=st.lists(words.map(lambda claim: claim._replace(name="me")), max_size=20))
def test_a_living_node_outweighs_all_that_is_said_of_it(claims: list[Claim]) -> None:
    membership = node()
    membership.step("x", Ping(1, tuple(claims)), 0.0)
    own = membership._roster.own
    assert own.state == ALIVE
    assert all(rank(own) > rank(claim) for claim in claims if claim.address != own.address)


numbers = st.one_of(st.integers(0, 5), st.integers(0, 2**64 - 1), st.sampled_from([2**63, INCARNATION_MAX - 1]))
texts = st.one_of(st.sampled_from(["me", "b", "c", ""]), st.text(max_size=60))
hostile_claims = st.lists(
    st.builds(Claim, texts, texts, numbers, numbers, st.dictionaries(texts, texts, max_size=4), texts), max_size=6
).map(tuple)
hostile_messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Ping, numbers, hostile_claims),
    st.builds(Pong, numbers, hostile_claims),
    st.builds(PingRequest, numbers, texts, hostile_claims),
    st.builds(NoPong, numbers),
    st.builds(Members, st.booleans(), hostile_claims),
)


@given(messages=st.lists(st.tuples(st.sampled_from(["b", "c", "z"]), hostile_messages), max_size=25))
def test_no_message_breaks_it(messages: list[tuple[str, Message]]) -> None:
    membership = Membership("me", "me:1", 2, Config(members_max=8), Random(1), {"zone": "a"})
    membership.met("b", "b:1", 1, 0.0)
    for number, (peer, message) in enumerate(messages):
        membership.step(peer, message, number * 0.3)
        membership.tick(number * 0.3)
        ready = membership.ready()
        for send in ready.send:
            assert isinstance(send, Send)
            assert len(encode(send.message)) < (8 * 1100 if isinstance(send.message, Members) else 1400)
        for note in ready.persist:
            Membership("me", "me:1", 3, Config(), Random(1), {}, note.data)
    views = {view.name: view for view in membership.members()}
    assert views["me"].state == "alive"
    assert len(views) <= 8
    assert membership.status()["claims_queued"] <= 8


FAULTS = st.lists(
    st.tuples(st.sampled_from(["crash", "restart", "sleep", "part", "one way", "heal", "leave"]), st.integers(0, 99)),
    max_size=8,
)


@given(seed=st.integers(0, 10**6), faults=FAULTS)
def test_after_any_faults_everybody_finds_everybody(seed: int, faults: list[tuple[str, int]]) -> None:
    world = World(seed, loss=0.1, doubling=0.1)
    names = world.start(5)
    world.run(3)
    for fault, number in faults:
        inflict(world, names, fault, number)
        world.run(1 + number % 13)
    world.heal()
    world.loss = 0.0
    for name in names:
        if not world.hosts[name].up or world.views()[name].get(name) == "left":
            world.restart(name)
    world.run_until(world.all_alive, within=60)
    assert not world.events("conflict")


def inflict(world: World, names: list[str], fault: str, number: int) -> None:
    name = names[number % len(names)]
    match fault:
        case "crash":
            world.crash(name)
        case "restart":
            world.restart(name)
        case "sleep":
            world.sleep(name, number % 20)
        case "part":
            world.partition(names[: number % 5], names[number % 5 :])
        case "one way":
            world.cut = lambda source, target: target == name
        case "leave":
            world.hosts[name].membership.leave(world.now)
        case "heal":
            world.heal()
