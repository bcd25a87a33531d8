"""Whether what clients saw could have come from one copy of the state, changed by one call at a time.

A history is *linearizable* if each call can be given a moment between its start and its end so that, done in the
order of these moments, the calls give the results that were seen (Herlihy and Wing, "Linearizability: A Correctness
Condition for Concurrent Objects", TOPLAS 1990). A call whose outcome nobody knows has no end: it may take effect
at any later moment, or never.

The search is that of Wing and Gong ("Testing and Verifying Concurrent Objects", JPDC 1993) as Lowe improved it
("Testing for Linearizability", 2017): try the calls that could be next, go back where none can, and never come
twice to the same set of calls done with the same state. Of open calls that ask the same only the oldest is tried: what
a later one could do in its place, it can do as well. Calls on different keys do not matter to each other, so each
key is searched by itself (locality, in Herlihy and Wing). At worst it takes time exponential in the number of calls
that overlap.

Pure: knows nothing of nodes.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from math import inf
from typing import Any, NamedTuple


class Call(NamedTuple):
    """What a client asked and was answered.

    asked       hashable
    start, end  when, on one clock; `end` is `math.inf` if the outcome is not known
    answer      what came back; of no meaning without an end
    """

    key: Hashable
    asked: Any
    answer: Any
    start: float
    end: float = inf

    @property
    def is_open(self) -> bool:
        """Whether nobody knows what came of it."""
        return self.end == inf


# What a call does: from the state and what was asked, the next state and the answer. States are hashable.
Step = Callable[[Any, Any], tuple[Hashable, Any]]


class Refutation(NamedTuple):
    """Calls on one key that no order explains.

    calls      all of that key, by their start
    explained  the most calls that could be put in order, and `state` what they led to
    stuck      the calls one of which had to be next, and none of which could
    """

    key: Hashable
    calls: tuple[Call, ...]
    explained: tuple[Call, ...]
    state: Any
    stuck: tuple[Call, ...]

    def __str__(self) -> str:
        lines = [f"the calls on {self.key!r} cannot have been done one at a time; {len(self.explained)} can:"]
        lines += [f"  {call.start:.6f} {call.asked!r} -> {call.answer!r}" for call in self.explained[-5:]]
        lines += [f"which led to {self.state!r}; and then none of these can be next:"]
        lines += [f"  {call.start:.6f} to {call.end:.6f} {call.asked!r} -> {call.answer!r}" for call in self.stuck]
        return "\n".join(lines)


class Undecided(Exception):
    """The search took more steps than it was given."""


def refute(history: Iterable[Call], step: Step, initial: Hashable, steps_max: float = inf) -> Refutation | None:
    """Why a history is not linearizable; None if it is. Undecided after so many steps for one key."""
    by_key: dict[Hashable, list[Call]] = {}
    for call in history:
        by_key.setdefault(call.key, []).append(call)
    for key, calls in by_key.items():
        found = _Search(sorted(calls, key=lambda call: call.start), step, initial, steps_max).run(key)
        if found is not None:
            return found
    return None


class _Event:
    """The start of a call, or its end, in a list of those that are not in order yet."""

    __slots__ = ("after", "before", "call", "end", "number")

    def __init__(self, number: int, call: Call, end: "_Event | None") -> None:
        self.number = number
        self.call = call
        self.end = end  # of a start: the call's end, if it has one
        self.before: _Event
        self.after: _Event | None = None

    @property
    def is_start(self) -> bool:
        return self.number >= 0

    def remove(self) -> None:
        self.before.after = self.after
        if self.after is not None:
            self.after.before = self.before

    def put_back(self) -> None:
        self.before.after = self
        if self.after is not None:
            self.after.before = self


class _Search:
    """The search over the calls of one key."""

    def __init__(self, calls: Sequence[Call], step: Step, initial: Hashable, steps_max: float) -> None:
        self._steps_left = steps_max
        self._calls = tuple(calls)
        self._step = step
        self._state = initial
        self._head = _chain(calls)
        self._older_twin = _older_twins(calls)
        self._closed = sum(not call.is_open for call in calls)  # those that must be explained
        self._done = 0  # one bit for each call that is in order
        self._seen: set[tuple[int, Hashable]] = {(0, initial)}
        self._order: list[tuple[_Event, Hashable]] = []  # with the state before it
        self._best: tuple[tuple[Call, ...], Hashable, tuple[Call, ...]] | None = None

    def run(self, key: Hashable) -> Refutation | None:
        event = self._head.after
        while self._closed:
            if event is not None and event.is_start:
                event = self._head.after if self._try(event) else event.after
                continue
            # A call ended, or all have, and it is in no order yet: what was taken last was wrong.
            best = self._keep_best()
            if not self._order:
                return Refutation(key, self._calls, *best)
            event = self._undo().after
        return None

    def _try(self, event: _Event) -> bool:
        """Put a call next, if it may be and that leads somewhere new."""
        twin = self._older_twin.get(event.number)
        if twin is not None and not self._done >> twin & 1:
            return False
        self._steps_left -= 1
        if self._steps_left < 0:
            raise Undecided(f"no verdict on {len(self._calls)} calls on {event.call.key!r}")
        state, answer = self._step(self._state, event.call.asked)
        if not event.call.is_open and answer != event.call.answer:
            return False
        done = self._done | 1 << event.number
        if (done, state) in self._seen:
            return False
        self._seen.add((done, state))
        self._order.append((event, self._state))
        self._done, self._state = done, state
        event.remove()
        if event.end is not None:
            event.end.remove()
            self._closed -= 1
        return True

    def _undo(self) -> _Event:
        event, self._state = self._order.pop()
        self._done &= ~(1 << event.number)
        if event.end is not None:
            event.end.put_back()
            self._closed += 1
        event.put_back()
        return event

    def _keep_best(self) -> tuple[tuple[Call, ...], Hashable, tuple[Call, ...]]:
        """The longest order that was found so far, what it led to, and the calls that could not follow."""
        if self._best is None or len(self._order) > len(self._best[0]):
            stuck = []
            event = self._head.after
            while event is not None and event.is_start:
                stuck.append(event.call)
                event = event.after
            self._best = tuple(event.call for event, _ in self._order), self._state, tuple(stuck)
        return self._best


def _chain(calls: Sequence[Call]) -> _Event:
    """The head of a list of all starts and ends, by time; at one time, starts come first."""
    moments: list[tuple[float, bool, _Event]] = []
    for number, call in enumerate(calls):
        end = None if call.is_open else _Event(-1, call, None)
        moments.append((call.start, False, _Event(number, call, end)))
        if end is not None:
            moments.append((call.end, True, end))
    moments.sort(key=lambda moment: moment[:2])
    head = last = _Event(-1, calls[0], None)
    for _, _, event in moments:
        last.after, event.before = event, last
        last = event
    return head


def _older_twins(calls: Sequence[Call]) -> dict[int, int]:
    """For each open call, the last before it that asks the same and is open, too. By their places in order of start."""
    newest: dict[Hashable, int] = {}
    twins: dict[int, int] = {}
    for number, call in enumerate(calls):
        if call.is_open:
            if call.asked in newest:
                twins[number] = newest[call.asked]
            newest[call.asked] = number
    return twins
