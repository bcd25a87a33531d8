"""A process whose lanes use its node in every mode that needs no log, until it is killed.

Before and after each call it tells what it is about to do and what it was promised, besides what all processes do:

    call <n> <agent> <field> <ask> <lane> <time>       update n is about to be made
    ran <n> <removed>                                  its function ran, and takes away update <removed> (or -1)
    done <n> <outcome> <from> <until>                  the call returned, or raised
    flushed <lane> <until>                             what this lane has done is on disk
    read <seconds>  verified
"""

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import replication
from replication.simulation.ledger import KINDS, Everything
from tests.chaos.process import Process, Role, run, word_for

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


class Worker(Process):
    schema = Everything
    tight_limits = TIGHT

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self.numbers = itertools.count(role.number)
        self.asks = [k for k, ask in enumerate(ASKS) if role.mode in ("mixed", ask.mode)]
        self.known: dict[str, tuple[set[int], int]] = {}

    def begin(self) -> None:
        self.verify()
        self.repeat()

    def works(self) -> list[Callable[[], None]]:
        return [partial(self.lane, 0), partial(self.lane, 1), lambda: asyncio.run(self.alanes()), self.reader]

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

    def plain(self, state: Any) -> dict[str, Any]:
        value = dict(state.value)
        return {name: sorted(each) if isinstance(each, set) else each for name, each in value.items()}


def has(field: str, n: int, state: Any) -> bool:
    return n in getattr(state, field)


if __name__ == "__main__":
    run(Worker)
