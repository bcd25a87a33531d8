"""The fixture `cluster`, in a test session of its own as a user has it."""

import pytest

pytest_plugins = ["pytester"]

USERS_TEST = """
import pytest
from crdt import Composite, GCounter

class Votes(Composite):
    likes: GCounter

@pytest.mark.cluster(Votes, "abc", seeds=3)
def test_a_healed_minority_learns_what_it_missed(cluster):
    cluster.partition("ab|c")
    cluster["a"].update_state("post", lambda s: s.likes.increment(2), "eventually_consistent")
    cluster["c"].update_state("post", lambda s: s.likes.increment(1), "eventually_consistent")
    cluster.heal()
    cluster.run_until_quiet()
    assert cluster.values("post", lambda s: s.likes.value) == [3, 3, 3]

@pytest.mark.cluster(Votes, ["north", "south"], seed=9)
def test_that_fails(cluster):
    cluster.crash("north", silent=True)
    assert cluster.names == []

def test_without_a_schema(cluster):
    pass
"""


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    pytester.makepyfile(USERS_TEST)
    # By its module, so that it is tested whether or not the distribution is installed.
    return pytester.runpytest_subprocess("-p", "no:nexus_state", "-p", "replication.simulation.plugin", *options)


def test_each_seed_is_a_test_and_a_failure_shows_its_seed(pytester: pytest.Pytester) -> None:
    result = run(pytester)
    result.assert_outcomes(passed=3, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*--cluster-seed=9 runs it again*", "*crash north silently*"])
    result.stdout.fnmatch_lines(["*say of what, for example @pytest.mark.cluster(AgentState*"])


def test_one_seed_can_be_chosen(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--cluster-seed=2", "-v", "-k", "healed")
    result.assert_outcomes(passed=1, deselected=2)
    result.stdout.fnmatch_lines(["*healed_minority*seed 2*"])
