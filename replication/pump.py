"""What the cores want done is done here, in the order that `core` promises them.

Beside the flushes: messages that came are stepped into the cores, and each `Ready` is acted on until
no core has anything left to do. What has to wait for the disk (what a core wants persisted, the
deltas it wishes to have told) is kept for the next flush; what has to wait for an agent whose
update_fn is running is tried again a moment later.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from replication.core import Carrier, Core, Delivery, Landing, Ready, Tell
from replication.delivery import Deliveries
from replication.runtime import Runtime
from replication.slot import Slot
from replication.ticket import Ticket

if TYPE_CHECKING:
    from replication.messages import Message

# Seconds after which a delta for a busy agent is tried again.
_AGAIN_AFTER = 0.001
# Deltas that wait so; those beyond are dropped, and anti-entropy brings them again. Not those of a log: who reads what
# it has brought relies on it, and there is one delivery of a log at a time.
_BUSY_MAX = 10_000


class Carriers(Protocol):
    """The cores of a node, and its way to other nodes."""

    @property
    def cores(self) -> Sequence[Core]:
        """All cores; whichever comes first is asked first."""

    @property
    def apart(self) -> Core:
        """The one of them that tells the others nothing, and is told nothing by them."""

    @property
    def is_alone(self) -> bool:
        """Whether there is nobody for whom time matters; whoever comes is told to the driver."""

    def of_mode(self, rank: int) -> Carrier:
        """The core that carries own changes of a mode."""

    def teller(self, core: Core) -> Carrier:
        """The core that carries the deltas which `core` wishes for."""

    def send(self, peer: str, message: "Message") -> bool:
        """Hand a message to the links; False if it was dropped."""

    def late(self, seconds: float, now: float) -> None:
        """A tick; it comes so much later than it should, which says how busy this process is."""

    def take_tickets(self) -> list[Ticket]:
        """The callers that wait for acknowledgements, of which there will be no more."""

    def fail(self, reason: str) -> None:
        """This node can promise nothing any more: leave the others alone."""


class _Arrival:
    """Deltas that a core wants delivered, and how far that has come."""

    __slots__ = ("core", "delivery", "outcomes", "unwritten")

    def __init__(self, core: Carrier, delivery: Delivery) -> None:
        self.core, self.delivery = core, delivery
        self.outcomes: list[str | None] = [None] * len(delivery.items)
        self.unwritten: set[Slot] = set()


class Pump:
    """Acts for the cores. Used by the runtime's thread alone."""

    def __init__(
        self,
        carriers: Carriers,
        deliveries: Deliveries,
        runtime: Runtime,
        add_ticket: Callable[[Ticket, bool], None],
        hurry: Callable[[], None],
    ) -> None:
        self._carriers = carriers
        self._deliveries = deliveries
        self._runtime = runtime
        self._add_ticket = add_ticket
        self._hurry = hurry
        self._core_of = {kind: core for core in carriers.cores for kind in core.handles}
        self._apart = carriers.apart
        self._stirred: Sequence[Core] = ()  # who may have something to do
        self._is_due = self._is_running = False
        self._unpersisted: list[tuple[Core, Ready]] = []
        self._wishes: dict[str, list[Tell]] = {}
        self._busy: deque[_Arrival] = deque()
        self._busy_items = 0

    @property
    def wants_flush(self) -> bool:
        return bool(self._unpersisted or self._wishes)

    def step(self, peer: str, message: "Message") -> None:
        """Give a message to its core, and run soon."""
        core = self._core_of.get(type(message))
        if core is not None:
            core.step(peer, message, self._runtime.time())
            self.run_soon(core)

    def run_soon(self, core: Core | None = None) -> None:
        """Something has happened to that core, or to any."""
        self._stir(core)
        if not (self._is_due or self._is_running):
            self._is_due = True
            self._runtime.call_soon(self._run_due)

    def _stir(self, core: Core | None) -> None:
        if core is not self._apart:
            self._stirred = self._carriers.cores
        elif not self._stirred:
            self._stirred = (core,)

    def take(self) -> tuple[list[tuple[Core, Ready]], dict[str, list[Tell]]]:
        """What the flush that begins now is to make durable, and to make."""
        taken = self._unpersisted, self._wishes
        self._unpersisted, self._wishes = [], {}
        return taken

    def act(self, readies: Iterable[tuple[Core, Ready]], unmet: Iterable[Tell]) -> None:
        """After a flush: do what waited for it, and keep the wishes that could not be met."""
        self._is_due = True  # what is done here is followed by a run
        for core, ready in readies:
            self._do(core, ready)
        for tell in unmet:
            self._wishes.setdefault(tell.agent_id, []).append(tell)
        self.run()

    def run(self, core: Core | None = None) -> None:
        """Do all that is to be done now, after something has happened to that core, or to any."""
        self._stir(core)
        self._run()

    def _run_due(self) -> None:
        if self._is_due:  # else that has been done
            self._run()

    def _run(self) -> None:
        self._is_due = False
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._stirred:
                cores, self._stirred = self._stirred, ()
                for core in cores:
                    ready = core.ready()
                    if ready.persist:
                        self._unpersisted.append((core, ready))
                    elif ready.send or ready.deliver or ready.settle:
                        self._do(core, ready)
                    else:
                        continue
                    self._stir(core)
        finally:
            self._is_running = False
        if self._unpersisted:
            self._hurry()

    def _do(self, core: Core, ready: Ready) -> None:
        for send in ready.send:
            if isinstance(send, Tell):
                self._wish(send._replace(core=self._carriers.teller(core)))
            else:
                self._carriers.send(send.peer, send.message)
        for delivery in ready.deliver:
            self._deliver(_Arrival(cast(Carrier, core), delivery))
        for ticket in ready.settle:
            ticket.finish()

    def _wish(self, tell: Tell) -> None:
        self._wishes.setdefault(tell.agent_id, []).append(tell)
        self._hurry()

    # Delivering

    def _deliver(self, arrival: _Arrival) -> None:
        delivery = arrival.delivery
        if not self._deliveries.deliver(delivery, arrival.outcomes, arrival.unwritten):
            if delivery.is_ordered or self._busy_items + len(delivery.items) <= _BUSY_MAX:
                if not self._busy:
                    self._runtime.call_later(_AGAIN_AFTER, self._deliver_again)
                self._busy.append(arrival)
                self._busy_items += len(delivery.items)
                return
            self._deliveries.give_up(arrival.outcomes)
        core, now = arrival.core, self._runtime.time()
        core.landed(Landing(delivery, cast("list[str]", arrival.outcomes)), now)
        if delivery.token is None:
            return
        if not arrival.unwritten:
            core.durable(delivery.token, now)
            self.run_soon(core)
            return

        def settle(ticket: Ticket) -> None:
            if ticket.error is None:
                core.durable(delivery.token, self._runtime.time())
                self.run_soon(core)

        self._add_ticket(Ticket(arrival.unwritten, settle), delivery.urgent)

    def _deliver_again(self) -> None:
        busy, self._busy, self._busy_items = self._busy, deque(), 0
        for arrival in busy:
            self._deliver(arrival)
        self.run()
