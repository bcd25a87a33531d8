"""Other processes that open the same directory, told what to do over a pipe."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import replication
from tests.siblings.worker import State

PROGRAM = """
import json, sys
import replication
from tests.siblings.worker import State, count, mark
path, arguments = sys.argv[1], json.loads(sys.argv[2])
try:
    node = replication.open(path, schema=State, **arguments)
except replication.ReplicationError as error:
    print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)
    sys.exit()
print(json.dumps(node.name), flush=True)
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
node.close()
"""


class Other:
    """Another process with a node; `said` is its name, or the error that it could not be opened with."""

    def __init__(self, root: Path, path: Path, arguments: dict[str, Any]) -> None:
        import json

        self._json = json
        command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(path), json.dumps(arguments)]
        self._process = subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.said = self._hear()

    def __call__(self, expression: str) -> Any:
        """What the expression comes to over there; `node`, `mark` and `count` have their names."""
        assert self._process.stdin is not None
        self._process.stdin.write(expression + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        return self._json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self.wait()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.wait()

    def wait(self) -> None:
        self._process.wait(30)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def other(root: Path, path: Path) -> Iterator[Callable[..., Other]]:
    """`other(**arguments)`: one more process with a node on `path`."""
    others: list[Other] = []

    def start(where: Path | None = None, **arguments: Any) -> Other:
        others.append(Other(root, where or path, arguments))
        return others[-1]

    yield start
    for each in others:
        each.kill()


@pytest.fixture
def open_node(path: Path) -> Iterator[Callable[..., replication.Node]]:
    """`open_node(**arguments)`: a node of this process on `path`."""
    nodes: list[replication.Node] = []

    def start(where: Path | None = None, **arguments: Any) -> replication.Node:
        nodes.append(replication.open(where or path, schema=State, **arguments))
        return nodes[-1]

    yield start
    for node in nodes:
        node.close()
