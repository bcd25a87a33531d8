"""A node that is a group by itself looked into its log only when it was next asked for a strong update."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import replication
from tests.replication.agents import AgentState, count

_PROGRAM = """
import os, signal, sys
import replication
from tests.replication.agents import AgentState, bump

node = replication.open(sys.argv[1], schema=AgentState)
for _ in range(20):
    node.update_state("a", bump, "replicated")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.no_sanitizer
def test_it_is_there_when_the_node_is_open(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", _PROGRAM, str(tmp_path)], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    with replication.open(tmp_path, schema=AgentState) as node:
        assert count(node, "a") == 20
