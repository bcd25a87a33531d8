"""What all processes were promised, and how long their calls took. Judges what is there in the end.

An update is *kept* once its caller was promised that it is on disk, or once something was promised that
includes it: what reactive updates leave on disk is a prefix of an agent's updates, so one that is durable
keeps all that the same lane did before on that agent, and a flush all that the lane did before at all.
"""

from collections import Counter, defaultdict
from typing import Any, NamedTuple

from replication.simulation.ledger import Ledger, Operation, Violation
from tests.chaos.child import Broken, Child
from tests.chaos.worker import ASKS, STEADY

_KEPT = frozenset({"durable", "acknowledged", "kept"})
# Seconds above which a call that needs nobody else counts as not answered.
SLOW = 1.0


class Call(NamedTuple):
    operation: Operation
    ask: int
    lane: int
    has_op_id: bool


class Books:
    """`hears` are the lines of processes that are for it, each by a method of its name."""

    hears = frozenset({"call", "ran", "done", "flushed", "verified"})

    def __init__(self, started: float) -> None:
        self.started = started
        self.ledgers: dict[str, Ledger] = defaultdict(Ledger)
        self.counts: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        # Of calls that need no other node, undisturbed: seconds; and those that failed, or were slow.
        self.latencies: list[float] = []
        self.failures: list[str] = []
        self.slow: list[str] = []
        # By process: calls of this life that have not returned; what it was promised in steady fields since
        # it was last asked for; what may be repeated by its op_id, because nobody knows or because it was kept.
        self._open: dict[str, dict[int, Call]] = defaultdict(dict)
        self._promised: dict[str, list[Operation]] = defaultdict(list)
        self._unresolved: dict[str, list[Operation]] = defaultdict(list)
        self._served: dict[str, list[Operation]] = defaultdict(list)
        # By process and lane: applied, and not on disk as far as anybody was told.
        self._applied: dict[tuple[str, int], list[Operation]] = defaultdict(list)
        self._repeated: dict[int, Operation] = {}

    # ---- lives

    def begin(self, label: str) -> dict[str, Any]:
        """What a process is told that is to be started: what it must have, and what it is to ask again."""
        expected = [[each.agent_id, each.field, each.number] for each in self._promised[label]]
        repeated = self._unresolved.pop(label, [])[-5:] + self._served.pop(label, [])[-3:]
        self._repeated |= {each.number: each for each in repeated}
        return {"expected": expected, "repeat": [[each.agent_id, each.field, each.number] for each in repeated]}

    def verified(self, child: Child, words: list[str]) -> None:
        expected = {n for _, _, n in child.role.expected}
        self._promised[child.label] = [each for each in self._promised[child.label] if each.number not in expected]
        self.counts["looked for after a restart, and found"] += len(expected)

    def died(self, label: str) -> None:
        """Killed: what it had open is known to nobody, what it had only applied is lost or not."""
        for call in self._open.pop(label, {}).values():
            self.outcomes["never returned"] += 1
            if call.has_op_id and not call.operation.kept:
                self._unresolved[label].append(call.operation)
        for key in [key for key in self._applied if key[0] == label]:
            del self._applied[key]

    def finished(self) -> None:
        """All live, and none will be killed any more: what they have applied counts, too."""
        for operations in self._applied.values():
            self._keep(operations)

    # ---- what a process tells

    def call(self, child: Child, words: list[str]) -> None:
        n, agent, field, ask, lane, at, has_op_id = words
        operation = Operation(int(n), child.label, child.role.life, agent, field)
        self.ledgers[agent].operations.append(operation)
        self._open[child.label][int(n)] = Call(operation, int(ask), int(lane), has_op_id == "1")
        child.calls[int(n)] = float(at)
        self.counts["calls"] += 1

    def ran(self, child: Child, words: list[str]) -> None:
        n, removed = map(int, words)
        call = self._open[child.label].get(n)
        operation = self._repeated[n] if call is None else call.operation
        operation.tried = True
        # Repeated after a crash, it may do something else: then nothing is left of what it did first.
        operation.removes = removed if removed >= 0 else None

    def done(self, child: Child, words: list[str]) -> None:
        n, outcome, since, until = int(words[0]), words[1], float(words[2]), float(words[3])
        call = self._open[child.label].pop(n, None)
        child.calls.pop(n, None)
        if call is None:
            self._done_again(n, outcome)
            return
        operation = call.operation
        self.outcomes[f"{ASKS[call.ask].mode} {ASKS[call.ask].how} {outcome}"] += 1
        if outcome in _KEPT:
            lane = self._applied[child.label, call.lane]
            before = [each for each in lane if each.agent_id == operation.agent_id]
            self._applied[child.label, call.lane] = [each for each in lane if each.agent_id != operation.agent_id]
            self._keep([*before, operation])
            if call.has_op_id:
                self._served[child.label].append(operation)
        elif outcome == "applied":
            self._applied[child.label, call.lane].append(operation)
        elif outcome.startswith("refused") and operation.tried and outcome != "refused:Unavailable":
            raise Broken(f"update {n} was refused ({outcome}) after its function had run")
        elif call.has_op_id:
            self._unresolved[child.label].append(operation)
        if not ASKS[call.ask].needs_others:
            self._measure(child, operation, outcome, since, until, ASKS[call.ask])

    def _done_again(self, n: int, outcome: str) -> None:
        self.counts["repeated by op_id"] += 1
        if outcome in _KEPT:
            self._repeated[n].tried = True
            self._keep([self._repeated[n]])

    def flushed(self, child: Child, words: list[str]) -> None:
        self._keep(self._applied.pop((child.label, int(words[0])), []))

    def _keep(self, operations: list[Operation]) -> None:
        for operation in operations:
            if not operation.kept:
                operation.kept = True
                self.counts["kept"] += 1
                if operation.field in STEADY:
                    self._promised[operation.node].append(operation)

    def _measure(self, child: Child, operation: Operation, outcome: str, since: float, until: float, ask: Any) -> None:
        if child.was_disturbed(since, until):
            self.counts["calls while stopped, or without a disk"] += 1
            return
        self.latencies.append(until - since)
        what = f"{child.label} {operation.number} {ask.mode} {ask.how} {outcome} {until - since:.2f} s"
        if outcome.startswith("refused") or outcome == "unknown":
            self.failures.append(what)
        elif until - since > SLOW:
            self.slow.append(f"{what} at {since - self.started:.2f} s")

    # ---- the end

    def judge(self, values: dict[str, dict[str, Any]]) -> None:
        """Broken unless these values, which all nodes hold, are what was promised."""
        wrong = []
        for agent_id, ledger in sorted(self.ledgers.items()):
            tried = [each for each in ledger.operations if each.tried]
            if agent_id not in values:
                if any(each.kept for each in tried):
                    wrong.append(f"agent {agent_id!r} is gone")
                continue
            try:
                ledger.check(agent_id, values[agent_id])
            except Violation as violation:
                wrong.append(str(violation))
        if alien := sorted(values.keys() - self.ledgers.keys()):
            wrong.append(f"agents that nobody made: {alien}")
        if wrong:
            raise Broken("\n".join(wrong))

    def available(self) -> float:
        """The share of undisturbed calls needing nobody else that were answered well within a second."""
        total = len(self.latencies)
        return 1.0 if not total else 1.0 - (len(self.failures) + len(self.slow)) / total

    def report(self) -> list[str]:
        latencies = sorted(self.latencies) or [0.0]
        shown = " ".join(
            f"{name} {1000 * latencies[int(q * (len(latencies) - 1))]:.1f} ms"
            for name, q in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
        )
        lines = [
            f"{self.counts['calls']} updates called, {self.counts['kept']} promised: all there, none twice",
            f"  {self.counts['looked for after a restart, and found']} looked for after a restart, "
            f"{self.counts['repeated by op_id']} repeated by op_id",
            f"calls that need no other node: {len(self.latencies)}, {100 * self.available():.3f} % answered within "
            f"{SLOW:.0f} s ({len(self.failures)} failed, {len(self.slow)} slow); {shown}",
            f"  left out: {self.counts['calls while stopped, or without a disk']} while stopped or without a disk",
        ]
        lines += [f"  failed: {each}" for each in self.failures[:5]]
        lines += [f"  slow: {each}" for each in self.slow[:5]]
        lines.append("outcomes:")
        return lines + [f"  {count:8d} {what}" for what, count in sorted(self.outcomes.items())]
