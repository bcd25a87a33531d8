from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.nodes import Nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    """Three voters on loopback."""
    cluster = Nodes(tmp_path, bootstrap=["n0", "n1", "n2"], election_timeout=0.5)
    yield cluster
    cluster.close()


@pytest.fixture
def five_nodes(tmp_path: Path) -> Iterator[Nodes]:
    """Five nodes, of which the first three vote."""
    cluster = Nodes(tmp_path, 5, bootstrap=["n0", "n1", "n2"], election_timeout=0.3)
    yield cluster
    cluster.close()
