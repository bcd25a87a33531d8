"""Real nodes on loopback in this process."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import replication
from tests.replication.agents import AgentState


def free_addresses(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def eventually(holds: Callable[[], Any], what: str, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Nodes:
    """Some nodes of one cluster, each with a directory, an address and a name."""

    def __init__(self, directory: Path, count: int = 3, **options: Any) -> None:
        self.directory = directory
        self.names = [f"n{k}" for k in range(count)]
        self.addresses = free_addresses(count)
        self.options = options
        self.open: dict[int, replication.Node] = {}

    def __getitem__(self, place: int) -> replication.Node:
        return self.open[place]

    def __iter__(self) -> Iterator[replication.Node]:
        return iter(self.open.values())

    def start(self, *places: int, **options: Any) -> None:
        for place in places or range(len(self.names)):
            arguments: dict[str, Any] = {
                "schema": AgentState,
                "name": self.names[place],
                "listen": self.addresses[place],
                "peers": [address for address in self.addresses if address != self.addresses[place]],
                "probe_interval": 0.2,
                "probe_timeout": 0.1,
                "sync_interval": 0.2,
            }
            arguments |= self.options | options
            self.open[place] = replication.open(self.directory / self.names[place], **arguments)

    def stop(self, place: int) -> None:
        self.open.pop(place).close()

    def meet(self) -> None:
        """Wait until everybody sees everybody."""
        count = len(self.open)
        eventually(
            lambda: all(sum(m.state == "alive" for m in node.members()) == count for node in self), "everybody alive"
        )

    def agree(self, agent_id: str) -> None:
        """Wait until all have the same state of an agent."""
        eventually(lambda: len({node.read_state(agent_id).digest() for node in self}) == 1, f"equal {agent_id}")

    def close(self) -> None:
        for place in list(self.open):
            with suppress(replication.ReplicationError):
                self.stop(place)
