"""What the cores want done is done here, in the order that `core` promises them.

Beside the flushes: messages that came are stepped into the cores, and each `Ready` is acted on until
no core has anything left to do. What has to wait for the disk (what a core wants persisted, the
deltas it wishes to have told) is kept for the next flush; what has to wait for an agent whose
update_fn is running is tried again a moment later.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from replication.core import Carrier, Core, Delivery, Landing, Ready, Tell
from replication.delivery import Deliveries
from replication.runtime import Runtime
from replication.slot import Slot
from replication.ticket import Ticket

if TYPE_CHECKING:
    from replication.messages import Message

# Seconds after which a delta for a busy agent is tried again.
_AGAIN_AFTER = 0.001
# Deltas that wait so; those beyond are dropped, and anti-entropy brings them again.
_BUSY_MAX = 10_000


class Carriers(Protocol):
    """The cores of a node, and its way to other nodes."""

    @property
    def cores(self) -> Sequence[Core]:
        """All cores; whichever comes first is asked first."""

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
    """Deltas of one message that a core wants to have on disk together."""

    __slots__ = ("core", "left", "slots", "token", "urgent")

    def __init__(self, core: Carrier, token: Any) -> None:
        self.core, self.token = core, token
        self.left = 0
        self.slots: set[Slot] = set()
        self.urgent = False


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
        self._is_due = self._is_running = False
        self._unpersisted: list[tuple[Core, Ready]] = []
        self._wishes: dict[str, list[Tell]] = {}
        self._busy: deque[tuple[Delivery, _Arrival | None, Carrier]] = deque()
        self._arrivals: dict[tuple[int, Any], _Arrival] = {}

    @property
    def wants_flush(self) -> bool:
        return bool(self._unpersisted or self._wishes)

    def step(self, peer: str, message: "Message") -> None:
        """Give a message to its core, and run soon."""
        core = self._core_of.get(type(message))
        if core is not None:
            core.step(peer, message, self._runtime.time())
            self.run_soon()

    def run_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._runtime.call_soon(self.run)

    def take(self) -> tuple[list[tuple[Core, Ready]], dict[str, list[Tell]]]:
        """What the flush that begins now is to make durable, and to make."""
        taken = self._unpersisted, self._wishes
        self._unpersisted, self._wishes = [], {}
        return taken

    def act(self, readies: Iterable[tuple[Core, Ready]], unmet: Iterable[Tell]) -> None:
        """After a flush: do what waited for it, and keep the wishes that could not be met."""
        for core, ready in readies:
            self._do(core, ready)
        for tell in unmet:
            self._wishes.setdefault(tell.agent_id, []).append(tell)
        self.run()

    def run(self) -> None:
        """Do all that the cores want done now."""
        self._is_due = False
        if self._is_running:
            return
        self._is_running = True
        try:
            progress = True
            while progress:
                progress = False
                for core in self._carriers.cores:
                    ready = core.ready()
                    if ready.persist:
                        self._unpersisted.append((core, ready))
                    elif ready.send or ready.deliver or ready.settle:
                        self._do(core, ready)
                        progress = True
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
        if ready.deliver:
            self._deliver_all(cast(Carrier, core), ready.deliver)
        for ticket in ready.settle:
            ticket.finish()

    def _wish(self, tell: Tell) -> None:
        self._wishes.setdefault(tell.agent_id, []).append(tell)
        self._hurry()

    # Delivering

    def _deliver_all(self, core: Carrier, deliveries: Sequence[Delivery]) -> None:
        arrivals = []
        for delivery in deliveries:
            arrival = None
            if delivery.token is not None:
                key = id(core), delivery.token
                arrival = self._arrivals.get(key)
                if arrival is None:
                    arrival = self._arrivals[key] = _Arrival(core, delivery.token)
                    arrivals.append(arrival)
                arrival.left += 1
                arrival.urgent = arrival.urgent or delivery.urgent
            self._deliver(delivery, arrival, core)
        for arrival in arrivals:
            self._conclude(arrival)

    def _deliver(self, delivery: Delivery, arrival: _Arrival | None, core: Carrier) -> None:
        result = self._deliveries.deliver(delivery)
        if result is None and len(self._busy) < _BUSY_MAX:
            if not self._busy:
                self._runtime.call_later(_AGAIN_AFTER, self._deliver_again)
            self._busy.append((delivery, arrival, core))
            return
        landing, slot = result or (Landing(delivery, "waiting"), None)
        if arrival is not None:
            arrival.left -= 1
            if slot is not None:
                arrival.slots.add(slot)
        core.landed(landing, self._runtime.time())

    def _deliver_again(self) -> None:
        busy, self._busy = self._busy, deque()
        for delivery, arrival, core in busy:
            self._deliver(delivery, arrival, core)
            if arrival is not None:
                self._conclude(arrival)
        self.run()

    def _conclude(self, arrival: _Arrival) -> None:
        """When all of it has been delivered, tell the core once the disk has it."""
        key = id(arrival.core), arrival.token
        if arrival.left or self._arrivals.get(key) is not arrival:
            return
        del self._arrivals[key]
        if not arrival.slots:
            arrival.core.durable(arrival.token, self._runtime.time())
            self.run_soon()
            return

        def settle(ticket: Ticket) -> None:
            if ticket.error is None:
                arrival.core.durable(arrival.token, self._runtime.time())
                self.run_soon()

        self._add_ticket(Ticket(arrival.slots, settle), arrival.urgent)
