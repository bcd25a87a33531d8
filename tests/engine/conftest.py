"""The engine's sequence, compiled once."""

from __future__ import annotations

import pytest

from tests.engine.sequence_harness import build, load


@pytest.fixture(scope="session")
def lib(tmp_path_factory: pytest.TempPathFactory):
    return load(build(tmp_path_factory.mktemp("engine"), ["-O2"]))
