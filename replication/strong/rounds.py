"""Callers who change agents through the log, many at a time.

A caller runs its function on the agent's *head*: a fork of the state that writes as the group, on which those functions
ran before whose changes have no verdict yet. What several did goes into the log as one attempt, one attempt of an
agent at a time. If it holds, the next follows, already made; if it conflicts, another node was faster, the head is
thrown away with all that was done on it, and every caller runs its function again on a new one.

Callers' threads run functions, under a lock for each agent: that is in `heads`. The runtime's thread closes attempts
and hears of verdicts.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any

from crdt import VersionVector
from replication.errors import Overloaded
from replication.runtime import Runtime
from replication.slot import Slot
from replication.store import Store
from replication.strong.attempt import Attempt
from replication.strong.heads import TOGETHER_MAX, Head, Heads, Joined
from replication.strong.machine import CONFLICT, HOLDS
from replication.ticket import Ticket
from replication.transaction import Transactions

# Seconds after which an agent is looked at again in which a function is running.
_AGAIN_AFTER = 0.001
# Heads that are kept while nothing is done on them, so that the next caller need not copy the agent.
_IDLE_MAX = 64
# Looks at them for each new one. It takes two to let go of one that was used once; many more would cost more than they
# find where thousands are in use at a time.
_LOOKS = 8


class Rounds(Heads):
    """The heads of the agents that are being changed.

    group    under which name the group writes, "" if there is none yet
    run      runs a function on the state of a head as one transaction
    durable  calls back, in the runtime's thread, once an agent is on this disk as it is now, or will not be
    put      hands attempts to the core; but for those that are too large, which are returned
    go       has done what comes of it; not needed while the core tells of verdicts
    held     what the log has brought of an agent
    wait     seconds from now until an attempt of that agent may be put, unless `moved` is called before
    """

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        transactions: Transactions,
        group: Callable[[], str],
        run: Callable[[Head, Any], Any],
        durable: Callable[[Slot, Callable[[bool], None]], None],
        put: Callable[[Iterable[Attempt]], list[Attempt]],
        go: Callable[[], None],
        held: Callable[[str], VersionVector],
        wait: Callable[[str, float], float],
    ) -> None:
        self._group = group
        self._store = store
        self._slots = store.slots
        self._runtime = runtime
        self._transactions = transactions
        self._run_on = run
        self._durable = durable
        self._put = put
        self._go = go
        self._held = held
        self._wait = wait
        self._lock = threading.Lock()  # of the table, for who adds to it; it is read without
        self._due: deque[Head] = deque()  # whose attempts are to be put into the log
        self._is_woken = False  # the runtime's thread, to look at them
        self._closed: list[Attempt] = []  # which nobody can join any more; for `_offer`
        self._heads = OrderedDict()

    # In callers' threads

    def _served(self, agent_id: str, op_id: str) -> Joined | None:
        served = self._transactions.served(op_id)
        return None if served is None else Joined(self._transactions.replayed(agent_id, op_id, served), None)

    def fetch(self, agent_id: str) -> None:
        """Have the agent in memory, where it may stay or not. Reads the disk."""
        self._store.fetch(agent_id)

    def is_under_way(self, agent_id: str, op_id: str) -> bool:
        """Whether an operation has been done here, or is about to be, and may come into the log."""
        head = self._heads.get(agent_id)
        if head is not None and head.asked == op_id:
            return True
        attempts = () if head is None else (head.under_way, head.open)
        return any(result.op_id == op_id for attempt in attempts if attempt is not None for result in attempt.results)

    def _rejoin(self, head: Head, op_id: str, ticket: Ticket) -> Joined | None:
        """Who asks again for what has no verdict yet waits for that: run once more, it would be there twice."""
        for attempt in (head.under_way, head.open):
            for result in attempt.results if attempt is not None else ():
                if attempt is not None and result.op_id == op_id:
                    attempt.tickets.append(ticket)
                    if attempt.verdict:  # since just now, and its tickets may have been taken
                        ticket.finish()
                    return Joined(self._transactions.replayed(head.agent_id, op_id, result.data), attempt)
        return None

    def _new_head(self, agent_id: str) -> Head:
        with self._lock:
            head = self._heads.get(agent_id)
            if head is None:
                head = self._heads[agent_id] = Head(agent_id)
                self._let_go()
            return head

    def _let_go(self) -> None:
        """Have those go that nobody has used since they were last looked at (second chance, "CLOCK")."""
        for _ in range(_LOOKS):
            if len(self._heads) <= _IDLE_MAX:
                return
            agent_id, head = next(iter(self._heads.items()))
            if head.used or not head.is_idle:
                head.used = False
                self._heads.move_to_end(agent_id)
            else:
                # Whoever found it just now goes on with it; two heads of an agent conflict, which does no harm.
                del self._heads[agent_id]

    def _close_soon(self, head: Head) -> None:
        """To wake the runtime's thread is a system call: one for all heads of the same moment."""
        self._due.append(head)
        if not self._is_woken:
            self._is_woken = True
            try:
                self._runtime.call_soon(self._close_due)
            except BaseException:  # of a signal's handler: whoever comes next sees to it
                self._is_woken = False
                raise

    # In the runtime's thread

    def _close_due(self) -> None:
        self._is_woken = False  # whoever comes from now on sees to it
        while self._due:
            self._close(self._due.popleft())
        self._offer()
        self._go()

    def _close(self, head: Head) -> None:
        """Have the open attempt put into the log by the next `_offer`, unless one of that agent is under way."""
        if head.under_way is not None:
            head.is_due = False  # its verdict looks for the next
            return
        wait = self._wait(head.agent_id, self._runtime.time())
        if wait > 0:
            self._runtime.call_later(wait, self._close_soon, head)
            return
        if not head.acquire(0.0):
            head.is_wanted = True
            if not head.acquire(0.0):
                return  # who holds it sees the wish when done
        try:
            head.is_due = False
            attempt, head.open = head.open, None
            if attempt is None:
                return
            head.under_way = attempt
            held = self._held(head.agent_id)
            is_late = self._is_late(head, attempt, held)
            if not is_late:
                self._fill(head, attempt, held)
                slot = self._ahead_of_disk(head, held)
        finally:
            head.release()
        if is_late:
            self._take_back(head, attempt)
        elif slot is None:
            self._closed.append(attempt)
        else:
            self._durable(slot, lambda is_durable: self._offer_late(attempt, is_durable))

    def _is_late(self, head: Head, attempt: Attempt, held: VersionVector) -> bool:
        """Whether the log has changed the agent since: it need not be asked. It is if the agent here is no newer."""
        behind = attempt.base < held.get(self._group(), 0)
        is_late = behind and attempt.base != head.late_at
        head.late_at = attempt.base if is_late else -1
        return is_late

    def _fill(self, head: Head, attempt: Attempt, held: VersionVector) -> None:
        top, writer = head.state.version, head.state.replica
        if top.get(writer, 0) > attempt.base:
            # With what the log has not brought of weaker changes: it may be built on.
            attempt.delta = head.state.delta(held._with(writer, attempt.base))
            attempt.top = top.to_bytes()

    def _ahead_of_disk(self, head: Head, held: VersionVector) -> Slot | None:
        """The agent if the delta may have changes that this node made, and its disk does not have: they must not leave.

        What the log has brought is in the logs of others.
        """
        slot = self._slots.get(head.agent_id)
        if slot is None or not (slot.dirty or slot.in_flight):
            return None
        top, writer = head.state.version, head.state.replica
        return None if top <= held._with(writer, top.get(writer, 0)) else slot

    def _offer_late(self, attempt: Attempt, is_durable: bool) -> None:
        if is_durable:
            self._closed.append(attempt)
            self._offer()
        else:
            attempt.fail("the disk of this node failed before that")

    def _offer(self) -> None:
        """Put what was closed into the log, together: that costs much less than one by one."""
        if not self._closed:
            return
        closed, self._closed = self._closed, []
        for attempt in self._put(closed):
            head: Head = attempt.owner
            head.most = max(1, len(attempt.tickets) // 2)
            if len(attempt.tickets) == 1:
                attempt.refuse(self._too_large(head, attempt))
            self._take_back(head, attempt)

    def _take_back(self, head: Head, attempt: Attempt) -> None:
        """It does not go into the log: who was not refused runs again."""
        attempt.verdict = CONFLICT
        for ticket in attempt.tickets:
            if not ticket.is_settled:
                ticket.finish()
        self._void(head, CONFLICT)

    def _too_large(self, head: Head, attempt: Attempt) -> Overloaded:
        return Overloaded(
            f"the changes of agent {head.agent_id!r}, and what they build on that the log has not brought yet, "
            f"come to {len(attempt.delta)} bytes, more than change_bytes_max. Nothing was applied: do less in "
            "one call, or raise change_bytes_max in open()",
            limit="change_bytes_max",
        )

    def decided(self, attempt: Attempt) -> None:
        """The log has its verdict."""
        head: Head = attempt.owner
        if attempt.verdict != HOLDS:
            self._void(head, attempt.verdict)
            return
        head.under_way = None
        head.most = min(TOGETHER_MAX, 2 * head.most)
        if head.open is not None and not head.is_due:
            head.is_due = True
            self._close(head)

    def moved(self, agents: Iterable[str]) -> None:
        """There were verdicts on these agents, and all of them have been told: it may be this node's turn."""
        for agent_id in agents:
            head = self._heads.get(agent_id)
            if head is not None and head.is_due:
                self._close(head)
        self._offer()

    def _void(self, head: Head, verdict: str) -> None:
        """What was done on the head does not hold: everybody begins again.

        Until then an attempt counts as under way, so that what is built on it does not go into the log.
        """
        if not head.acquire(0.0):
            self._runtime.call_later(_AGAIN_AFTER, self._void, head, verdict)
            return
        try:
            attempt, head.open, head.under_way, head.state = head.open, None, None, None
        finally:
            head.release()
        if attempt is not None:
            attempt.verdict = verdict
            for ticket in attempt.tickets:
                ticket.finish()

    def take_attempts(self) -> list[Attempt]:
        """Those that the core does not have; it will get no more."""
        with self._lock:
            heads, self._heads = list(self._heads.values()), OrderedDict()
        waiting = [head.under_way for head in heads if head.under_way is not None and not head.under_way.number]
        return [*waiting, *[head.open for head in heads if head.open is not None]]
