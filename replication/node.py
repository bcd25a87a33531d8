"""The one class a user meets: a node, which keeps agents' state and carries their changes.

A call goes: check the arguments, take the agent's lock, run the caller's function as a
transaction on the state, mark the agent as changed, and, if a promise was asked for, wait until the
driver has kept it. Everything else lives one layer down: agents in `store`, the disk in `storage`, the
one thread in `driver`, the modes in `consistency`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from threading import RLock
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self, cast

from crdt import Composite, VersionVector
from replication import arguments
from replication import consistency as modes
from replication.access import BUSY, Access, UpdateResult
from replication.awaiting import kept
from replication.config import Config
from replication.delivery import Deliveries
from replication.driver import Driver
from replication.errors import Closed, OutcomeUnknown, Unavailable
from replication.identity import check_name
from replication.open_nodes import open_nodes
from replication.result import Member
from replication.room import Room
from replication.runtime import Runtime
from replication.storage import Storage
from replication.store import Store, busy
from replication.ticket import FutureTicket
from replication.transaction import Transactions
from replication.transport import Transport
from replication.watch import Watch, Watchers, resume_points

if TYPE_CHECKING:
    from replication.siblings import Siblings
    from replication.storage.directory import Home
    from replication.storage.sqlite import SQLiteStorage

# Seconds between two looks of a coroutine at an agent that is busy: from the first to the most.
_PAUSE_MIN, _PAUSE_MAX = 0.0002, 0.005


class Node(Access):
    """A node. Made by `open`; safe to use from any thread and any event loop; a context manager of both kinds.

    Every blocking method `x` has an awaitable twin `ax`, which never blocks the event loop.
    """

    def __init__(
        self,
        storage: Storage,
        schema: type[Composite],
        config: Config,
        cluster: str,
        runtime: Runtime,
        transport: Transport | None = None,
        peers: Iterable[str] = (),
        voters: Iterable[str] = (),
        is_alone: bool = False,
    ) -> None:
        self.name = storage.identity.name
        self.config = config
        self.cluster = cluster
        self._storage = storage
        self._runtime = runtime
        self._volatile = storage.path is None
        self._plans = arguments.PLANS
        self._started = runtime.time()
        self._watchers = Watchers()
        self._closing, self._is_closing = RLock(), False
        self._siblings: Siblings | None = None
        self._driver = Driver(storage, config, runtime, self._fail)
        self._store = Store(schema, storage, config, self._driver.wake, runtime.clock)
        self._store.wait_for_room = Room(config, self._driver, runtime).wait
        self._slots = self._store.slots
        self._changes = self._store.changes
        self._deliveries = Deliveries(self._store, self._watchers, config)
        # With it comes all that talks to other nodes, which would make importing the package slow.
        from replication.cluster import Cluster

        self._others = Cluster(
            cluster, storage, self._store, self._deliveries, config, runtime, self._driver, transport, peers, voters,
            is_alone,
        )  # fmt: skip
        self._deliveries.meeting = self._others.comeback
        self._transactions = Transactions(
            self._store, self.name, config.operation_bytes_max, lambda: self._others.replicas
        )
        self._calls = self._others.group.calls(self._store, self._transactions, self._run_on)
        if runtime.turnstile is not None:
            self._pass_through(runtime.turnstile)
        self._driver.start(self._store, self._deliveries, self._others)
        self._keep_out(runtime.thread)
        open_nodes.add(self)

    @property
    def address(self) -> str | None:
        """Where this node takes links, "host:port" as really bound; None if it does not listen."""
        return self._others.address

    # Changing and reading state: update_state and read_state are in Access

    async def aupdate_state(
        self,
        agent_id: str,
        update_fn: Callable[[Any], Any],
        consistency: str = "reactive",
        *,
        timeout: float | None = None,
        durable: bool = False,
        acks: int | str = 0,
        op_id: str | None = None,
        expected: VersionVector | None = None,
        fallback: Iterable[str] = (),
    ) -> UpdateResult:
        """As `update_state`. `update_fn` runs in the event loop's thread; only waiting happens elsewhere.

        Cancelled while it waits for the disk, the change stays applied.
        """
        started, begun = perf_counter(), self._runtime.time()
        plan = self._prepare(agent_id, consistency, timeout, acks, fallback)
        if plan is not None and plan.rank == modes.REPLICATED.rank:
            change = self._calls.change(agent_id, update_fn, op_id, expected, timeout, bool(plan.weaker))
            try:
                result = await self._calls.aupdate(change)
            except Unavailable as error:
                mode, rest = self._calls.weaker(error, agent_id, op_id, plan.weaker), plan.weaker[1:]
                left = None if timeout is None else max(0.0, timeout - (self._runtime.time() - begun))
                options: dict[str, Any] = {"timeout": left, "op_id": op_id, "expected": expected, "fallback": rest}
                options |= {"durable": durable, "acks": self._transactions.acks_in(mode, acks)}
                result = await self.aupdate_state(agent_id, update_fn, mode, **options)
            self._mark_elapsed(result, started)
            return result
        ticket = None if plan is None else FutureTicket(None, op_id, plan.rank, plan.acks)
        pause: float | None = 0.0
        while (done := self._run_now(agent_id, update_fn, op_id, expected, started, plan, ticket)) is None:
            pause = await self._look_again(agent_id, timeout, arguments.deadline(begun, timeout), pause or 0.0)
        result = done
        if ticket is not None:
            self._driver.carried(ticket)
            await kept(ticket, timeout, self._runtime.time() - begun)
            self._mark_carried(result, ticket, started)
            return result
        if durable and not self._volatile:
            slot = self._slots.get(agent_id)  # if not there any more, it is on disk
            ticket = FutureTicket(set() if slot is None else {slot}, op_id)
            self._driver.submit(ticket)
            await kept(ticket, timeout, self._runtime.time() - begun)
            self._mark_durable(result, started)
        return result

    async def aread_state(
        self,
        agent_id: str,
        fn: Callable[[Any], Any] | None = None,
        *,
        consistency: str = "reactive",
        timeout: float | None = None,
    ) -> Any:
        """As `read_state`; `fn` runs in the event loop's thread."""
        if self._check_read(consistency, timeout):
            await self._calls.await_to_read(timeout)
        self._arrive(agent_id)
        pause: float | None = 0.0
        deadline: float | None = None
        while (found := self._look_now(agent_id, fn, pause is None)) is BUSY:
            deadline = deadline or arguments.deadline(self._runtime.time(), timeout)
            pause = await self._look_again(agent_id, timeout, deadline, pause or 0.0, create=False)
        return found

    def agents(self) -> Iterator[str]:
        """The ids of all agents that were ever changed, in no meaningful order, read from the store as asked for."""
        self._check_not_closed()
        return self._store.agents()

    def watch(self, pattern: str = "*", *, since: VersionVector | Mapping[str, VersionVector] | None = None) -> Watch:
        """A stream of every `Change` to the agents whose id matches the shell-style `pattern`, from now on.

        With `since` (the version of one agent, or a mapping of ids to versions) first comes one
        summary for each matching agent that is further than that. A reader that lies behind by more
        than `watch_buffer` changes is told how many it missed of which agent. A watched field's
        value is read before and after each change, which costs a copy of it.
        """
        self._check_not_closed()
        if not isinstance(pattern, str):
            raise TypeError(f"pattern={pattern!r} must be a str such as 'agent-*', not {type(pattern).__name__}")
        backlog = iter(()) if since is None else resume_points(self._store.agents(), pattern, since)
        watch = Watch(self._watchers, pattern, self.config.watch_buffer, self._value_and_version, backlog)
        self._watchers.add(watch)
        return watch

    def awatch(self, pattern: str = "*", *, since: VersionVector | Mapping[str, VersionVector] | None = None) -> Watch:
        """As `watch`, for `async for`."""
        return self.watch(pattern, since=since)

    def _value_and_version(self, agent_id: str) -> tuple[Any, VersionVector]:
        found: tuple[Any, VersionVector] = self.read_state(agent_id, lambda s: (s.value, s.version))
        return found

    # About the node

    def members(self) -> list[Member]:
        """The nodes of the cluster as this node sees them, itself included."""
        self._check_not_closed()
        return self._others.members

    def status(self) -> dict[str, Any]:
        """What the node is doing, as plain data that JSON takes. O(agents in memory)."""
        self._check_not_closed()
        seconds, updates = self._runtime.time() - self._started, self._store.update_count()
        failure = self._driver.failure
        return {
            "name": self.name,
            "writer": self._storage.identity.writer,
            "cluster": self.cluster,
            "address": self.address,
            "path": self._storage.path,
            "open": failure is None,
            "uptime_seconds": seconds,
            "updates": updates,
            "updates_per_second": updates / seconds if seconds else 0.0,
            "agents_stored": self._storage.agent_count(),
            "agents_in_memory": len(self._store),
            "agents_dirty": self._store.changes.dirty_count,
            "operations_remembered": len(self._store.operations),
            "watches": len(self._watchers),
            "flush": self._driver.status(),
            "bytes_on_disk": self._storage.bytes_on_disk(),
            "last_error": None if failure is None else str(failure),
            **self._others.status(),
        }

    def forget(self, name: str) -> None:
        """Do not wait any longer, here and everywhere, for a dead node that will not come back.

        ValueError unless it is dead in `members()`. Should it come back all the same, it is a member again.
        """
        self._check_not_closed()
        self._others.forget(check_name(name))

    def add_voter(self, name: str) -> None:
        """Have a member of the cluster vote in the mode "replicated"; returns once it does, on any node.

        It has been sent the log since it was met, and votes only once it has nearly all of it. ValueError if it was
        not met; Unavailable if nobody leads; Timeout after half a minute by default, it may happen later.
        """
        self._begin("add_voter()")
        self._calls.manage("add", check_name(name))

    def remove_voter(self, name: str) -> None:
        """Have a member vote no more, dead or alive; otherwise as `add_voter`. ValueError for the last one."""
        self._begin("remove_voter()")
        self._calls.manage("remove", check_name(name))

    def transfer_leadership(self, name: str) -> None:
        """Have a voter lead in the mode "replicated", for example before the node that leads is closed."""
        self._begin("transfer_leadership()")
        self._calls.manage("transfer", check_name(name))

    # The end

    def flush(self, timeout: float | None = None) -> None:
        """Return once everything changed so far is on disk. OutcomeUnknown after `timeout` seconds."""
        self._begin("flush()")
        self._driver.wait(None, None if timeout is None else arguments.seconds(timeout))

    async def aflush(self, timeout: float | None = None) -> None:
        """As `flush`."""
        self._begin("aflush()")
        arguments.seconds(timeout)
        ticket = FutureTicket(None)
        self._driver.submit(ticket)
        await kept(ticket, timeout, 0.0)

    def close(self) -> None:
        """Flush, and release the directory. Afterwards every call raises Closed; closing again does nothing.

        Raises Unavailable if the store had failed, for then what was not yet on disk is lost.
        """
        with self._closing:
            if self._is_closing or self not in open_nodes:
                return  # the handler of a signal may come in between, and close it as well
            self._is_closing = True
            try:
                self._close()
            finally:
                self._is_closing = False

    def _close(self) -> None:
        self._arrive("close()")
        self._refuse = self._refuse_reads = _closed
        if self._siblings is not None:
            self._siblings.end()
        while self._driver.failure is None and not self._store.close():
            with suppress(OutcomeUnknown):
                self._driver.wait(None, None)
            self._runtime.waiter().wait(_PAUSE_MIN)  # an agent may be in use, for which a flush does not wait
        self._others.leave()
        self._driver.stop()
        self._watchers.close()
        open_nodes.discard(self)
        self._storage.close(clean=self._driver.failure is None and not self._store.writers.has_renamed)
        if self._driver.failure is not None:
            raise self._driver.failure

    def abandon(self) -> None:
        """Have nothing more to do with it and flush nothing: for simulated processes, which crash."""
        self._refuse = self._refuse_reads = _closed
        open_nodes.discard(self)

    async def aclose(self) -> None:
        """As `close`."""
        from asyncio import get_running_loop

        self._arrive("aclose()")
        await get_running_loop().run_in_executor(None, self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "closed" if self._refuse_reads else "failed" if self._refuse else "open"
        return f"<Node {self.name!r} at {self._storage.path or 'memory'}, {state}>"

    # Inside

    def _check_not_closed(self) -> None:
        if self._refuse_reads is not None:
            raise self._refuse_reads()

    def _begin(self, call: str) -> None:
        if self._refuse is not None:
            raise self._refuse()
        self._arrive(call)

    def _listen(self, addresses: Iterable[str], home: "Home | None") -> None:
        """Take links, look for others, take in what the directory holds. Closes the node if any of it fails."""
        try:
            if home is not None:
                from replication.siblings import Siblings

                self._siblings = Siblings(
                    home, cast("SQLiteStorage", self._storage), self._deliveries, self._driver, self._runtime,
                    self._others, self.config,
                )  # fmt: skip
            self._others.connect(addresses, self._siblings)
            self._others.group.catch_up()
            if self._siblings is not None:
                self._siblings.take_in()
        except BaseException:
            self.close()
            raise

    async def _look_again(
        self, agent_id: str, timeout: float | None, deadline: float, pause: float, create: bool = True
    ) -> float | None:
        """Wait for an agent not in memory, or so long for one that is busy; how long the next time, None if unknown.

        Never blocks the event loop. To have a thread wait for the lock would leave it taken, and everybody else
        waiting, until this coroutine has its turn.
        """
        from asyncio import get_running_loop, sleep

        if not (isinstance(agent_id, str) and agent_id in self._slots):
            is_known = await get_running_loop().run_in_executor(None, self._store.fetch, agent_id, create)
            return pause if is_known else None
        left = deadline - self._runtime.time()
        if left <= 0.0:
            raise busy(agent_id, timeout)
        await sleep(min(pause, left))
        return min(max(2 * pause, _PAUSE_MIN), _PAUSE_MAX)

    def _fail(self, failure: Unavailable) -> None:
        """The driver has stopped: from now on nothing is acknowledged. What is in memory can be read."""

        def refuse() -> Unavailable:
            error = Unavailable(f"nothing was applied: {failure}")
            error.__cause__ = failure
            return error

        if self._refuse is None:
            self._refuse = refuse

    def _forget_after_fork(self, why: str) -> None:
        self._refuse = self._refuse_reads = lambda: Closed(why)


def _closed() -> Closed:
    return Closed("the node is closed: open it again with replication.open() to use it")
