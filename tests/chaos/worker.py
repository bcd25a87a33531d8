"""A process of the cluster: a node, and lanes that use it in every mode, until it is killed.

Before and after each call it tells through a pipe what it is about to do and what it was promised. A line is
there whole or not at all, whenever the kill comes:

    open <name> <seconds>                              the directory is open
    call <n> <agent> <field> <ask> <lane> <time>       update n is about to be made
    ran <n> <removed>                                  its function ran, and takes away update <removed> (or -1)
    done <n> <outcome> <from> <until>                  the call returned, or raised
    flushed <lane> <until>                             what this lane has done is on disk
    read <seconds>  verified  status <json>  log <text>  stopped  digests <...>  dumped  wrong <what>

It is told what to do on standard input, a word a line. At its end it ends at once: nothing outlives the parent.
"""

import asyncio
import faulthandler
import itertools
import json
import logging
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import replication
from replication.simulation.ledger import KINDS, Everything
from replication.transport.addresses import Tcp, parse
from replication.transport.tcp import TcpTransport
from tests.chaos.planted import PLANTED

HOT_AGENTS, COLD_AGENTS = 6, 150


class Ask(NamedTuple):
    """A way to call, how often it is used, and whether it needs others."""

    weight: int
    mode: str
    how: dict[str, Any]
    needs_others: bool = False


ASKS = (
    Ask(4, "reactive", {}),
    Ask(3, "reactive", {"durable": True}),
    Ask(4, "eventually_consistent", {}),
    Ask(4, "crdt_enhanced", {}),
    Ask(2, "crdt_enhanced", {"acks": 1}, True),
    Ask(2, "crdt_enhanced", {"acks": "majority"}, True),
    Ask(1, "crdt_enhanced", {"acks": "all"}, True),
)
# Fields whose updates are never taken away again, to be asked for after a restart; and those whose are repeated.
STEADY = ("seen",)
REPEATED = ("seen", "tallies")
# Limits so small that what is rare happens all the time.
TIGHT: dict[str, Any] = {
    "max_agents_in_memory": 20, "checkpoint_bytes": 128 << 10, "channel_bytes_max": 8 << 10, "behind_max": 8,
    "rumours_max": 8, "rumour_bytes_max": 512, "chunk_bytes": 1024, "message_bytes_max": 2048,
    "held_back_bytes_max": 16 << 10, "sync_asks_max": 16, "link_queue_bytes_max": 256 << 10,
}  # fmt: skip


class Role(NamedTuple):
    """Who this process is. `gates` are where it really dials whom, `expected` what it was promised in its last life."""

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
    expected: list[list[Any]]
    repeat: list[list[Any]]
    plant: str = ""
    is_idle: bool = False


class Worker:
    def __init__(self, role: Role) -> None:
        self.role = role
        self.telling = threading.Lock()
        self.numbers = itertools.count(role.number)
        self.stopping = threading.Event()
        self.lanes: list[threading.Thread] = []
        self.asks = [k for k, ask in enumerate(ASKS) if role.mode in ("mixed", ask.mode)]
        self.known: dict[str, tuple[set[int], int]] = {}
        self.node: replication.Node

    def tell(self, line: str) -> None:
        data = f"{line}\n".encode()
        with self.telling:
            while data:
                data = data[os.write(1, data) :]

    # ---- updating

    def draw(self, rng: random.Random) -> tuple[str, str, int]:
        hot = rng.random() < 0.7
        agent = f"hot-{rng.randrange(HOT_AGENTS)}" if hot else f"cold-{rng.randrange(COLD_AGENTS)}"
        ask = rng.choices(self.asks, [ASKS[k].weight for k in self.asks])[0]
        return agent, rng.choice(tuple(KINDS)), ask

    def prepare(self, lane: int, rng: random.Random) -> tuple[int, str, str, int, dict[str, Any]]:
        agent, field, ask = self.draw(rng)
        n = next(self.numbers)
        how: dict[str, Any] = {"timeout": rng.choice((0.05, 0.5, 2.0)) if ASKS[ask].needs_others else None}
        if field in REPEATED and rng.random() < 0.5:
            how["op_id"] = f"op-{n}"
        self.tell(f"call {n} {agent} {field} {ask} {lane} {time.monotonic():.6f} {'op_id' in how:d}")
        return n, agent, field, ask, how

    def act(self, n: int, field: str, rng: random.Random, state: Any) -> None:
        removed = KINDS[field].act(getattr(state, field), n, rng)
        self.tell(f"ran {n} {-1 if removed is None else removed}")

    def returned(self, n: int, outcome: str, started: float) -> None:
        self.tell(f"done {n} {outcome} {started:.6f} {time.monotonic():.6f}")

    def update(self, lane: int, rng: random.Random) -> None:
        n, agent, field, ask, how = self.prepare(lane, rng)
        started = time.monotonic()
        try:
            result = self.node.update_state(
                agent, partial(self.act, n, field, rng), ASKS[ask].mode, **ASKS[ask].how, **how
            )
        except replication.ReplicationError as error:
            self.returned(n, word_for(error), started)
        else:
            self.returned(n, result.outcome, started)
            if field == "seen" and not self.node.read_state(agent, lambda s: n in s.seen):
                self.tell(f"wrong update {n} of {agent} returned, and reading it at once does not show it")

    async def aupdate(self, lane: int, rng: random.Random) -> None:
        n, agent, field, ask, how = self.prepare(lane, rng)
        started = time.monotonic()
        try:
            result = await self.node.aupdate_state(
                agent, partial(self.act, n, field, rng), ASKS[ask].mode, **ASKS[ask].how, **how
            )
        except replication.ReplicationError as error:
            self.returned(n, word_for(error), started)
        else:
            self.returned(n, result.outcome, started)

    def lane(self, lane: int) -> None:
        rng = random.Random(f"{self.role.seed} {lane}")
        while not self.stopping.wait(rng.expovariate(self.role.rate / 4)):
            self.update(lane, rng)
            if rng.random() < 0.02:
                with suppress(replication.ReplicationError):
                    self.node.flush()
                    self.tell(f"flushed {lane} {time.monotonic():.6f}")

    async def alane(self, lane: int) -> None:
        rng = random.Random(f"{self.role.seed} {lane}")
        while not self.stopping.is_set():
            await asyncio.sleep(rng.expovariate(self.role.rate / 4))
            await self.aupdate(lane, rng)

    async def alanes(self) -> None:
        await asyncio.gather(self.alane(2), self.alane(3))

    # ---- reading

    def reader(self) -> None:
        """Nothing that was read is ever missing later, and no counter that only grows shrinks."""
        rng = random.Random(f"{self.role.seed} reader")
        while not self.stopping.wait(0.3):
            agent = f"hot-{rng.randrange(HOT_AGENTS)}"
            started = time.monotonic()
            try:
                seen, count = self.node.read_state(agent, lambda s: (set(s.seen), s.count.value))
            except replication.Unavailable:
                continue  # the disk failed, and memory is full of what it did not take
            self.tell(f"read {time.monotonic() - started:.6f}")
            seen_before, count_before = self.known.get(agent, (set(), 0))
            if not seen_before <= seen or count < count_before:
                self.tell(f"wrong {agent} went back: {sorted(seen_before - seen)[:9]}, {count_before} to {count}")
            self.known[agent] = seen, count

    def verify(self) -> None:
        """What earlier lives of this process were promised is here."""
        for agent, field, n in self.role.expected:
            if not self.node.read_state(agent, partial(has, field, n)):
                self.tell(f"wrong update {n} of {agent}.{field} was promised, and is not here after a restart")
        self.tell("verified")

    def repeat(self) -> None:
        """Ask again for what an earlier life did: it is applied now, or was then, and never twice."""
        for agent, field, n in self.role.repeat:
            started = time.monotonic()
            rng = random.Random(n)
            try:
                result = self.node.update_state(agent, partial(self.act, n, field, rng), durable=True, op_id=f"op-{n}")
            except replication.ReplicationError as error:
                self.returned(n, word_for(error), started)
            else:
                self.returned(n, result.outcome, started)

    # ---- living

    def open(self) -> None:
        role = self.role
        started = time.monotonic()
        limits = TIGHT if role.is_tight else {}
        peers = [address for address in role.gates if address != role.listen]
        self.node = replication.open(
            role.directory,
            schema=Everything,
            name=role.name,
            listen=role.listen,
            peers=peers,
            cluster="chaos",
            **limits,
        )
        self.tell(f"open {self.node.name} {time.monotonic() - started:.3f}")

    def start(self) -> None:
        works = [partial(self.lane, 0), partial(self.lane, 1), lambda: asyncio.run(self.alanes()), self.reader]
        for work in works:
            self.lanes.append(threading.Thread(target=self.guarded, args=(work,), daemon=True))
        for lane in self.lanes:
            lane.start()

    def guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException:
            self.tell(f"wrong {traceback.format_exc()[-3000:]!r}")

    def stop(self) -> None:
        self.stopping.set()
        for lane in self.lanes:
            lane.join()
        with suppress(replication.ReplicationError):
            self.node.flush()
        self.tell("stopped")

    def digests(self) -> None:
        self.tell(f"digests {json.dumps(digests_of(self.node))}")

    def status(self) -> None:
        self.tell(f"status {json.dumps(self.node.status())}")

    def dump(self) -> None:
        """Everything there is, into a file beside the directory, for the parent to judge."""
        values = {agent: self.node.read_state(agent, plain) for agent in sorted(self.node.agents())}
        Path(f"{self.role.directory}.{self.role.label}.values").write_text(json.dumps(values))
        self.tell("dumped")

    def end(self) -> None:
        self.node.close()
        self.tell("ended")
        os._exit(0)

    def live(self, orders: Iterable[str]) -> None:
        self.open()
        if not self.role.is_idle:
            self.verify()
            self.repeat()
            self.start()
        for line in orders:
            getattr(self, line.strip())()
        os._exit(1)


def has(field: str, n: int, state: Any) -> bool:
    return n in getattr(state, field)


def plain(state: Any) -> dict[str, Any]:
    value = dict(state.value)
    return {name: sorted(each) if isinstance(each, set) else each for name, each in value.items()}


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
    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self.worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        self.worker.tell(f"log {record.getMessage()!r}")


def dial_through(gates: dict[str, str]) -> None:
    """Have every link to an address of the cluster go through the gate before it."""
    connect = TcpTransport._connect

    async def through(self: TcpTransport, place: Any, link: Any) -> None:
        gate = gates.get(str(place)) if isinstance(place, Tcp) else None
        await connect(self, parse(gate) if gate else place, link)

    TcpTransport._connect = through  # type: ignore[method-assign]


def main() -> None:
    faulthandler.register(signal.SIGUSR1)
    role = Role(**json.loads(sys.stdin.readline()))
    worker = Worker(role)
    logging.getLogger("replication").addHandler(_Tell(worker))
    dial_through(role.gates)
    if role.plant:
        PLANTED[role.plant]()
    try:
        worker.live(sys.stdin)
    except BaseException:
        worker.tell(f"wrong {traceback.format_exc()[-3000:]!r}")
    os._exit(1)


if __name__ == "__main__":
    main()
