"""`replicated` in processes of their own: disks that fail or lose what was not synced, and hashes that differ."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

import replication
from tests.cluster.nodes import free_addresses
from tests.replication.agents import AgentState
from tests.replication.shim import FAILING_DISK, WATCHED_NAMES, build
from tests.strong.lost_power import Call, Disk, calls

pytestmark = pytest.mark.no_sanitizer

ROOT = Path(__file__).resolve().parent.parent.parent
CUTS = 20

# Every process has the mistake that is planted here, if one is.
BEGIN = """
import os
if "PLANTED" in os.environ:
    from tests.strong.planted import MISTAKES
    MISTAKES.plant_here()
import sys, replication
from tests.replication.agents import AgentState, bump
"""

POWER = (
    BEGIN
    + """
top, durability = sys.argv[1:]
acks = os.open(f"{top}/acks", os.O_RDWR | os.O_CREAT)
limits = {"checkpoint_bytes": 60_000, "log_entries_max": 10, "log_entries_kept": 3}
node = replication.open(f"{top}/some/where", schema=AgentState, name="a", durability=durability, **limits)
for i in range(50):
    node.update_state(f"agent-{i % 3}", lambda s: (bump(s), s.config.update({"key": "v" * i})), "replicated")
    os.pwrite(acks, b"!", i)
os._exit(0)
"""
)


def run(program: str, *arguments: str, **environment: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    env = {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def committed(path: Path) -> int:
    """How many updates the group has, as the node reads them."""
    with replication.open(path, schema=AgentState, name="a") as node:
        agents = [f"agent-{k}" for k in range(3)]
        return sum(node.read_state(each, lambda s: s.counters.value, consistency="replicated") for each in agents)


def after_power_cuts(directory: Path, durability: str) -> Iterator[tuple[int, int]]:
    """For many moments: how many updates had been committed, and how many the node has when it comes back."""
    top = directory / "disk"
    top.mkdir()
    library = build(directory, WATCHED_NAMES)
    watched = {"LD_PRELOAD": str(library), "DISK_WATCHED": str(top), "DISK_LOG": str(directory / "log")}
    run(POWER, str(top), durability, **watched)
    log = calls((directory / "log").read_bytes())
    answers = [place for place, call in enumerate(log) if is_answer(call)]
    assert len(answers) == 50 and {"c", "r", "m", "s"} <= {call.kind for call in log}
    random = Random(5)
    # With nothing but what was synced, right after the first and the last answers; and with anything, at any moment.
    cuts = [(answer, 0.0) for answer in (*answers[:3], *answers[-2:])]
    cuts += [(random.randrange(len(log)), 0.5) for _ in range(CUTS - len(cuts))]
    for moment, kept in cuts:
        disk = Disk(str(top))
        for call in log[: moment + 1]:
            disk.do(call)
        shutil.rmtree(top)
        top.mkdir()
        for path, data in disk.cut(random, kept).items():
            if not path.endswith("-shm"):  # is in memory
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).write_bytes(data)
        yield sum(answer <= moment for answer in answers), committed(top / "some" / "where")


def is_answer(call: Call) -> bool:
    return call.kind == "w" and call.path.endswith("/acks")


@pytest.mark.parametrize("durability", ["os", "fsync"])
def test_what_was_committed_survives_a_power_cut(tmp_path: Path, durability: str) -> None:
    """Jepsen on NATS 2.12.1, etcd#6368: whatever `durability` says, and with it the names of the files it is in."""
    for answered, found in after_power_cuts(tmp_path, durability):
        assert answered <= found <= answered + 1


FAILING = (
    BEGIN
    + """
import ctypes
setenv = ctypes.CDLL(None).setenv
node = replication.open(sys.argv[1], schema=AgentState, durability=sys.argv[2])
for _ in range(3):
    node.update_state("a", bump, "replicated")
setenv(b"DISK_FAILS", b"sync", 1)
for op_id in ("first", "first", "later"):
    try:
        print(node.update_state("a", bump, "replicated", timeout=5, op_id=op_id).outcome)
    except (replication.OutcomeUnknown, replication.Unavailable) as error:
        print(type(error).__name__, "open it again" in str(error))
    setenv(b"DISK_FAILS", b"", 1)  # it works again, and is not believed
try:
    node.close()
except replication.Unavailable:
    print("closed")
"""
)


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_after_one_failed_sync_nothing_is_committed_any_more(tmp_path: Path, durability: str) -> None:
    """ATC'20 "Can Applications Recover from fsync Failures?": the pages may be gone though the next sync succeeds."""
    library = build(tmp_path, FAILING_DISK)
    first, *later, end = run(FAILING, str(tmp_path / "a"), durability, LD_PRELOAD=str(library)).splitlines()
    assert first.split()[0] == "OutcomeUnknown"
    assert later == ["Unavailable True"] * 2 and end == "closed"


APPLYING = (
    BEGIN
    + """
from replication.strong.machine import Machine
from tests.strong.test_machine import ENTRIES, proposal
machine = Machine()
entries = [*ENTRIES, *[proposal(0, 1, *[f"{name} {k}" for k in range(8)], agent_id=name) for name in "bcdefg"]]
print([machine.apply(entry) for entry in entries], machine.to_bytes().hex())
"""
)


def test_equal_entries_give_equal_bytes_in_every_process() -> None:
    assert len({run(APPLYING, PYTHONHASHSEED=str(seed)) for seed in (1, 2)}) == 1


HASHING = (
    BEGIN
    + """
import asyncio, hashlib, time
name, own, *peers = sys.argv[1:]
node = replication.open(schema=AgentState, name=name, listen=own, peers=peers, bootstrap=["n0", "n1", "n2"],
                        election_timeout=0.5, probe_interval=0.2, probe_timeout=0.1, sync_interval=0.2)

end = time.monotonic() + 60
while node.status()["replicated"]["leader"] == "" and time.monotonic() < end:
    time.sleep(0.02)  # the others' interpreters may start much later

async def work():
    for k in range(5):
        calls = [node.aupdate_state(f"agent-{k}", bump, "replicated", op_id=f"{name} {k} {j}") for j in range(6)]
        await asyncio.gather(*calls)
    await node.aupdate_state("a", lambda s: s.flags.add(name), "replicated")
    while len(await node.aread_state("a", lambda s: set(s.flags), consistency="replicated")) < 3:
        await asyncio.sleep(0.01)

asyncio.run(asyncio.wait_for(work(), 120))
state = node.read_state("a").to_bytes()
machine = node._others.group.core.machine.to_bytes()
print(hash("a"), hashlib.blake2b(state).hexdigest(), hashlib.blake2b(machine).hexdigest(), flush=True)
sys.stdin.read()
"""
)


def test_all_come_to_the_same_whatever_their_hashes_are() -> None:
    """rqlite's non-deterministic functions: states and what is remembered are equal, also in the order of sets."""
    addresses = free_addresses(3)
    nodes: list[subprocess.Popen[str]] = []
    for k, address in enumerate(addresses):
        command = [sys.executable, "-c", HASHING, f"n{k}", address, *[each for each in addresses if each != address]]
        env = {**os.environ, "PYTHONHASHSEED": str(k + 1)}
        nodes.append(
            subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
    try:
        assert all(node.stdout for node in nodes)
        lines = [node.stdout.readline().split() for node in nodes if node.stdout]
        assert all(len(line) == 3 for line in lines), "each has come to an end"
    finally:
        for node in nodes:
            node.kill()
            node.communicate()
    assert len({line[0] for line in lines}) == 3, "their hashes differ"
    assert len({tuple(line[1:]) for line in lines}) == 1
