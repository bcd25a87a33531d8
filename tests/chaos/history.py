"""What the clients of all processes asked of the log, when, and what they were answered. Judges it in the end.

A call whose process was killed, or that was answered `unknown`, has no end: it may have taken effect, or may later.
With an `op_id` it is asked for again, of any process, until it is answered; all that is one operation, with one effect.
"""

import json
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from random import Random
from typing import Any

from replication.simulation.linearizability import Call, Undecided, refute
from tests.chaos.callers import OPERATIONS_MAX
from tests.chaos.child import Broken, Child
from tests.strong.runs import one_copy

_KEPT = frozenset({"durable", "acknowledged", "committed", "kept"})
_ANSWERED = frozenset({"committed", "replayed", "read"})
# For one board, and the share of all boards that may be left without a verdict.
_STEPS_MAX, UNDECIDED_MAX = 1_000_000, 0.02
# Seconds that an order to ask again is given until it is taken for lost.
_ORDER_LASTS = 4.0
# How likely it is, at each look, that what is being asked for is asked for elsewhere at that time; and that one that
# has been answered is asked for again.
_TWICE_AT_ONCE, _AFTER_ALL = 0.002, 0.1


class Operation:
    """What somebody asked once, however often it was asked for again.

    place       how many operations with an op_id had been begun with it
    start, end  seconds; `end` is the first answer's, inf while there is none
    asks        how often it was asked for
    """

    __slots__ = (
        "agent_id", "answer", "asked", "asks", "end", "is_fresh", "is_unknown", "number", "op_id", "ordered", "place",
        "running", "start",
    )  # fmt: skip

    def __init__(
        self, number: int, place: int, agent_id: str, op_id: str, asked: tuple[Any, ...], start: float
    ) -> None:
        self.number, self.place, self.agent_id, self.op_id, self.asked = number, place, agent_id, op_id, asked
        self.start, self.end = start, inf
        self.answer: Any = None
        self.asks = 0
        self.running = 0  # of these, so many have not returned
        self.is_unknown = False
        self.is_fresh = False  # somebody was told that it was done for him, not before
        self.ordered = -inf

    @property
    def is_note(self) -> bool:
        return bool(self.asked[0] == "note")

    @property
    def may_have_effect(self) -> bool:
        return self.end < inf or self.is_unknown or self.running > 0


class History:
    """`hears` are the lines of processes that are for it, each by a method of its name."""

    hears = frozenset({"ask", "answer", "leader"})

    def __init__(self, started: float, random: Random, log: Any) -> None:
        self.started = started
        self.operations: dict[int, Operation] = {}
        self.outcomes: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.undecided: list[str] = []
        self.seconds: list[float] = []  # that updates took which were answered at once
        self.served: Counter[int] = Counter()  # calls answered, by the second
        self.leads: dict[str, tuple[int, str]] = {}
        self._random = random
        self._log = log
        self._running: dict[str, list[Operation]] = defaultdict(list)  # by process
        self._open: dict[int, Operation] = {}  # asked for again until they are answered
        self._kept: set[int] = set()  # notes
        self._answered: deque[Operation] = deque(maxlen=100)
        self._by_op_id = 0

    # ---- lives

    def begin(self, label: str) -> dict[str, Any]:
        """What a process is told that is to be started."""
        return {}

    def died(self, label: str) -> None:
        self.leads.pop(label, None)
        for operation in self._running.pop(label, []):
            operation.running -= 1
            operation.is_unknown = True
            self.outcomes["never returned"] += 1

    def leader(self, child: Child, words: list[str]) -> None:
        self.leads[child.label] = int(words[0]), words[1]

    def leading(self) -> str:
        """Who leads in the newest term that anybody has told of; "" if nobody knows."""
        _, name = max(self.leads.values(), default=(0, "-"))
        return "" if name == "-" else name

    # ---- what a process tells

    def ask(self, child: Child, words: list[str]) -> None:
        self._log(f"{child.label}.{child.role.life} ask {' '.join(words)}")
        n, at, agent_id, op_id, *asked = words
        number, start = int(n), int(at) / 1e9
        operation = self.operations.get(number)
        if operation is None:
            self._by_op_id += op_id != "-"
            more = tuple(int(word) if word.isdecimal() else word for word in asked)
            operation = Operation(number, self._by_op_id, agent_id, op_id.strip("-"), more, start)
            self.operations[number] = operation
            if operation.op_id:
                self._open[number] = operation
        else:
            self.counts["asked for again"] += 1
        operation.asks += 1
        operation.running += 1
        self._running[child.label].append(operation)
        child.calls[number] = start

    def answer(self, child: Child, words: list[str]) -> None:
        self._log(f"{child.label}.{child.role.life} answer {' '.join(words)}")
        number, end, outcome = int(words[0]), int(words[1]) / 1e9, words[2]
        operation = self.operations[number]
        operation.running -= 1
        self._running[child.label].remove(operation)
        child.calls.pop(number, None)
        self.outcomes[f"{' '.join(map(str, operation.asked[: 1 + operation.is_note]))}: {outcome}"] += 1
        if operation.is_note:
            if outcome in _KEPT:
                self._kept.add(number)
            operation.is_unknown = True  # of no meaning to a board's rules
        elif outcome in _ANSWERED:
            self._settle(operation, end, outcome, words[3])
        elif outcome == "unknown":
            operation.is_unknown = True

    def _settle(self, operation: Operation, end: float, outcome: str, shown: str) -> None:
        answer = _parsed(operation.asked, shown)
        if operation.end < inf and answer != operation.answer:
            raise Broken(f"{_name(operation)} was answered {operation.answer}, and when it was asked again {answer}")
        if outcome == "replayed" and operation.asks == 1:
            raise Broken(f"{_name(operation)} was said to have been served before, and had never been asked for")
        if outcome == "committed":
            if operation.is_fresh:
                raise Broken(f"{_name(operation)} was done twice, both times with the answer {answer}")
            operation.is_fresh = True
        if operation.asks == 1 and operation.asked[0] != "read":
            self.seconds.append(end - operation.start)
        self.served[int(end - self.started)] += 1
        operation.answer, operation.end = answer, min(operation.end, end)
        self._open.pop(operation.number, None)
        if operation.op_id:
            self._answered.append(operation)

    # ---- asking again

    def to_ask_again(self, now: float) -> Iterator[Operation]:
        """What nobody is asking for now and nobody knows the outcome of; now and then others, which changes nothing."""
        for operation in list(self._open.values()):
            if self._by_op_id - operation.place > OPERATIONS_MAX // 2:
                del self._open[operation.number]  # it may have been forgotten that it was done
                self.counts["too old to be asked for again"] += 1
            elif operation.running:
                if self._random.random() < _TWICE_AT_ONCE:
                    yield operation
            elif not operation.is_unknown:
                del self._open[operation.number]  # refused for certain
            elif now - operation.ordered > _ORDER_LASTS:
                operation.ordered = now
                yield operation
        if self._answered and self._random.random() < _AFTER_ALL:
            operation = self._random.choice(self._answered)
            if self._by_op_id - operation.place <= OPERATIONS_MAX // 2:
                yield operation

    def unanswered(self) -> list[str]:
        """What is asked for again and again."""
        return [_name(operation) for operation in self._open.values()]

    # ---- the end

    def finished(self) -> None:
        """All live, and none will be killed any more."""

    def judge(self, values: dict[str, dict[str, Any]]) -> None:
        """Broken unless these values, which all nodes hold, and all answers are those of one copy of each board."""
        by_board: dict[str, list[Operation]] = {}
        for operation in self.operations.values():
            by_board.setdefault(operation.agent_id, []).append(operation)
        wrong = []
        nothing = {"spent": 0, "claims": [], "notes": [], "looks": 0}
        for agent_id, operations in by_board.items():
            value = values.get(agent_id, nothing)
            wrong += self._judge_notes(agent_id, operations, value)
            wrong += self._judge_calls(agent_id, operations, value)
        if alien := sorted(values.keys() - by_board.keys()):
            wrong.append(f"boards that nobody made: {alien}")
        if wrong:
            raise Broken("\n".join(wrong))
        self.counts["boards"] = len(by_board)
        if len(self.undecided) > UNDECIDED_MAX * len(by_board):
            raise Broken(f"no verdict on {len(self.undecided)} of {len(by_board)} boards: {self.undecided}")

    def _judge_notes(self, agent_id: str, operations: list[Operation], value: dict[str, Any]) -> list[str]:
        notes, written = value["notes"], {each.number for each in operations if each.is_note}
        wrong = []
        if len(set(notes)) < len(notes) or value["looks"] != len(notes):
            wrong.append(f"{agent_id}: something is there twice: {sorted(notes)}, {value['looks']}")
        if alien := set(notes) - written:
            wrong.append(f"{agent_id}: nobody wrote the notes {sorted(alien)}")
        if lost := self._kept & written - set(notes):
            wrong.append(f"{agent_id}: promised, and lost, are the notes {sorted(lost)}")
        self.counts["notes promised"] += len(self._kept & written)
        return wrong

    def _judge_calls(self, agent_id: str, operations: list[Operation], value: dict[str, Any]) -> list[str]:
        calls = [
            Call(agent_id, each.asked, each.answer, each.start, each.end)
            for each in operations
            if not each.is_note and each.may_have_effect and (each.end < inf or each.asked[0] != "read")
        ]
        # A claim that nobody was answered and that is not there in the end has changed nothing.
        there = {who for _, who in value["claims"]}
        calls = [
            call for call in calls if not (call.is_open and call.asked[0] == "claim" and call.asked[2] not in there)
        ]
        end = max(max(call.start, 0.0 if call.is_open else call.end) for call in [*calls, _FIRST]) + 1.0
        seen = value["spent"], frozenset(map(tuple, value["claims"]))
        try:
            refutation = refute([*calls, Call(agent_id, ("read",), seen, end, end)], one_copy, _NEW, _STEPS_MAX)
        except Undecided:
            self.undecided.append(agent_id)
            return []
        self.counts["calls judged"] += len(calls)
        self.counts["of which open"] += sum(call.is_open for call in calls)
        return [] if refutation is None else [str(refutation)]

    def available(self) -> float:
        """The share of seconds in which somebody was answered, since the first and until the last of them."""
        if not self.served:
            return 0.0
        return len(self.served) / (1 + max(self.served) - min(self.served))

    def report(self) -> list[str]:
        latencies = sorted(self.seconds) or [0.0]
        shown = " ".join(
            f"{name} {1000 * latencies[int(q * (len(latencies) - 1))]:.1f} ms"
            for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        )
        moments = sorted(self.served) or [0]
        gap = max((b - a for a, b in pairwise(moments)), default=0)
        lines = [
            f"{self.counts['boards']} boards, {self.counts['calls judged']} calls judged, of which "
            f"{self.counts['of which open']} nobody knows the outcome of: all as of one copy",
            f"  no verdict on {len(self.undecided)} boards: {' '.join(self.undecided) or '-'}",
            f"  {self.counts['notes promised']} notes in weaker modes promised, and there; "
            f"{self.counts['asked for again']} times asked again by op_id, "
            f"{self.counts['too old to be asked for again']} operations too old for that",
            f"the group answered in {100 * self.available():.1f} % of the seconds, at worst {gap} s apart; "
            f"updates took {shown}",
            "outcomes:",
        ]
        return lines + [f"  {count:8d} {what}" for what, count in sorted(self.outcomes.items())]


_FIRST = Call("", (), None, 0.0)
_NEW = (0, frozenset[tuple[int, int]]())


def _name(operation: Operation) -> str:
    return f"call {operation.number} of {operation.agent_id} ({' '.join(map(str, operation.asked))})"


def _parsed(asked: tuple[Any, ...], shown: str) -> Any:
    """An answer as `one_copy` gives it."""
    value = json.loads(shown)
    return (value[0], frozenset(map(tuple, value[1]))) if asked[0] == "read" else value
