"""The end of a node: closed, forgotten, forked, or the end of the program."""

import json
import subprocess
import sys
import warnings

import pytest

import replication
from tests.replication.agents import bump, count


def run(program, *arguments, root):
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_after_close_every_call_says_so(open_node):
    node = open_node()
    node.update_state("a", bump)
    node.close()
    node.close()
    for call in (
        lambda: node.update_state("a", bump),
        lambda: node.read_state("a"),
        lambda: node.watch(),
        node.agents,
        node.members,
        node.status,
        node.flush,
    ):
        with pytest.raises(replication.Closed, match=r"open it again with replication\.open"):
            call()
    assert "closed" in repr(node)


def test_status_is_plain_data(node):
    node.update_state("a", bump, durable=True)
    with node.watch():
        status = json.loads(json.dumps(node.status()))
    assert status["open"] and status["updates"] == 1 and status["updates_per_second"] > 0
    assert status["agents_stored"] == status["agents_in_memory"] == 1
    assert status["agents_dirty"] == 0 and status["watches"] == 1
    assert status["bytes_on_disk"] > 0 and status["last_error"] is None
    assert status["flush"]["rounds"] == 1 and status["flush"]["last_seconds"] > 0


@pytest.mark.no_sanitizer
def test_the_end_of_the_program_closes_what_is_open(path, root, open_node):
    program = """
import sys, replication
from tests.replication.agents import AgentState, bump
node = replication.open(sys.argv[1], schema=AgentState, flush_interval=100.0)
node.update_state("a", bump)
"""
    run(program, path, root=root)
    node = open_node()
    assert count(node, "a") == 1 and "~1." in node.status()["writer"]


@pytest.mark.no_sanitizer
def test_a_forked_child_is_refused_and_harms_nothing(path, root, open_node):
    program = """
import os, sys, threading, replication
from tests.replication.agents import AgentState, bump, count
node = replication.open(sys.argv[1], schema=AgentState)
node.update_state("a", bump, durable=True)
child = os.fork()
if child == 0:
    for call in (lambda: node.update_state("a", bump), lambda: node.read_state("a"), node.flush):
        try:
            call()
            print("served", flush=True)
        except replication.Closed as error:
            print(error, flush=True)
    node.close()
    for directory in sys.argv[2], sys.argv[1]:  # of its own, and beside its parent
        with replication.open(directory, schema=AgentState) as own:
            own.update_state("b", bump, durable=True)
            print("own", count(own, "b"), flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
for _ in range(50):
    node.update_state("a", bump, durable=True)
node.close()
"""
    lines = run(program, path, path.parent / "other", root=root)
    *refused, own, beside = lines
    assert len(refused) == 3 and all("fork" in line and "after forking" in line for line in refused)
    assert own == beside == "own 1"
    node = open_node()
    assert count(node, "a") == 51 and count(node, "b") == 1 and "~1." in node.status()["writer"]


@pytest.mark.no_sanitizer
def test_importing_is_cheap(root):
    """The limit is 100 ms; what would break it is a heavy import, so those are named."""
    program = "import sys, crdt, replication; print(*sorted(sys.modules))"
    (loaded,) = run(program, root=root)
    for heavy in ("asyncio", "ssl", "sqlite3", "msgpack", "concurrent.futures", "multiprocessing", "unittest"):
        assert heavy not in loaded.split(), f"importing replication imports {heavy}"


@pytest.mark.no_sanitizer
@pytest.mark.parametrize("network", ["", "listen='127.0.0.1:0', peers=['127.0.0.1:9']"])
def test_opening_imports_only_what_the_node_needs(path, root, network):
    """A fresh process spends nearly all of its time up to its first durable update on imports."""
    program = f"""
import sys, replication
from tests.replication.agents import AgentState, bump
with replication.open(sys.argv[1], schema=AgentState, {network}) as node:
    node.update_state("a", bump, consistency="crdt_enhanced", durable=True)
    print(*sorted(sys.modules))
"""
    (loaded,) = run(program, path, root=root)
    for needless in (
        *("argparse", "cryptography", "dataclasses", "encodings.idna", "multiprocessing", "unittest"),
        *("replication.certificates", "replication.cli", "replication.demo", "replication.replay"),
        *("replication.simulation", "replication.transport.memory"),
    ):
        assert needless not in loaded.split(), f"opening a node imports {needless}"


@pytest.mark.no_sanitizer
def test_nothing_is_left_open(path, root):
    program = """
import gc, os, sys, warnings, replication
warnings.simplefilter("error")
from tests.replication.agents import AgentState, bump
def files():
    return len(os.listdir("/proc/self/fd"))
import threading
replication.open(sys.argv[1], schema=AgentState).close()
before, threads = files(), threading.active_count()
for _ in range(10):
    with replication.open(sys.argv[1], schema=AgentState) as node:
        node.update_state("a", bump, durable=True)
        with node.watch() as watch:
            pass
del node, watch
gc.collect()
print(files() - before, threading.active_count() - threads)
"""
    assert run(program, path, root=root) == ["0 0"]
    assert warnings.filters


def test_a_listing_that_outlives_the_node(open_node):
    node = open_node()
    for k in range(5):
        node.update_state(f"agent-{k}", bump, durable=True)
    listing = node.agents()
    assert next(listing).startswith("agent-")
    node.close()
    with pytest.raises(replication.Closed):
        list(node._storage.agents())
