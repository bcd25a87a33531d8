"""The power goes: what was synced is there, of the rest any part, in any order, torn anywhere.

A run is recorded write by write. For many moments of it the disk is rebuilt as a power cut could leave
it, and opened: every update that was acknowledged before that moment must be there.
"""

import os
import random
import shutil
import struct
import subprocess
import sys

import pytest

import replication
from tests.replication.agents import AgentState, bump, count
from tests.replication.shim import WATCHED_DISK, build

CUTS = 60
SECTOR = 512

# The file `acks` is watched as well: the log then tells which calls had returned at any moment.
PROGRAM = """
import os, sys, replication
from tests.replication.agents import AgentState, bump
path = sys.argv[1]
acks = os.open(path + "/acks", os.O_RDWR | os.O_CREAT)
limits = {"flush_interval": 0.0, "checkpoint_bytes": 60_000, "compaction_bytes_min": 64}
node = replication.open(path, schema=AgentState, durability=sys.argv[2], **limits)
for i in range(150):
    node.update_state(f"agent-{i % 7}", lambda s: (bump(s), s.config.update({"key": "v" * (i % 50)})))
    if i % 2:
        node.update_state("acked", bump, durable=True)
        os.pwrite(acks, b"!", i)
os._exit(0)
"""


def records(log):
    """Kind, file name, offset and data of every call, in order."""
    head = struct.Struct("=4q")
    at = 0
    while at < len(log):
        kind, name_length, offset, size = head.unpack_from(log, at)
        at += head.size
        name = os.path.basename(log[at : at + name_length].decode())
        at += name_length
        yield chr(kind), name, offset, log[at : at + size]
        at += size


def apply(data, kind, offset, new):
    if kind == "t":
        del data[offset:]
    data.extend(bytes(max(0, offset + len(new) - len(data))))
    data[offset : offset + len(new)] = new


def after_the_cut(base, log, moment, rng):
    """The files as a power cut at this moment may leave them, and the acknowledgements given until then."""
    disk = {name: bytearray(data) for name, data in base.items()}
    floating: dict[str, list] = {}
    acks = 0
    for kind, name, offset, data in log[:moment]:
        if name == "acks":
            acks += kind == "w"
        elif kind == "s":
            for call in floating.pop(name, []):
                apply(disk.setdefault(name, bytearray()), *call)
        else:
            floating.setdefault(name, []).append((kind, offset, data))
    for name, calls in floating.items():
        for kind, offset, data in rng.sample(calls, rng.randrange(len(calls) + 1)):
            if kind == "w" and rng.random() < 0.3:
                data = data[: rng.randrange(0, len(data) + 1, SECTOR)]
            apply(disk.setdefault(name, bytearray()), kind, offset, data)
    return disk, acks


@pytest.fixture
def acknowledged_and_found(tmp_path, root):
    """For many power cuts: how many updates had been acknowledged, and how many the store then held."""

    def cut(durability):
        library = build(tmp_path, WATCHED_DISK)
        path = tmp_path / "store"
        with replication.open(path, schema=AgentState) as node:
            node.update_state("acked", bump)
        base = {file.name: file.read_bytes() for file in path.iterdir()}
        watched = {"LD_PRELOAD": str(library), "DISK_WATCHED": str(path), "DISK_LOG": str(tmp_path / "log")}
        command = [sys.executable, "-c", PROGRAM, str(path), durability]
        subprocess.run(command, cwd=root, env={**os.environ, **watched}, check=True, timeout=120)
        log = list(records((tmp_path / "log").read_bytes()))
        assert sum(name == "acks" for _, name, _, _ in log) == 75
        assert {"store.db", "store.db-wal"} <= {name for kind, name, _, _ in log if kind == "s"}
        rng = random.Random(17)
        for _ in range(CUTS):
            disk, acks = after_the_cut(base, log, rng.randrange(len(log) + 1), rng)
            shutil.rmtree(path)
            path.mkdir()
            for name, data in disk.items():
                (path / name).write_bytes(data)
            with replication.open(path, schema=AgentState) as node:
                for agent_id in node.agents():
                    node.read_state(agent_id).check_invariants()
                yield acks, count(node, "acked") - 1

    return cut


@pytest.mark.no_sanitizer
def test_what_was_acknowledged_survives_a_power_cut(acknowledged_and_found):
    for acks, found in acknowledged_and_found("fsync"):
        assert acks <= found <= acks + 1


@pytest.mark.no_sanitizer
def test_without_syncs_the_store_opens_and_may_lack_the_last(acknowledged_and_found):
    lost = [acks - found for acks, found in acknowledged_and_found("os")]
    assert max(lost) > 0, "a cut that loses nothing does not test the promise of the other kind"
