from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.nodes import Nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    cluster = Nodes(tmp_path)
    yield cluster
    cluster.close()
