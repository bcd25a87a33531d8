"""The pytest plugin: a simulated cluster for a test of one's own schema.

    @pytest.mark.cluster(AgentState, "abc", seeds=20)
    def test_a_healed_minority_learns_what_it_missed(cluster):
        cluster.partition("ab|c")
        cluster["a"].update_state("agent-1", lambda s: s.likes.increment(2), "eventually_consistent")
        cluster["c"].update_state("agent-1", lambda s: s.likes.increment(1), "eventually_consistent")
        cluster.heal()
        cluster.run_until_quiet()
        assert cluster.values("agent-1", lambda s: s.likes.value) == [3, 3, 3]

The marker takes what `Cluster` takes. `seed=` runs the test once, `seeds=n` once for each of the
seeds 0 to n-1, or `seeds=[...]` for these; `--cluster-seed=k` runs every such test with seed k alone.
A failing test's report shows its seed and the last events.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from replication.simulation.cluster import Cluster
from replication.simulation.world import Trace

_TRACE = pytest.StashKey[Trace]()
_SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("nexus-state")
    group.addoption("--cluster-seed", type=int, default=None, help="run tests of simulated clusters with this seed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "cluster(schema, names='abc', seed=0, seeds=None, **options): the simulated cluster of a test"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each seed."""
    if "cluster" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("cluster")
    options = marker.kwargs if marker else {}
    seeds = options.get("seeds", [options.get("seed", 0)])
    chosen = metafunc.config.getoption("--cluster-seed", None)
    if chosen is not None:
        seeds = [chosen]
    elif isinstance(seeds, int):
        seeds = range(seeds)
    metafunc.parametrize("cluster", seeds, indirect=True, ids=[f"seed {seed}" for seed in seeds])


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Nodes in a simulated world, as the test's `cluster` marker asks for them."""
    marker = request.node.get_closest_marker("cluster")
    if marker is None or not marker.args:
        raise pytest.UsageError(
            f"{request.node.nodeid} uses the fixture `cluster`: say of what, for example "
            '@pytest.mark.cluster(AgentState, "abc")'
        )
    options = {name: value for name, value in marker.kwargs.items() if name not in ("seed", "seeds")}
    seed: int = request.param
    trace = request.node.stash[_TRACE] = Trace()
    request.node.stash[_SEED] = seed
    cluster = Cluster(*marker.args, seed=seed, trace=trace, **options)
    yield cluster
    cluster.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    report = yield
    trace = item.stash.get(_TRACE, None)
    if trace is not None and report.failed:
        words = [f"--cluster-seed={item.stash[_SEED]} runs it again. The last of {trace.lines} events:", *trace.last]
        report.sections.append(("Simulated cluster", "\n".join(words)))
    return report
