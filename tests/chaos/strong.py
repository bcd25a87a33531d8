"""A run in the mode `replicated`: voters and learners, faults that seek out who leads, answers that are judged.

What nobody knows the outcome of is asked for again, of any process, by its op_id.
"""

import asyncio
import json
import time
from random import Random
from typing import Any

from tests.chaos.child import Broken
from tests.chaos.history import History
from tests.chaos.plan import Fault
from tests.chaos.run import Options, Run


class StrongRun(Run):
    program = "tests.chaos.callers"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.history_file = (self.top / "history.log").open("w")
        self.books: History = History(self.started, Random(options.seed + 2), self.write_down)
        self.voters = self.labels if options.nodes == 5 else self.labels[:3]
        self.ahead = dict.fromkeys(self.labels, 0.0)
        self.healed = 0.0
        self.recovered_after = 0.0

    def write_down(self, line: str) -> None:
        self.history_file.write(f"{line}\n")

    def home(self, label: str) -> str:
        return label

    def told(self, label: str) -> dict[str, Any]:
        return {**super().told(label), "voters": self.voters, "ahead": self.ahead[label]}

    def leader(self) -> str:
        return self.books.leading() or self.random.choice(self.voters)

    async def suffer(self, fault: Fault) -> None:
        if fault.kind == "clock":
            (label,) = fault.who
            self.ahead[label] = fault.seconds
            self.children[label].order(f"clock {fault.seconds}")
        elif fault.kind in ("transfer", "vote"):
            leader, other = fault.aimed_at(self.leader()).who
            self.children[leader].order(f"{fault.kind} {json.dumps(other)}")
        else:
            await super().suffer(fault)
            return
        self.strikes[fault.kind] += 1
        self.log(f"fault {fault}")

    def go_on(self) -> None:
        living = [label for label, child in self.children.items() if child.is_running]
        for operation in self.books.to_ask_again(time.monotonic()) if living else ():
            order = [operation.number, operation.agent_id, operation.op_id, operation.asked]
            self.children[self.random.choice(living)].order(f"again {json.dumps(order)}")

    async def recover(self) -> None:
        """Clocks are right again, and whatever has a name is answered."""
        self.healed = time.monotonic()
        for label, child in self.children.items():
            self.ahead[label] = 0.0
            child.order("clock 0.0")
        while unanswered := self.books.unanswered():
            self.go_on()
            await asyncio.sleep(0.02)
            if self.broken is not None:
                raise self.broken
            if time.monotonic() - self.healed > self.options.quiet:
                raise Broken(f"{self.options.quiet:.0f} s after all faults, nobody answers {'; '.join(unanswered[:9])}")
        self.recovered_after = time.monotonic() - self.healed

    async def settle(self, seconds: float, what: str) -> tuple[str, dict[str, Any]]:
        """And until the log has come to the same for all."""
        end = time.monotonic() + seconds
        logs = await self.ask("log", "came_to")
        while len(set(map(tuple, logs.values()))) > 1:
            if time.monotonic() > end:
                raise Broken(f"{what}: after {seconds:.0f} s the log has come to {logs}")
            await asyncio.sleep(0.1)
            logs = await self.ask("log", "came_to")
        return await super().settle(seconds, what)

    def report(self) -> list[str]:
        recovered = f"all that was open was answered {self.recovered_after:.1f} s after the last fault"
        return [f"first voters: {' '.join(self.voters)}; {recovered}", *super().report()]
