"""The calls in the mode `replicated`, from the caller's side: run, wait for the verdict; on a conflict, run again."""

from asyncio import get_running_loop, sleep
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from crdt import VersionVector
from replication.access import UpdateResult
from replication.arguments import plain_id
from replication.awaiting import settled
from replication.errors import OutcomeUnknown, Overloaded, ReplicationError, Timeout, Unavailable
from replication.runtime import Runtime, Waiter
from replication.store import busy
from replication.strong.asking import Asking
from replication.strong.attempt import Attempt, ask_again, refuse
from replication.strong.core import StrongCore
from replication.strong.heads import Change, Joined, Wait
from replication.strong.machine import HOLDS, INVALID
from replication.strong.recovery import is_over, rejoin_advice
from replication.strong.rounds import Rounds
from replication.ticket import FutureTicket, Ticket
from replication.transaction import under_way

# Seconds between two looks whether somebody leads, or whether there is room.
_LOOK_EVERY = 0.005
# Seconds after which a coroutine looks again at an agent that is busy: the first time. Then longer, up to the above.
_LOOK_SOON = 0.0002
# Looks between two times that who leads is asked to change who votes; and how much longer than for somebody who leads
# that is waited for: a node that is to vote may have a log to catch up with.
_LOOKS_BETWEEN = 40
_MANAGE_PATIENCE = 10
# How much longer is waited while a majority can be reached.
_HOPE = 3
# What is asked for, and why who leads may not have done it, in words.
_ACTS = {"add": "have {!r} vote", "remove": "let go of the vote of {!r}", "transfer": "have {!r} lead"}
_REASONS = {
    "behind": "it does not answer who leads, or still lacks too much of the log",
    "pending": "another change of members is under way, or who leads has just been elected",
    "transferring": "who leads is handing over to another",
    "not leader": "who leads did not answer, or changed",
}
# What was not done for a caller who found nobody who leads, and what else it can do.
_CHANGED = "applied", ", or allow fallback=('crdt_enhanced',)"
_READ = "read", ", or read with consistency='reactive' for what this node has"
_MANAGED = "changed", ""
# Why a node may not count.
NOT_MET, OTHER_GROUP = "not met", "of another group"
# Why there will be no verdict here.
ENDED = "this node was closed, or its disk failed"


class Calls:
    """Used by callers' threads and event loops.

    wake      have time pass on this node, which may have nobody else
    run_soon  have done what the core wants done
    missing   why a voter does not count just now, "" if it does
    refusal   the error of a caller for whom nothing more can be done here, told what was not; None while it can
    patience  seconds to wait for somebody who leads; more if a majority can be reached
    """

    def __init__(
        self,
        rounds: Rounds,
        core: StrongCore,
        runtime: Runtime,
        wake: Callable[[], None],
        run_soon: Callable[[], None],
        missing: Callable[[str], str],
        refusal: Callable[[str], ReplicationError | None],
        patience: float,
    ) -> None:
        self._rounds = rounds
        self._core = core
        self._runtime = runtime
        self._wake = wake
        self._run_soon = run_soon
        self._missing = missing
        self._refusal = refusal
        self._patience = patience
        self._asking = Asking(runtime, self._read, lambda: refusal("read"))

    def change(
        self,
        agent_id: str,
        fn: Any,
        op_id: str | None,
        expected: VersionVector | None,
        timeout: float | None,
        has_weaker: bool,
    ) -> Change:
        """What `update` and `aupdate` take. The time begins to run."""
        agent_id = agent_id if type(agent_id) is str else plain_id(agent_id)
        return Change(agent_id, fn, op_id, expected, timeout, self._runtime.time(), has_weaker)

    def weaker(self, error: Unavailable, agent_id: str, op_id: str | None, words: tuple[str, ...]) -> str:
        """The mode that may serve a call that this one cannot; the error if there is none."""
        if not error.is_of_update_fn and op_id is not None and self._rounds.is_under_way(agent_id, op_id):
            raise under_way(op_id) from error
        if error.is_of_update_fn or not words:
            raise error
        return words[0]

    def update(self, change: Change) -> UpdateResult:
        """Return once it is committed, and applied here. Unavailable, OutcomeUnknown, or what the function raises."""
        while True:
            self._wait_for_leader(change.led_by, _CHANGED)
            waiter = self._runtime.waiter()
            ticket = _ticket_of(waiter, change.op_id)
            left = self._left(change.deadline)
            # 0.0 would be for who must not wait at all, neither for the disk.
            patience = None if left is None else max(left, _LOOK_SOON)
            joined = self._rounds.join(change, ticket, patience)
            if isinstance(joined, Wait):
                self._check_time(change, joined)
                self._runtime.waiter().wait(_LOOK_EVERY)
                continue
            if joined.attempt is not None:
                self._check_put(joined.attempt)
                if not waiter.wait(self._left(change.deadline)):
                    raise self._give_up(change, ticket)
            result = self._result(joined, ticket)
            if result is not None:
                return result

    async def aupdate(self, change: Change) -> UpdateResult:
        """As `update`. An agent that is busy is looked at again later: the event loop waits for no lock and no disk."""
        pause = _LOOK_SOON
        while True:
            if not self._has_leader(_CHANGED):
                await self._await_leader(change.led_by, _CHANGED)
            ticket = FutureTicket(None, change.op_id)
            joined = self._rounds.join(change, ticket, 0.0)
            if isinstance(joined, Joined):
                if joined.attempt is not None:
                    self._check_put(joined.attempt)
                    try:
                        await settled(ticket, self._left(change.deadline))
                    except TimeoutError:
                        raise self._give_up(change, ticket) from None
                result = self._result(joined, ticket)
                if result is not None:
                    return result
            elif joined is Wait.ABSENT:
                await get_running_loop().run_in_executor(None, self._rounds.fetch, change.agent_id)
            else:
                self._check_time(change, joined)
                await sleep(pause)
                pause = min(2 * pause, _LOOK_EVERY)

    def _check_put(self, attempt: Attempt) -> None:
        """Who joined it after `Group` had looked for such, since nothing more is decided, would wait for ever."""
        if self._refusal("applied") is not None:
            attempt.fail(ENDED)
        elif self._core.heir:
            attempt.fail(is_over(self._core.group, self._core.heir))

    def _check_time(self, change: Change, why: Wait) -> None:
        """Timeout or Overloaded if the time is over."""
        if self._runtime.time() >= change.deadline:
            if why is Wait.BUSY:
                raise busy(change.agent_id, change.timeout)
            raise Overloaded(
                f"agent {change.agent_id!r} is changed by more callers than the group could serve within "
                f"{change.timeout} s: nothing was applied. Give it more time, or have fewer call at once"
            )

    def _left(self, deadline: float) -> float | None:
        return None if deadline == inf else deadline - self._runtime.time()

    def _result(self, joined: Joined, ticket: Ticket) -> UpdateResult | None:
        """The result if it holds; None to run again."""
        attempt = joined.attempt
        if attempt is None or attempt.verdict == HOLDS:
            return joined.result
        if ticket.error is not None:
            raise ticket.error
        if attempt.verdict == INVALID:
            raise RuntimeError(f"the group refused an entry for agent {attempt.agent_id!r} that this node had made")
        return None

    # Whether there is anybody to ask

    def _has_leader(self, wish: tuple[str, str]) -> bool:
        """Whether somebody leads now; if not, somebody is to."""
        core = self._core
        core.is_wanted = True
        if core.raft.leader and not core.heir and self._refusal(wish[0]) is None:
            return True  # what is put to it has time pass
        self._is_led(inf, inf, wish)  # which raises if there will be nobody
        self._wake()
        return False

    def _wait_for_leader(self, deadline: float, wish: tuple[str, str]) -> None:
        if self._has_leader(wish):
            return
        since = self._runtime.time()
        while not self._is_led(since, deadline, wish):
            self._runtime.waiter().wait(_LOOK_EVERY)

    async def _await_leader(self, deadline: float, wish: tuple[str, str]) -> None:
        since = self._runtime.time()
        while not self._is_led(since, deadline, wish):
            await sleep(_LOOK_EVERY)

    def _is_led(self, since: float, deadline: float, wish: tuple[str, str]) -> bool:
        """Whether somebody leads; Unavailable if nobody has for long enough, or what is true if this node has ended."""
        self._check_open(wish[0])
        if self._core.heir:
            raise self._retired()
        if self._core.raft.leader:
            return True
        now = self._runtime.time()
        if now >= min(deadline, since + self._patience):
            _, have, need = self._majority()
            # Slow disks and split votes take an election several timeouts.
            if have < need or now >= min(deadline, since + _HOPE * self._patience):
                raise self._unavailable(*wish)
        return False

    def _majority(self) -> tuple[dict[str, str], int, int]:
        """The voters, each with why it does not count just now, "" if it does; how many do, and how many are needed."""
        voters, outgoing = self._core.raft.configuration[:2]
        missing = {name: self._missing(name) for name in (*voters, *outgoing)}
        return missing, sum(not missing[name] for name in voters), len(voters) // 2 + 1

    def _check_open(self, undone: str) -> None:
        refusal = self._refusal(undone)
        if refusal is not None:
            raise refusal

    def _retired(self) -> Unavailable:
        core = self._core
        return Unavailable(f"{is_over(core.group, core.heir)}. Nothing was applied or read. {rejoin_advice(core.name)}")

    def _unavailable(self, undone: str, instead: str) -> Unavailable:
        missing, have, need = self._majority()
        voters = len(self._core.raft.configuration.voters)
        if voters:
            who = ", ".join(f"{name} ({why})" for name, why in sorted(missing.items()) if why)
            why = f"{have} of the {voters} voters can be reached and {need} are needed"
            why += f"; missing: {who}" if who else ", so one of them may be elected in a moment"
            then = "try again when they are back"
            if have < need:
                then += ", recover the group if they are lost for good (nexus-state recover)"
        else:
            why = "this node has not met a group"
            then = "open the voters with bootstrap=[their names], or give peers= of a group that there is"
        return Unavailable(
            f"nobody leads, so nothing can be agreed on: {why}. Nothing was {undone}: {then}{instead}",
            have=have,
            need=need,
            peers={name: "not reachable" if why else "reachable" for name, why in missing.items()},
        )

    def _give_up(self, change: Change, ticket: Ticket) -> OutcomeUnknown:
        ticket.abandoned = True
        return OutcomeUnknown(
            f"the change of agent {change.agent_id!r} was put to the group, and was not committed within "
            f"{change.timeout} s: it may be, later. {ask_again(change.op_id)}",
            op_id=change.op_id,
        )

    # Who votes, and who leads

    def manage(self, act: str, name: str) -> None:
        """Have that node vote ("add"), or not any more ("remove"), or lead ("transfer"). Returns once it is so.

        ValueError if it cannot be the one, Timeout if that takes too long: it may happen later.
        """
        deadline = self._runtime.time() + _MANAGE_PATIENCE * self._patience
        self._wait_for_leader(deadline, _MANAGED)
        self._check_name(act, name)
        why = ""
        while not self._is_managed(act, name):
            self._check_open("changed")
            self._check_name(act, name)
            if self._runtime.time() >= deadline:
                reason = _REASONS.get(why, why or "it was not agreed on")
                raise Timeout(
                    f"the group did not {_ACTS[act].format(name)} in time: {reason}. "
                    "It may still happen: look at members() and status()['replicated'], and call again"
                )
            heard: list[str] = []
            self._runtime.call_soon(self._manage, act, name, heard)
            for _ in range(_LOOKS_BETWEEN):
                self._runtime.waiter().wait(_LOOK_EVERY)
                if self._is_managed(act, name):
                    return
            why = heard[0] if heard else why

    def _check_name(self, act: str, name: str) -> None:
        """ValueError if that node cannot be the one."""
        configuration = self._core.raft.configuration
        voters = configuration.voters
        there = f"the voters are {', '.join(voters)}, and {', '.join(configuration.learners) or 'nobody'} learns"
        missing = self._missing(name)
        if missing == NOT_MET and name in configuration.members:
            missing = ""  # others have
        if not voters:
            return  # it follows who leads, and has nothing of the log yet
        if act == "add" and missing in (NOT_MET, OTHER_GROUP):
            raise ValueError(
                f"{name!r} is not a member of the group ({missing}), and so cannot vote: {there}. A node "
                "becomes a member, as a learner, once who leads has met it: open it with peers=, and look at members()"
            )
        if act == "remove" and voters == (name,):
            raise ValueError(
                f"{name!r} is the only voter, and a group needs one: have another vote first, by add_voter()"
            )
        if act == "remove" and missing == NOT_MET:
            raise ValueError(f"{name!r} does not vote, and nobody has met a node of that name: {there}")
        if act == "transfer" and name not in voters:
            raise ValueError(
                f"{name!r} does not vote, and so cannot lead: {there}. Have it vote first, by add_voter({name!r})"
            )

    def _manage(self, act: str, name: str, heard: list[str]) -> None:
        """In the runtime's thread."""
        if self._core.heir:
            return
        heard.append(self._core.members.manage(act, name))
        self._wake()
        self._run_soon()

    def _is_managed(self, act: str, name: str) -> bool:
        raft = self._core.raft
        if act == "transfer":
            return raft.leader == name
        return not raft.configuration.is_joint and (name in raft.configuration.voters) == (act == "add")

    # Reading

    def wait_to_read(self, timeout: float | None) -> None:
        """Return once this node's states have everything that was committed before now. Unavailable, Timeout."""
        deadline = inf if timeout is None else self._runtime.time() + timeout
        self._wait_for_leader(deadline, _READ)
        waiter = self._runtime.waiter()
        ticket = _ticket_of(waiter)
        self._asking.add(ticket)
        try:
            if not waiter.wait(self._left(deadline)):
                raise _too_late(timeout)
        finally:
            ticket.abandoned = not ticket.is_settled
        if ticket.error is not None:
            raise ticket.error

    async def await_to_read(self, timeout: float | None) -> None:
        """As `wait_to_read`."""
        deadline = inf if timeout is None else self._runtime.time() + timeout
        if not self._has_leader(_READ):
            await self._await_leader(deadline, _READ)
        ticket = FutureTicket(None)
        self._asking.add(ticket)
        try:
            await settled(ticket, self._left(deadline))
        except TimeoutError:
            raise _too_late(timeout) from None
        finally:
            ticket.abandoned = not ticket.is_settled
        if ticket.error is not None:
            raise ticket.error

    def end(self) -> None:
        """Nobody will be asked any more. From any thread."""
        self._asking.end()

    def _read(self, tickets: Sequence[Ticket]) -> None:
        """In the runtime's thread."""
        refusal = self._refusal("read") or (self._retired() if self._core.heir else None)
        if refusal is not None:
            refuse(tickets, refusal)
        else:
            self._core.read(tuple(tickets), self._runtime.time())
            self._wake()
            self._run_soon()


def _too_late(timeout: float | None) -> Timeout:
    return Timeout(
        f"who leads did not say within {timeout} s what is newest, so it was not read. Read with "
        "consistency='reactive' for what this node has, or try again"
    )


def _ticket_of(waiter: Waiter, op_id: str | None = None) -> Ticket:
    return Ticket(None, lambda _: waiter.done(), op_id)
