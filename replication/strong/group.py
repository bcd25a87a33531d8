"""What a node has of its group: the core that carries strong updates, and the way of its callers there.

A group is founded by the nodes that are told of the same voters, or by a node that has nobody else. It has a name,
which its members tell in their metadata, and keep. A node that was told of no voters becomes a member of the first
group whose leader takes it in. A group that lost its majority for good goes on as its heir, once it was
recovered on a closed store (see `recovery`): whoever still belongs to the old one, and meets the heir, retires.
"""

import hashlib
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import msgpack

from replication.config import Config
from replication.driver import Driver
from replication.errors import Closed, CorruptStore, ReplicationError, Unavailable
from replication.gossip.membership import Membership, MemberView
from replication.message_fields import MessageError
from replication.problems import Problems
from replication.raft.configuration import Configuration
from replication.raft.options import Options
from replication.runtime import Runtime
from replication.slot import Slot
from replication.storage import Note, Storage
from replication.store import Store
from replication.strong import journal
from replication.strong.attempt import Attempt
from replication.strong.calls import ENDED, NOT_MET, OTHER_GROUP, Calls
from replication.strong.core import StrongCore
from replication.strong.entries import is_heir
from replication.strong.heads import Head
from replication.strong.machine import Machine
from replication.strong.recovery import GROUP_NOTE, HEIR_NOTE, LEFT_NOTE, is_over, rejoin_advice
from replication.strong.rounds import Rounds
from replication.ticket import Ticket
from replication.transaction import Transactions

# Under which the name of the group is told.
_META = "group"
# Seconds in which a node that was just opened hears of all members there are.
_FORGOTTEN_AFTER = 60.0
# Seconds that others may learn later what is committed, if entries come meanwhile that tell it as well.
_NEWS_DELAY = 0.002
# Seconds between two looks at how far the states are.
_LOOK_EVERY = 0.002
# Election timeouts that a caller waits for somebody who leads.
_PATIENCE = 3


class Group:
    """Made by `cluster`.

    cluster   its name
    voters    whom this node was told of, or itself if it has nobody else: `is_alone`
    is_linked whether there is a link to a node
    """

    def __init__(
        self,
        cluster: str,
        storage: Storage,
        config: Config,
        runtime: Runtime,
        driver: Driver,
        membership: Membership,
        voters: Iterable[str],
        is_alone: bool,
        is_linked: Callable[[str], bool],
    ) -> None:
        self._runtime = runtime
        self._driver = driver
        self._membership = membership
        self._is_linked = is_linked
        self._patience = _PATIENCE * config.election_timeout
        self._rounds: Rounds
        self._calls: Calls
        self._has_ended = False
        identity, founders = storage.identity, tuple(sorted(set(voters)))
        notes = storage.notes()
        name, heir, self._left = [notes.get(each, b"").decode() for each in (GROUP_NOTE, HEIR_NOTE, LEFT_NOTE)]
        if name or self._left:
            founders = ()  # this node was told of them for its first start; since then it has had a group
        start, records = _read(storage, Configuration(founders))
        if founders:
            name = _name_of(cluster, (*founders, identity.store) if is_alone else founders)
        # Of no draw of others', so that what they draw does not hang on this.
        random = Random(f"{identity.name} {identity.store} {identity.opens}")
        self._opened = runtime.time()
        options = Options(
            election_timeout=config.election_timeout,
            heartbeat_interval=config.heartbeat_interval,
            lease_reads=config.lease_drift_max > 0,
            clock_drift_max=config.lease_drift_max,
            entry_bytes_max=config.entry_bytes_max,
            news_delay=_NEWS_DELAY,
        )
        self.core = StrongCore(
            identity.name, identity.opens, start, records, options, random, runtime.time(),
            config, lambda attempt: self._rounds.decided(attempt), lambda agents: self._rounds.moved(agents),
            lambda agent_id: storage.load(agent_id).parts,
            name, self._told_by, self._may_join, self._keep, self._is_gone,
            lambda seconds: runtime.call_later(seconds, self._remind),
        )  # fmt: skip
        self.core.heir = heir
        membership.set_meta({_META: name} if name else {})

    def _told_by(self, node: str) -> str:
        """The group that another node says it belongs to; "" for none."""
        return self._membership.meta_of(node).get(_META, "")

    def _may_join(self, group: str) -> bool:
        """A node that has left its group does not come back to it without its log: only to one that goes on from it."""
        return not self._left or is_heir(group, self._left)

    def look(self, views: Iterable[MemberView], problems: Problems) -> None:
        """Others have told something new: whether this node's group is over, or another's that this one came from."""
        own = self.core.group
        for view in views if own else ():
            other = view.meta.get(_META, "") if view.state in ("alive", "suspect") else ""
            if is_heir(other, own) and not self.core.heir:
                self._driver.keep_note(Note(HEIR_NOTE, other.encode()))
                self.core.retire(other)
                for attempt in self._rounds.take_attempts():
                    attempt.fail(is_over(own, other))
            elif other and is_heir(own, other):
                problems.tell(
                    f"group of {view.name}",
                    f"{view.name!r} still belongs to the group {other}, from which this one, {own}, was recovered: "
                    f"what it is asked in the mode 'replicated' is refused there, or was decided without this group. "
                    f"{rejoin_advice(view.name)}",
                )
            elif other:
                problems.pop(f"group of {view.name}", None)
        if self.core.heir:
            problems.tell("group", f"{is_over(own, self.core.heir)}. {rejoin_advice(self.core.name)}")

    def _keep(self, name: str) -> None:
        """This node belongs to that group, for good."""
        self._membership.set_meta({_META: name})
        self._driver.keep_note(Note(GROUP_NOTE, name.encode()))

    def _is_gone(self, node: str) -> bool:
        """Whether a node has left, or has not been heard of since long before this one was opened."""
        state = self._membership.state_of(node)
        return state == "left" or (state == "" and self._runtime.time() - self._opened > _FORGOTTEN_AFTER)

    def _remind(self) -> None:
        if self.core.remind(self._runtime.time()):
            self._driver.run_soon(self.core)

    def catch_up(self) -> None:
        """Wait until this node's states have what a log of its own has committed: a crash may have taken it from them.

        The others' part is to be read with `replicated`: what is committed, only a majority can tell.
        """
        while self.core.is_behind and not self.core.heir and self._driver.failure is None:
            self._runtime.waiter().wait(_LOOK_EVERY)

    def calls(self, store: Store, transactions: Transactions, run: Callable[[Head, Any], Any]) -> Calls:
        """The way of callers to the log. `run` runs a function on the state of a head, as one transaction."""
        transactions.committed = self.core.result
        self._rounds = Rounds(
            store, self._runtime, transactions, lambda: self.core.writer, run, self._when_durable, self._put,
            self._go, self.core.held, self.core.wait,
        )  # fmt: skip
        transactions.is_under_way = self._is_under_way
        self._calls = Calls(
            self._rounds, self.core, self._runtime, self._driver.keep_time,
            lambda: self._driver.run_soon(self.core), self._missing, self._refusal, self._patience,
        )  # fmt: skip
        return self._calls

    def _is_under_way(self, agent_id: str, op_id: str) -> bool:
        return self._rounds.is_under_way(agent_id, op_id) or op_id in self.core.undecided

    def _missing(self, node: str) -> str:
        """Why a voter does not count just now, "" if it does. From any thread."""
        if node == self.core.name:
            return ""
        state = self._membership.state_of(node)
        # A link stays up for long to a process that was stopped, or behind a cut.
        if self._is_linked(node) and state in ("", "alive"):
            return "" if self._told_by(node) in ("", self.core.group) else OTHER_GROUP
        # Who is remembered from before, or was heard of only, counts as alive until somebody has tried.
        return {"": NOT_MET, "alive": "does not answer", "suspect": "does not answer"}.get(state, state)

    def _put(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        if self.core.heir:
            for attempt in attempts:
                attempt.refuse(Unavailable(f"{is_over(self.core.group, self.core.heir)}. Nothing was applied"))
            return []
        return self.core.put(attempts, self._runtime.time())

    def _go(self) -> None:
        """Have done what comes of attempts that were put: at once, or, since others are about to, once for all."""
        self._driver.keep_time()
        if self.core.waiting > 1:
            self._driver.run_soon(self.core)
        else:
            self._driver.run_now(self.core)

    def _when_durable(self, slot: Slot, then: Callable[[bool], None]) -> None:
        def settled(ticket: Ticket) -> None:
            then(ticket.error is None)
            self._go()

        self._driver.submit(Ticket({slot}, settled))

    def end(self) -> None:
        """Nothing more is done for those who wait."""
        self._has_ended = True  # first, so that whoever comes too late for the rest sees it
        for attempt in self._rounds.take_attempts():
            attempt.fail(ENDED)
        self._calls.end()
        self.core.end(ENDED)

    def _refusal(self, undone: str) -> ReplicationError | None:
        failure = self._driver.failure
        if failure is not None:
            error = Unavailable(f"nothing was {undone}: {failure}")
            error.__cause__ = failure
            return error
        if self._has_ended:
            return Closed(f"nothing was {undone}: the node was closed. Open it again with replication.open() to use it")
        return None


def _read(storage: Storage, founders: Configuration) -> tuple[journal.Start, journal.RecordLog]:
    """The log that lies on disk. CorruptStore if it cannot be read: who does not know its votes must not vote."""
    try:
        start, records = journal.read(storage.records(), founders)
        if start.machine:
            Machine.from_bytes(start.machine)
    except MessageError as error:
        path = storage.path or "memory"
        raise CorruptStore(
            f"the log of strong updates in the store at {path} cannot be read, though its bytes are as they were "
            f"written: {error}. Nothing was changed: open it with the version of this library that wrote it, or give "
            "this node an empty directory and a name that no node had",
            path=path,
        ) from error
    return start, records


def _name_of(cluster: str, founders: tuple[str, ...]) -> str:
    return hashlib.blake2b(msgpack.packb((cluster, founders)), digest_size=6).hexdigest()
