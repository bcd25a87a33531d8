"""etcd: three servers with their defaults, which write every disk with fsync, and a client in Python.

An update is a put of a small value: it reads nothing and compares nothing, which is less than ours does. A read is
etcd's default, which is linearizable. The client is a process with one event loop, which calls the leader by gRPC with
the stubs of aetcd: `aetcd.Client` around them and threads instead of coroutines bring a quarter fewer calls, a second
process as many puts and a tenth more reads.
"""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cluster import free_ports
from benchmarks.replicated.cases import Case, Figures, measure
from benchmarks.replicated.leader_killed import first_success
from benchmarks.replicated.nexus_state import NAMES, run
from benchmarks.replicated.processes import END_SECONDS, Worker

CALL_SECONDS = 30.0


def version() -> str:
    """OSError if there is no etcd."""
    said = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split("\n")[0].removeprefix("etcd Version: ")


class Etcd:
    def __init__(self, path: Path, election_timeout: float = 1.0) -> None:
        peers, clients = free_ports(len(NAMES)), free_ports(len(NAMES))
        self._servers = [serve(place, peers, clients, path, election_timeout) for place in range(len(NAMES))]
        self._client = Worker(connect, clients)
        self._leader = -1

    def wait_until_led(self) -> None:
        self._leader = self._client.call("find_leader")

    def measure(self, case: Case, seconds: float) -> Figures:
        figures: Figures = self._client.call("measure", case, seconds)
        return figures

    def kill_leader(self) -> float:
        killed_at = time.monotonic()
        self._servers[self._leader].kill()
        seconds: float = self._client.call("write_again", killed_at)
        return seconds

    def close(self) -> None:
        self._client.close()
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            try:
                server.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def serve(
    place: int, peers: list[str], clients: list[str], path: Path, election_timeout: float
) -> subprocess.Popen[bytes]:
    cluster = ",".join(f"{name}=http://{address}" for name, address in zip(NAMES, peers, strict=True))
    options = {
        "name": NAMES[place],
        "data-dir": str(path / NAMES[place]),
        "listen-client-urls": f"http://{clients[place]}",
        "advertise-client-urls": f"http://{clients[place]}",
        "listen-peer-urls": f"http://{peers[place]}",
        "initial-advertise-peer-urls": f"http://{peers[place]}",
        "initial-cluster": cluster,
        "election-timeout": str(round(1000 * election_timeout)),
        "heartbeat-interval": str(round(100 * election_timeout)),
        "logger": "zap",
        "log-level": "error",
    }
    return subprocess.Popen(
        ["etcd", *(f"--{name}={value}" for name, value in options.items())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def connect(addresses: list[str]) -> Iterator["Client"]:
    yield Client(addresses)


class Client:
    """In a process of its own."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._leader = 0

    def find_leader(self) -> int:
        """Who leads, once somebody does. TimeoutError if nobody does."""
        return run(self._find_leader())

    def measure(self, case: Case, seconds: float) -> Figures:
        return run(self._measure(case, seconds))

    def write_again(self, killed_at: float) -> float:
        return run(self._write_again(killed_at))

    async def _find_leader(self) -> int:
        from aetcd.rpc import MaintenanceStub, StatusRequest
        from grpc.aio import AioRpcError

        end = time.monotonic() + CALL_SECONDS
        while time.monotonic() < end:
            for place, address in enumerate(self._addresses):
                async with channel(address) as opened:
                    try:
                        status = await MaintenanceStub(opened).Status(StatusRequest(), timeout=CALL_SECONDS)
                    except AioRpcError:
                        continue  # it is not up yet
                    if status.leader and status.leader == status.header.member_id:
                        self._leader = place
                        return place
            await asyncio.sleep(0.05)
        raise TimeoutError(f"nobody led within {CALL_SECONDS} s")

    async def _measure(self, case: Case, seconds: float) -> Figures:
        from aetcd.rpc import KVStub, PutRequest, RangeRequest

        async with channel(self._addresses[self._leader]) as opened:
            store = KVStub(opened)

            async def put(key: int, number: int) -> None:
                await store.Put(PutRequest(key=b"key-%d" % key, value=b"%d" % number), timeout=CALL_SECONDS)

            async def read(key: int, _number: int) -> None:
                await store.Range(RangeRequest(key=b"key-%d" % key), timeout=CALL_SECONDS)

            for key in range(case.keys if case.reads else 0):
                await put(key, 0)
            return await measure(case, seconds, read if case.reads else put)

    async def _write_again(self, killed_at: float) -> float:
        """By both that are left, in turns."""
        from aetcd.rpc import KVStub, PutRequest

        left = [address for place, address in enumerate(self._addresses) if place != self._leader]
        async with channel(left[0]) as first, channel(left[1]) as second:
            stores = KVStub(first), KVStub(second)

            async def put(number: int) -> None:
                await stores[number % 2].Put(PutRequest(key=b"key-%d" % number, value=b"1"), timeout=CALL_SECONDS)

            return await first_success(killed_at, put)


def channel(address: str) -> Any:
    """Of its own TCP connection: gRPC would have channels of one address share it."""
    from grpc.aio import insecure_channel

    return insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
