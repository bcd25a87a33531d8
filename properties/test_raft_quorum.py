"""The arithmetic of majorities against their definition, for every group of up to seven, joint or not."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from replication.raft.configuration import Configuration
from replication.raft.log import DATA, Entry, Log
from replication.raft.quorum import outcome, reached

NAMES = tuple("abcdefg")
STRANGERS = ("x", "y")


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    voters = draw(st.sets(st.sampled_from(NAMES), min_size=1, max_size=7))
    outgoing = draw(st.sets(st.sampled_from(NAMES), max_size=7))
    learners = draw(st.sets(st.sampled_from(STRANGERS)))
    return Configuration(tuple(sorted(voters)), tuple(sorted(outgoing)), tuple(sorted(learners)))


def majorities(voters: tuple[str, ...]) -> list[set[str]]:
    return [
        set(some) for size in range(len(voters) + 1) for some in combinations(voters, size) if 2 * size > len(voters)
    ]


def quorums(configuration: Configuration) -> list[set[str]]:
    """All sets that decide: a majority of the voters, and one of the outgoing if there are any."""
    if not configuration.outgoing:
        return majorities(configuration.voters)
    return [one | other for one in majorities(configuration.voters) for other in majorities(configuration.outgoing)]


def small() -> st.SearchStrategy[Configuration]:
    """Of up to five voters: all pairs of their quorums are looked at."""
    voters = st.sets(st.sampled_from(NAMES), min_size=1, max_size=5)
    return voters.map(lambda names: Configuration(tuple(sorted(names))))


def decides(configuration: Configuration, names: set[str]) -> bool:
    """The definition: more than half of the voters, and of the outgoing if there are any."""
    halves = [half for half in (configuration.voters, configuration.outgoing) if half]
    return all(2 * len(names & set(half)) > len(half) for half in halves)


@settings(max_examples=500)
@given(configurations(), st.data())
def test_what_a_quorum_has_reached(configuration: Configuration, data: st.DataObject) -> None:
    match = data.draw(st.fixed_dictionaries(dict.fromkeys((*NAMES, *STRANGERS), st.integers(0, 4))))
    held = [value for value in range(5) if decides(configuration, {name for name in match if match[name] >= value})]
    assert reached(configuration, match.__getitem__) == max(held)


@settings(max_examples=500)
@given(configurations(), st.data())
def test_who_is_elected(configuration: Configuration, data: st.DataObject) -> None:
    votes = data.draw(st.dictionaries(st.sampled_from((*NAMES, *STRANGERS)), st.booleans()))
    granted = {name for name, vote in votes.items() if vote}
    possible = {*NAMES} - {name for name, vote in votes.items() if not vote}
    if decides(configuration, granted):
        assert outcome(configuration, votes) is True
    elif not decides(configuration, possible):
        assert outcome(configuration, votes) is False
    else:
        assert outcome(configuration, votes) is None


@given(small(), small())
def test_two_majorities_meet_on_the_way_from_one_group_to_another(old: Configuration, new: Configuration) -> None:
    """Old and joint, joint and new, and either with itself: never two that could decide without each other."""
    joint = old.entering(new.voters, ())
    for one, other in ((old, joint), (joint, joint), (joint, joint.leaving()), (old, old)):
        assert all(a & b for a in quorums(one) for b in quorums(other))


@given(st.lists(st.integers(1, 5), max_size=12), st.lists(st.integers(1, 5), max_size=12), st.integers(0, 12))
def test_a_hint_passes_over_nothing_that_is_the_same(mine: list[int], theirs: list[int], previous: int) -> None:
    """Where two logs part, a refusal and its hint lead the leader to no later than that, and to something earlier."""
    mine, theirs = sorted(mine), sorted(theirs)
    previous = min(previous, len(theirs))
    leader, follower = (Log(0, 0, [Entry(term, DATA, b"") for term in terms]) for terms in (theirs, mine))
    if follower.term(previous) == leader.term(previous):
        return
    hint = follower.last_of_term(min(previous, follower.last), leader.term(previous))
    found = leader.last_of_term(hint, max(follower.term(hint), 0))
    assert found < previous
    # Of all indexes up to `previous`, none above what was found can be of one term in both logs.
    same = [index for index in range(previous + 1) if follower.term(index) == leader.term(index)]
    assert max(same) <= found
