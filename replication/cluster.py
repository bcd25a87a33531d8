"""The other nodes: the links to them, who they are, and the cores that carry changes.

One object, so that a Node need not know what there is. Everything here runs in the runtime's thread,
but for `members`, `replicas` and `status`, which read what that thread last left.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

import msgpack

from crdt import VersionVector
from replication.config import Config
from replication.consistency import EVENTUALLY_CONSISTENT
from replication.core import Carrier, Core
from replication.delivery import Deliveries
from replication.driver import Driver
from replication.errors import Closed
from replication.gossip.core import GossipCore
from replication.gossip.membership import NOTE_KEY, Membership, MemberView
from replication.growth.absences import NOTE_KEY as ABSENCES_KEY
from replication.growth.absences import Absences, Waits
from replication.growth.agents import StoreGrowth
from replication.growth.comeback import Comeback
from replication.growth.promises import Promises
from replication.growth.stability import Stability
from replication.links.handshake import Known, read_known
from replication.links.links import Links
from replication.merge.core import MergeCore
from replication.messages import PROTOCOL_HIGHEST, PROTOCOL_LOWEST, Hello, Message
from replication.problems import Problems, same_version
from replication.repair.core import Repairs
from replication.result import Member
from replication.runtime import Runtime, call
from replication.storage import Note, Storage
from replication.store import Store
from replication.strong.group import Group
from replication.sync.catalog import StoreCatalog
from replication.sync.core import Sync
from replication.ticket import Ticket
from replication.transport import Transport

if TYPE_CHECKING:
    from replication.siblings import Siblings

_log = logging.getLogger("replication")
# Before a node's name: under which it is kept on disk which store that name belongs to.
_KNOWN_PREFIX = "known "


class Cluster:
    """Fills the pump's Carriers port."""

    def __init__(
        self,
        name: str,
        storage: Storage,
        store: Store,
        deliveries: Deliveries,
        config: Config,
        runtime: Runtime,
        driver: Driver,
        transport: Transport | None,
        seeds: Iterable[str],
        voters: Iterable[str],
        is_alone: bool,
    ) -> None:
        self._name = name
        self._driver = driver
        self._deliveries = deliveries
        self._transport = transport
        self._storage = storage
        self._config = config
        self._runtime = runtime
        self._seeds = tuple(seeds)
        self._links: Links | None = None
        self._siblings: Siblings | None = None
        self._reachable: tuple[str, ...] = ()
        # What `_look` took over last, with the seeds where nobody was found yet.
        self._seen: tuple[tuple[MemberView, ...], tuple[str, ...]] = ((), ())
        self._learned: dict[str, MemberView] = {}  # what the links were told
        self._replicas: tuple[Any, tuple[str, ...]] = (None, ())  # and of which `_seen`
        self.address: str | None = None
        self.problems = Problems()
        identity, notes = storage.identity, storage.notes()
        self._known = read_known(notes, _KNOWN_PREFIX)
        random = Random(runtime.random.getrandbits(64))
        catalog = StoreCatalog(store, storage, lambda agent_id: self.merge.is_arriving(agent_id), runtime.time, random)
        self.membership = Membership(identity.name, "", identity.opens, config, random, {}, notes.get(NOTE_KEY))
        self.repairs = Repairs(identity.name, self._treat, config, random, self._repair_ended)
        self.sync = Sync(store.summary, catalog, config, random, self._diverged, self.repairs.agreed)
        self.merge = MergeCore(
            store.writers.of, config, random.getrandbits(32), self.sync.repair, lambda: self.replicas
        )
        self.gossip = GossipCore(config, random)
        self.comeback = Comeback(store, identity.name, config, random, self.membership.reachable, self._rewritten)
        self._absences = Absences(config, notes.get(ABSENCES_KEY, b""))
        growth = StoreGrowth(store, config)
        deliveries.promises = promises = Promises(notes, config, growth.held)
        self.stability = Stability(
            identity.name, growth, promises, config, random.getrandbits(32), self._waits, self.comeback.heard
        )
        self.group = Group(name, storage, config, runtime, driver, self.membership, voters, is_alone, self._is_linked)
        self.cores: tuple[Core, ...] = (
            self.membership, self.merge, self.gossip, self.sync, self.repairs, self.stability, self.group.core
        )  # fmt: skip
        told = store.summary.on_change
        assert told is not None

        def on_change(agent_ids: Sequence[str]) -> None:
            told(agent_ids)
            growth.note(agent_ids)
            catalog.changed(agent_ids)

        store.summary.on_change = on_change
        self._look(runtime.time())
        runtime.call_soon(self._grow)

    def _is_linked(self, peer: str) -> bool:
        return self._links is not None and peer in self._links.peers()

    def connect(self, addresses: Iterable[str], siblings: "Siblings | None" = None) -> None:
        """Take links at these addresses, and look for the other nodes. From another thread; OSError if one is taken."""
        if self._transport is not None:
            call(self._runtime, self._start, self._transport, tuple(addresses), siblings)

    def _start(self, transport: Transport, addresses: tuple[str, ...], siblings: "Siblings | None" = None) -> None:
        identity = self._storage.identity
        bound = [transport.listen(address) for address in addresses]
        if siblings is not None:
            self._listen_to_siblings(transport, siblings)
        self.address = bound[0] if bound else None
        self.membership.set_address(self._reached_at())
        hello = Hello(
            PROTOCOL_LOWEST,
            PROTOCOL_HIGHEST,
            self._name,
            identity.name,
            self._runtime.random.getrandbits(63),
            identity.opens,
            bytes.fromhex(identity.store),
            self._reached_at(),
        )
        self._links = Links(transport, self._runtime, hello, self, self._config, self._seeds, self._known)
        if siblings is not None:
            self._links.seek(siblings.look(self._runtime.time()))
        self._links.start()
        self._seen = ((), ())  # the links know nobody yet
        self._look(self._runtime.time())
        self._driver.connect()

    def _reached_at(self) -> str:
        """Where others may dial this node; "" if nowhere, and while it listens everywhere and no link shows where."""
        return self._transport.reached_at(self.address) if self._transport is not None and self.address else ""

    def _listen_to_siblings(self, transport: Transport, siblings: "Siblings") -> None:
        """Take links from other processes with the same directory; without, they still can read its files."""
        self._siblings = siblings
        try:
            transport.listen(siblings.own_address())
        except OSError as error:
            self.problems.tell(
                "siblings",
                f"no socket can be made in the directory ({error}): other processes that open it learn what this one "
                "changes only when they are opened. Use a file system with sockets, or listen= and peers=",
            )

    # What the siblings tell

    def on_absorbed(self, name: str, opens: int) -> None:
        now = self._runtime.time()
        self.membership.retire(name, opens, now)
        self._look(now)
        self._driver.run_soon()

    def on_trouble(self, key: str, text: str) -> None:
        self.problems.tell(key, text)

    # What the links tell

    def on_link(self) -> None:
        self._runtime.call_soon(self._driver.connect)

    def on_message(self, peer: str, message: Message) -> None:
        try:
            self._driver.receive(peer, message)
        except Closed:
            return  # this node is saying farewell; what it could not answer, the peer finds elsewhere

    def on_up(self, peer: str, hello: Hello) -> None:
        now = self._runtime.time()
        if self._siblings is not None:
            self._siblings.met()
        self.membership.set_address(self._reached_at())
        self.membership.met(peer, hello.address, hello.incarnation, now)
        self._look(now)
        self._driver.run_soon()

    def on_down(self, peer: str) -> None:
        now = self._runtime.time()
        if self._siblings is not None:
            self._siblings.lost(now)
        self.membership.lost(peer, now)

    def on_refused(self, address: str, reason: str, detail: str) -> None:
        self.problems.tell(f"refused by {address}", f"the node at {address} refused this one ({reason}): {detail}")

    def on_rejected(self, name: str, address: str, reason: str, detail: str) -> None:
        self.problems.tell(f"rejected {name} {reason}", f"a node at {address} was refused ({reason}): {detail}")

    def on_known(self, name: str, known: Known) -> None:
        self._known[name] = known
        self._driver.keep_note(Note(_KNOWN_PREFIX + name, msgpack.packb(tuple(known))))

    # The pump's port

    @property
    def apart(self) -> Core:
        return self.group.core

    @property
    def is_alone(self) -> bool:
        idle = self._links is None or self._links.is_idle
        # Who was told of peers looks for them for ever, also for those that have been forgotten as dead.
        seeks = self._links is not None and bool(self._seeds)
        has_siblings = self._siblings is not None and not self._siblings.is_alone
        alone = idle and self.group.core.is_idle and not (seeks or self.replicas or has_siblings)
        if alone:
            self.membership.rest()
        return alone

    def of_mode(self, rank: int) -> Carrier:
        return self.gossip if rank == EVENTUALLY_CONSISTENT.rank else self.merge

    def teller(self, core: Core) -> Carrier:
        # What repair wishes to have told is sent like any change: acknowledged, and bounded for each peer.
        return self.gossip if core is self.gossip else self.merge

    def send(self, peer: str, message: Message) -> bool:
        return self._links is not None and self._links.send(peer, message)

    def late(self, seconds: float, now: float) -> None:
        self.membership.lag(seconds)
        if self._links is not None:
            if self._siblings is not None:
                self._links.seek(self._siblings.look(now))
            self._links.tick(now)
        self._look(now)
        for peer, agent_id in self.comeback.take_wanted(now):
            self.sync.fetch(peer, agent_id, now)
        self.comeback.inquire(self.stability.ask)

    def take_tickets(self) -> list[Ticket]:
        self.group.end()
        return self.merge.take_tickets()

    def fail(self, reason: str) -> None:
        self.problems.tell("disk", reason)
        if self._links is not None:
            self._links.close()

    def _diverged(self, agent_id: str, peer: str) -> bool:
        if f"diverged {agent_id}" not in self.problems:
            what = "is another state. It is being repaired: both will hold what either has"
            self.problems.tell(f"diverged {agent_id}", same_version(agent_id, peer, what))
        return self.repairs.begin(peer, agent_id, self._runtime.time())

    def _treat(self, agent_id: str, peer: str, act: Callable[[Any], None]) -> float | None:
        began = self._runtime.time()
        return self._runtime.time() - began if self._deliveries.treat(agent_id, peer, act) else None

    def _repair_ended(self, agent_id: str, peer: str, outcome: str) -> None:
        level, what = logging.WARNING, "was another state. It was repaired, and both hold what either had"
        if outcome == "given up":
            level = logging.ERROR
            what = (
                "is another state, also after repeated repairs: the two programs do not repair alike. Open both nodes "
                "with one release and one schema, or give the one that is wrong a new store and a new name"
            )
        text = same_version(agent_id, peer, what)
        if self.problems.get(f"diverged {agent_id}", text) != text:
            _log.log(level, "%s", text)
        self.problems.tell(f"diverged {agent_id}", text)

    # Who is there

    @property
    def members(self) -> list[Member]:
        """By name, with this node. O(members)."""
        voters = self.group.core.raft.configuration.voters
        return [Member(each.name, each.address or None, each.state, each.name in voters, each.incarnation)
                for each in self._seen[0]]  # fmt: skip

    @property
    def replicas(self) -> tuple[str, ...]:
        """Who else may hold what is here: all that have not left. O(members) after something changed."""
        seen, (of, replicas) = self._seen, self._replicas
        if seen is not of:
            (views, unmet), name = seen, self._storage.identity.name
            addresses = {view.address for view in views}
            # Who was named as a peer and not met yet may be a replica: "all" must not be promised without it.
            strangers = tuple(f"whoever is at {seed}" for seed in unmet if seed not in addresses)
            replicas = tuple([view.name for view in views if view.name != name and view.state != "left"]) + strangers
            self._replicas = (seen, replicas)
        return replicas

    def _look(self, now: float) -> None:
        """Take over what membership has found out."""
        for event in self.membership.take_events():
            if event.kind == "conflict":
                self.problems.tell("name", f"another node at {event.address} is named {event.name!r} like this one")
        if self.group.core.stuck:
            self.problems.tell("snapshot", self.group.core.stuck)
        views, unmet = self.membership.members(), self._seeds if self._links is None else self._links.unmet()
        # Twenty times a second, of a thousand members, nothing is new. Among siblings an address may have gone.
        if views is self._seen[0] and unmet == self._seen[1] and self._siblings is None:
            return
        self._seen = (views, unmet)
        self.group.look(views, self.problems)
        if self._links is not None:
            for view in views:
                if self._learned.get(view.name) is not view or self._siblings is not None:
                    self._learned[view.name] = view
                    self._links.learn(view.name, view.address)
        reachable = self.membership.reachable()
        if reachable != self._reachable:
            self._reachable = reachable
            for core in self.cores:
                core.peers(reachable, now)

    # Bounded growth

    def _rewritten(self, agent_id: str, top: VersionVector, made: int) -> None:
        # It may be the siblings' thread that tells; and what is told before the next flush is in time.
        self._runtime.call_soon(self.merge.rewritten, agent_id, top, made)

    def _waits(self, now: float) -> Waits:
        """Whom a purge has to do with."""
        name = self._storage.identity.name
        states = {view.name: view.state for view in self.membership.members() if view.name != name}
        waits = self._absences.look(states, self._known, now)
        note = self._absences.note()
        if note is not None:
            self._driver.keep_note(Note(ABSENCES_KEY, note))
        unmet = tuple(each for each in self.replicas if each not in states)
        if self._siblings is not None and not self._siblings.is_alone and not states:
            unmet = (*unmet, "another process of this directory")
        return waits._replace(absent=waits.absent + unmet)

    def _grow(self) -> None:
        """Look what may go, also while there is nobody else and no time passes."""
        if self._driver.failure is not None:
            return
        self.stability.tick(self._runtime.time())
        self._driver.run_soon()
        seconds = self._config.tick_interval if self.stability.is_busy else self._config.purge_interval
        self._runtime.call_later(seconds, self._grow)

    def status(self) -> dict[str, Any]:
        """What goes on between this node and the others."""
        return {
            "problems": dict(self.problems),
            "membership": self.membership.status(),
            "direct": self.merge.status(),
            "gossip": self.gossip.status(),
            "sync": self.sync.status(),
            "repair": self.repairs.status(),
            "replicated": self.group.core.status(),
            "growth": {**self.stability.status(), **self.comeback.counts},
            "links": {} if self._links is None else self._links.status(),
            "replicas": {} if self._siblings is None else self._siblings.status(),
        }

    def forget(self, name: str) -> None:
        """Take a dead member for one that left for good. From another thread; ValueError if it is not dead."""
        call(self._runtime, self._forget, name)

    def _forget(self, name: str) -> None:
        now = self._runtime.time()
        self.membership.forget(name, now)
        if self._links is not None:
            self._links.forget(name)
        self._known.pop(name, None)
        self._driver.keep_note(Note(_KNOWN_PREFIX + name, b""))
        self._look(now)
        self._driver.run_soon()

    def leave(self) -> None:
        """Tell the others that this node goes on purpose, and close the links. From another thread."""
        if self._links is not None and not self._driver.has_ended:  # by another close() that was broken off
            call(self._runtime, self._leave, self._links)

    def _leave(self, links: Links) -> None:
        self.membership.leave(self._runtime.time())
        self._driver.run_now()
        links.close()
