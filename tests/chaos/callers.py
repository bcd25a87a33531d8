"""A process whose clients change and read boards in the mode `replicated`, and note things on them in weaker modes.

A board is used for a short time, by all processes, so that what was done to it can be judged. Before and after each
call it tells, besides what all processes do:

    ask <n> <ns> <agent> <op_id or -> <what> [<more>]   call n is about to be made: claim <task> <who>, spend, read,
                                                        note <mode>
    answer <n> <ns> <outcome> <json>                    the call returned, or raised
    leader <term> <name>                                whom this node takes for the leader now; - for nobody

Times are of the monotonic clock, which all processes of a machine share.
"""

import asyncio
import itertools
import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import replication
from replication.event_loop import EventLoopRuntime
from tests.chaos.process import Process, Role, run, word_for
from tests.strong.runs import Board, Plan, apply, read

# Seconds for which a board is used, and how many are in use at one time.
BOARD_SECONDS, BOARDS = 2.0, 2
# Results that are remembered. Whoever asks again must do so while fewer operations than this have been begun since.
OPERATIONS_MAX = 5000
_TASKS = Plan().tasks
_TIMEOUTS = (0.3, 1.0, 3.0)
_NOTE_MODES = ("replicated", "crdt_enhanced", "eventually_consistent", "reactive")


class Request(NamedTuple):
    """What a client asks; `op_id` is "" for none."""

    number: int
    agent_id: str
    op_id: str
    asked: tuple[Any, ...]

    @property
    def mode(self) -> str:
        return str(self.asked[1]) if self.asked[0] == "note" else "replicated"


class Callers(Process):
    schema = Board
    limits = {"election_timeout": 0.5, "operations_max": OPERATIONS_MAX}  # noqa: RUF012
    tight_limits = {"log_entries_max": 50, "log_entries_kept": 10, "max_agents_in_memory": 8}  # noqa: RUF012

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._numbers = itertools.count(role.number)
        self._repeated: SimpleQueue[Request] = SimpleQueue()
        self._ahead = role.ahead

    def open(self) -> None:
        stamp_by(lambda: int(1000 * (time.time() + self._ahead)))
        super().open()

    def works(self) -> list[Callable[[], None]]:
        coroutines = partial(asyncio.run, self.clients())
        return [partial(self.client, 0), partial(self.client, 1), coroutines, self.repeat, self.observe]

    # ---- orders

    def again(self, number: int, agent_id: str, op_id: str, asked: list[Any]) -> None:
        """Ask for what was asked before, here or elsewhere."""
        self._repeated.put(Request(number, agent_id, op_id, tuple(asked)))

    def clock(self, ahead: float) -> None:
        """Have the wall clock be so many seconds ahead of true time."""
        self._ahead = ahead

    def transfer(self, name: str) -> None:
        """Have another node lead, if it will."""
        self.manage(lambda: self.node.transfer_leadership(name))

    def vote(self, name: str) -> None:
        """Have a node vote that does not, or no more if it does; two always do."""
        voters = self.node.status()["replicated"]["voters"]
        if name not in voters:
            self.manage(lambda: self.node.add_voter(name))
        elif len(voters) > 2:
            self.manage(lambda: self.node.remove_voter(name))

    def manage(self, act: Callable[[], None]) -> None:
        """It may take long, and orders come meanwhile."""

        def ask() -> None:
            with suppress(replication.ReplicationError, ValueError):
                act()

        threading.Thread(target=self.guarded, args=(ask,), daemon=True).start()

    # ---- calling

    def draw(self, rng: random.Random) -> Request:
        number = next(self._numbers)
        agent_id = f"board-{int(time.monotonic() / BOARD_SECONDS)}-{rng.randrange(BOARDS)}"
        what = rng.random()
        if what < 0.2:
            return Request(number, agent_id, "", ("read",))
        if what < 0.4:
            return Request(number, agent_id, "", ("note", rng.choice(_NOTE_MODES)))
        asked = ("claim", rng.randrange(_TASKS), number) if what < 0.75 else ("spend",)
        return Request(number, agent_id, f"op-{number}" if rng.random() < 0.7 else "", asked)

    def ask(self, request: Request) -> None:
        words = " ".join(map(str, request.asked))
        self.tell(f"ask {request.number} {time.monotonic_ns()} {request.agent_id} {request.op_id or '-'} {words}")

    def answer(self, request: Request, outcome: str, value: Any = None) -> None:
        shown = json.dumps(value, separators=(",", ":"))
        self.tell(f"answer {request.number} {time.monotonic_ns()} {outcome} {shown}")

    def answer_read(self, request: Request, seen: Any) -> None:
        spent, claims = seen
        self.answer(request, "read", (spent, sorted(claims)))

    def answer_update(self, request: Request, result: Any) -> None:
        is_replayed = result.replayed and result.outcome == "committed"
        self.answer(request, "replayed" if is_replayed else result.outcome, result.value)
        if request.asked[0] == "claim":
            holder = self.node.read_state(request.agent_id, lambda board: board.claims.get(request.asked[1]))
            if holder != result.value:
                self.tell(f"wrong {request} was answered {result.value}, and here it is {holder}")

    def call(self, request: Request, timeout: float) -> None:
        self.ask(request)
        try:
            if request.asked[0] == "read":
                how: dict[str, Any] = {"consistency": "replicated", "timeout": timeout}
                self.answer_read(request, self.node.read_state(request.agent_id, read, **how))
            else:
                act, how = partial(done, request), {"timeout": timeout, "op_id": request.op_id or None}
                self.answer_update(request, self.node.update_state(request.agent_id, act, request.mode, **how))
        except replication.ReplicationError as error:
            self.answer(request, word_for(error))

    async def acall(self, request: Request, timeout: float) -> None:
        """As `call`."""
        self.ask(request)
        try:
            if request.asked[0] == "read":
                how: dict[str, Any] = {"consistency": "replicated", "timeout": timeout}
                self.answer_read(request, await self.node.aread_state(request.agent_id, read, **how))
            else:
                act, how = partial(done, request), {"timeout": timeout, "op_id": request.op_id or None}
                self.answer_update(request, await self.node.aupdate_state(request.agent_id, act, request.mode, **how))
        except replication.ReplicationError as error:
            self.answer(request, word_for(error))

    def client(self, number: int) -> None:
        rng = random.Random(f"{self.role.seed} {number}")
        while not self.stopping.wait(rng.expovariate(self.role.rate / 4)):
            self.call(self.draw(rng), rng.choice(_TIMEOUTS))

    async def aclient(self, number: int) -> None:
        rng = random.Random(f"{self.role.seed} {number}")
        while not self.stopping.is_set():
            await asyncio.sleep(rng.expovariate(self.role.rate / 4))
            await self.acall(self.draw(rng), rng.choice(_TIMEOUTS))

    async def clients(self) -> None:
        await asyncio.gather(self.aclient(2), self.aclient(3))

    def repeat(self) -> None:
        rng = random.Random(f"{self.role.seed} repeated")
        while not self.stopping.is_set():
            with suppress(Empty):
                self.call(self._repeated.get(timeout=0.1), rng.choice(_TIMEOUTS))

    def observe(self) -> None:
        last = None
        while not self.stopping.wait(0.03):
            group = self.node.status()["replicated"]
            if (seen := (group["term"], group["leader"] or "-")) != last:
                self.tell("leader {} {}".format(*seen))
            last = seen

    # ---- the end

    def plain(self, state: Any) -> dict[str, Any]:
        spent, claims = read(state)
        return {"spent": spent, "claims": sorted(claims), "notes": state.notes.value, "looks": state.looks.value}

    def log(self) -> None:
        """How far it is applied here, and what it has come to."""
        group = self.node._others.group

        def look() -> None:
            come_to = blake2b(group.core.machine.to_bytes(), digest_size=16).hexdigest()
            self.tell(f"came_to {json.dumps([group.core.status()['applied'], come_to])}")

        group._runtime.call_soon(look)  # in whose thread it changes


def done(request: Request, board: Board) -> Any:
    """What a request does to a board."""
    if request.asked[0] != "note":
        return apply(board, request.asked)
    board.notes.append(request.number)
    board.looks.increment()
    return None


def stamp_by(clock: Callable[[], int]) -> None:
    """Have the clock that stamps changes be this one, of milliseconds."""
    make = EventLoopRuntime.__init__

    def planted(self: EventLoopRuntime) -> None:
        make(self)
        self.clock = clock

    EventLoopRuntime.__init__ = planted  # type: ignore[method-assign]


if __name__ == "__main__":
    run(Callers)
