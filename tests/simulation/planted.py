"""Mistakes that others have shipped, each planted in the real code for as long as a test needs it.

A plant is a function that takes pytest's `MonkeyPatch`, or anything else with its `setattr`.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from crdt import VersionVector
from crdt.version import span_of
from replication.changes import Round
from replication.delivery import Deliveries
from replication.driver import Driver
from replication.gossip import roster
from replication.growth import stability
from replication.identity import Identity
from replication.links.links import Links
from replication.messages import ChunkReceived
from replication.simulation import disk
from replication.simulation.ledger import Everything
from replication.sync.core import Sync
from replication.transfer import Arrival, Incoming

Plant = Callable[[Any], None]
_TOO_EARLY = 3


def send_before_persist(patch: Any) -> None:
    """Changes are told to others while the disk is still writing them."""
    flush = Driver._flush

    def early(driver: Any) -> None:
        changes = driver._changes

        def collect(round: Round, *arguments: Any) -> None:
            changes.collect(round, *arguments)
            for change in round.changes:
                driver._carriers.of_mode(change.mode).propose(change, driver._runtime.time())
            round.changes.clear()
            driver._pump.run()

        driver._changes = SimpleNamespace(
            collect=collect, promote=changes.promote, settled=changes.settled, merged_count=0, dirty_count=0
        )
        flush(driver)
        driver._changes = changes

    patch.setattr(Driver, "_flush", early)


def dot_reuse_after_crash(patch: Any) -> None:
    """A node that crashed goes on counting from what its disk holds, under the same name."""
    succeed = disk.succeed

    def go_on(stored: Identity | None, *arguments: Any) -> Identity:
        return succeed(stored and stored._replace(clean=True), *arguments)

    patch.setattr(disk, "succeed", go_on)


def ack_before_fsync(patch: Any) -> None:
    """A change is acknowledged when it has landed in memory."""
    deliver = Deliveries.deliver

    def at_once(deliveries: Any, delivery: Any, outcomes: Any, unwritten: Any) -> bool:
        done = deliver(deliveries, delivery, outcomes, unwritten)
        unwritten.clear()
        return done

    patch.setattr(Deliveries, "deliver", at_once)


def rumour_dropped_when_queue_is_full(patch: Any) -> None:
    """What finds no room in a peer's queue is dropped, and the peer is never compared with again."""
    send, tick, step = Links.send, Sync.tick, Sync.step
    forgotten: set[tuple[Any, str]] = set()

    def drop(links: Any, peer: str, message: Any) -> bool:
        sent = send(links, peer, message)
        if not sent and peer in links._current:
            forgotten.add((links._events.sync, peer))
        return sent

    def skip(sync: Any, now: float) -> None:
        tick(sync, now)
        for peer in list(sync._to_check):
            if (sync, peer) in forgotten:
                del sync._to_check[peer]

    def ignore(sync: Any, peer: str, message: Any, now: float) -> None:
        if (sync, peer) not in forgotten:
            step(sync, peer, message, now)

    patch.setattr(Links, "send", drop)
    patch.setattr(Sync, "tick", skip)
    patch.setattr(Sync, "step", ignore)


def sync_marks_a_peer_done_before_it_is(patch: Any) -> None:
    """Who was sent a comparison once counts as being in sync for good."""
    tick = Sync.tick

    def once(sync: Any, now: float) -> None:
        done = sync.__dict__.setdefault("planted_done", {})
        tick(sync, now)
        for peer in list(sync._to_check):
            if done.setdefault(peer, now) != now:
                del sync._to_check[peer]

    patch.setattr(Sync, "tick", once)


def drift_clamped(patch: Any) -> None:
    """A change from too far in the future lands with a stamp that is cut down to what is allowed."""
    deliver = Deliveries.deliver

    def clamp(deliveries: Any, delivery: Any, *args: Any) -> Any:
        items = tuple(clamped(deliveries._store, item) for item in delivery.items)
        return deliver(deliveries, delivery._replace(items=items), *args)

    def clamped(store: Any, item: Any) -> Any:
        slot = store.acquire(item.agent_id, flushing=True)
        try:
            return item._replace(delta=_with_clamped_stamp(slot.state, item.delta, store) or item.delta)
        finally:
            slot.release()

    patch.setattr(Deliveries, "deliver", clamp)


def _with_clamped_stamp(state: Any, delta: bytes, store: Any) -> bytes | None:
    """The delta with another stamp, if it is one write to the register, stamped too far ahead."""
    if not delta:
        return None
    top = span_of(delta)[1]
    news = [writer for writer in top if top[writer] > state.version.get(writer, 0)]
    probe = Everything.from_bytes(state.to_bytes(), replica="probe", **store._options)
    if len(news) != 1 or probe._merge_bytes(delta) != _TOO_EARLY:
        return None
    (writer,) = news
    probe._merge_bytes(delta, False)
    value = probe.latest.value
    if top[writer] != state.version.get(writer, 0) + 1 or value == state.latest.value:
        return None
    ahead = store._options["clock"]() + 60_000
    again = Everything.from_bytes(state.to_bytes(), replica=writer, clock=lambda: ahead)
    again.latest.set(value)
    clamped: bytes = again.delta(state.version)
    return clamped


def incarnation_ignored(patch: Any) -> None:
    """Of two claims about a member the worse one holds, however old it is."""
    patch.setattr(roster, "rank", lambda claim: (0, claim.state))


def duplicate_delta_counted_twice(patch: Any) -> None:
    """A delta that is known already is applied again, as an operation would be."""
    merge = Deliveries._merge

    def again(deliveries: Any, slot: Any, peer: str, delta: bytes) -> str:
        outcome = merge(deliveries, slot, peer, delta)
        if outcome == "known" and not deliveries.__dict__.get("planted_once"):
            deliveries.planted_once = True
            slot.state.count.increment()
            return "landed"
        return outcome

    patch.setattr(Deliveries, "_merge", again)


def partial_chunk_applied(patch: Any) -> None:
    """The first piece of a large delta is reported as all of it."""

    def first(incoming: Any, peer: str, message: Any, now: float) -> Arrival:
        return Arrival(ChunkReceived(message.transfer, message.total), message.data)

    patch.setattr(Incoming, "chunk", first)


def purge_before_stability(patch: Any) -> None:
    """What one node holds is taken for what all hold: it purges without asking how far the others are."""
    patch.setattr(stability, "decide_purge", lambda name, writer, held, *_: stability.Purge(held, VersionVector()))


PLANTS: tuple[Plant, ...] = (
    send_before_persist,
    dot_reuse_after_crash,
    ack_before_fsync,
    rumour_dropped_when_queue_is_full,
    sync_marks_a_peer_done_before_it_is,
    drift_clamped,
    incarnation_ignored,
    duplicate_delta_counted_twice,
    partial_chunk_applied,
    purge_before_stability,
)
