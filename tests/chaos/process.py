"""A process of the cluster, as far as all of them are alike: a node, threads that use it, and a parent.

It tells the parent through a pipe what it is about to do and what it was promised. A line is there whole or not at
all, whenever the kill comes:

    open <name> <seconds>                              the directory is open
    status <json>  log <text>  stopped  on_disk  digests <...>  dumped  ended  wrong <what>

and what the kinds of process add. It is told what to do on standard input, a line each: a word, which is the name of a
method, and perhaps what to give it, as JSON. At its end it ends at once: nothing outlives the parent.
"""

import faulthandler
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import replication
from crdt import Composite
from replication.transport.addresses import Tcp, parse
from replication.transport.tcp import TcpTransport
from tests.chaos.planted import PLANTED, STRONG_PLANTED


class Role(NamedTuple):
    """Who this process is.

    gates     where it really dials whom
    ahead     seconds by which its wall clock is wrong
    voters    who decides in the mode `replicated`
    expected  what it was promised in its last life, and `repeat` what it is to ask for again
    """

    label: str
    life: int
    number: int
    directory: str
    name: str
    listen: str
    gates: dict[str, str]
    seed: int
    mode: str
    rate: float
    is_tight: bool
    plant: str = ""
    is_idle: bool = False
    ahead: float = 0.0
    voters: Sequence[str] = ()
    expected: Sequence[list[Any]] = ()
    repeat: Sequence[list[Any]] = ()


class Process:
    """What the kinds of process fill in: `schema`, limits, `works`, `begin` and `plain`."""

    schema: ClassVar[type[Composite]]
    limits: ClassVar[dict[str, Any]] = {}
    tight_limits: ClassVar[dict[str, Any]] = {}  # besides, when its role is tight

    def __init__(self, role: Role) -> None:
        self.role = role
        self.stopping = threading.Event()
        self.node: replication.Node
        self._telling = threading.Lock()
        self._threads: list[threading.Thread] = []

    def tell(self, line: str) -> None:
        data = f"{line}\n".encode()
        with self._telling:
            while data:
                data = data[os.write(1, data) :]

    # ---- what kinds of process differ in

    def begin(self) -> None:
        """Done once the directory is open, before anything else."""

    def works(self) -> list[Callable[[], None]]:
        """What threads do until `stopping` is set."""
        raise NotImplementedError

    def plain(self, state: Any) -> dict[str, Any]:
        """The value of an agent as JSON has it, for the parent to judge."""
        raise NotImplementedError

    # ---- orders

    def stop(self) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join()
        with suppress(replication.ReplicationError):
            self.node.flush()
        self.tell("stopped")

    def flush(self) -> None:
        self.node.flush()
        self.tell("on_disk")

    def digests(self) -> None:
        self.tell(f"digests {json.dumps(digests_of(self.node))}")

    def status(self) -> None:
        self.tell(f"status {json.dumps(self.node.status())}")

    def dump(self) -> None:
        """Everything there is, into a file beside the directory."""
        values = {agent: self.node.read_state(agent, self.plain) for agent in sorted(self.node.agents())}
        Path(f"{self.role.directory}.{self.role.label}.values").write_text(json.dumps(values))
        self.tell("dumped")

    def end(self) -> None:
        self.node.close()
        self.tell("ended")
        os._exit(0)

    # ---- living

    def open(self) -> None:
        role = self.role
        started = time.monotonic()
        limits = self.limits | (self.tight_limits if role.is_tight else {})
        peers = [address for address in role.gates if address != role.listen]
        self.node = replication.open(
            role.directory,
            schema=self.schema,
            name=role.name,
            listen=role.listen,
            peers=peers,
            bootstrap=role.voters,
            cluster="chaos",
            **limits,
        )
        self.tell(f"open {self.node.name} {time.monotonic() - started:.3f}")

    def start(self) -> None:
        for work in self.works():
            self._threads.append(threading.Thread(target=self.guarded, args=(work,), daemon=True))
        for thread in self._threads:
            thread.start()

    def guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException:
            self.tell(f"wrong {traceback.format_exc()[-3000:]!r}")

    def live(self, orders: Iterable[str]) -> None:
        self.open()
        if not self.role.is_idle:
            self.begin()
            self.start()
        for line in orders:
            word, _, rest = line.strip().partition(" ")
            getattr(self, word)(*(_listed(json.loads(rest)) if rest else ()))
        os._exit(1)


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def digests_of(node: replication.Node) -> list[Any]:
    """One digest of all, how many agents there are, and the first half of the digest of each."""
    each = {agent: node.read_state(agent, lambda s: s.digest().hex()) for agent in sorted(node.agents())}
    whole = blake2b(json.dumps(each).encode(), digest_size=8).hexdigest()
    return [whole, len(each), {agent: digest[:12] for agent, digest in each.items()}]


def word_for(error: Exception) -> str:
    """What an error says of the update: kept, or refused for certain, or neither."""
    if isinstance(error, replication.Timeout):
        return "kept" if error.is_applied else "refused:Timeout"
    if isinstance(error, replication.OutcomeUnknown):
        return "unknown"
    return f"refused:{type(error).__name__}"


class _Tell(logging.Handler):
    def __init__(self, process: Process) -> None:
        super().__init__()
        self.process = process

    def emit(self, record: logging.LogRecord) -> None:
        self.process.tell(f"log {record.getMessage()!r}")


def dial_through(gates: dict[str, str]) -> None:
    """Have every link to an address of the cluster go through the gate before it."""
    connect = TcpTransport._connect

    async def through(self: TcpTransport, place: Any, link: Any) -> None:
        gate = gates.get(str(place)) if isinstance(place, Tcp) else None
        await connect(self, parse(gate) if gate else place, link)

    TcpTransport._connect = through  # type: ignore[method-assign]


def run(kind: type[Process]) -> None:
    """The whole life of a process."""
    faulthandler.register(signal.SIGUSR1)
    role = Role(**json.loads(sys.stdin.readline()))
    process = kind(role)
    logging.getLogger("replication").addHandler(_Tell(process))
    dial_through(role.gates)
    if role.plant:
        (PLANTED | STRONG_PLANTED)[role.plant]()
    try:
        process.live(sys.stdin)
    except BaseException:
        process.tell(f"wrong {traceback.format_exc()[-3000:]!r}")
    os._exit(1)
