"""What a core is: a state machine that decides how changes travel, and does nothing itself.

There is one core for each way of carrying changes, one for membership and one for repair. A core is
told what happened (`propose`, `step`, `tick`) and asked what to do about it (`ready`). It reads no
clock, opens no socket and touches no state: time and randomness are given to it. So the same core
runs under the real driver, under the simulator, and in a test of ten lines.

The driver acts on a `Ready` in the order of its fields, and that order is the contract:

1. persist  is durable before anything of the same Ready leaves the node.
2. send     messages as they are; a `Tell` is a delta that the next flush makes, and it leaves only
            after that flush, because a dot that was sent and then lost would be given out twice.
3. deliver  deltas from other nodes are merged into the store; the core hears what came of it.
4. settle   the callers whose promise now holds are woken.

Messages may be lost, doubled, delayed and reordered; a core must withstand all of it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from crdt import VersionVector
from replication.storage import Note, Record, Trim
from replication.ticket import Ticket

if TYPE_CHECKING:  # what no node without others needs is not imported with the package
    from replication.messages import Item, Message


class Tell(NamedTuple):
    """A wish: tell `peer` what of an agent a holder of `since` lacks, as it is on this node's disk.

    `core` is filled in by the driver: who carries the delta.
    """

    peer: str
    agent_id: str
    since: VersionVector
    core: Any = None


class Send(NamedTuple):
    """A message to a peer; it may be dropped on the way, and nobody says so."""

    peer: str
    message: "Message"


class Told(NamedTuple):
    """What became of a `Tell`: the delta, made and durable; empty if the peer lacks nothing."""

    tell: Tell
    delta: bytes
    top: VersionVector


class Delivery(NamedTuple):
    """Deltas that came from a peer together; an empty one asks whether the item's `version` is held here.

    `token` is the core's own, given back once all of it is on disk, or None if that need not be told;
    `urgent` if somebody waits for it; `is_ordered` if others have agreed that it holds now, whatever this node's clock
    says.
    """

    peer: str
    items: "tuple[Item, ...]"
    token: Any = None
    urgent: bool = False
    is_ordered: bool = False


class Landing(NamedTuple):
    """What came of a Delivery, of each item in its place.

    "landed"   it changed the state
    "known"    nothing in it was new
    "waiting"  what it builds on is not here, or its time is to come
    "refused"  the bytes are not valid
    "retired"  they are of a state from before what was purged here, and will never land
    "behind"   they are of a state that has purged what this one, written to since, does not
               know of: nothing of it lands until this state is rebased
    """

    delivery: Delivery
    outcomes: Sequence[str]


class Change(NamedTuple):
    """What this node's own writer did to an agent since it was last told to others; it is durable.

    mode     the rank of the strongest mode that a caller asked for (`consistency.MODES`)
    delta    what lies between `base` and `top`; empty if all of it was told before
    made     the own writer's count in `top`: whoever has that many has the change
    tickets  callers to be told when their promise holds
    """

    agent_id: str
    mode: int
    delta: bytes
    base: VersionVector
    top: VersionVector
    made: int
    tickets: tuple[Ticket, ...] = ()


class Ready(NamedTuple):
    """What a core wants done, in this order."""

    persist: tuple[Note | Record | Trim, ...] = ()
    send: tuple[Send | Tell, ...] = ()
    deliver: tuple[Delivery, ...] = ()
    settle: tuple[Ticket, ...] = ()


NOTHING = Ready()


class Core(Protocol):
    """The verbs that the driver knows. `now` is in seconds and never goes back."""

    @property
    def handles(self) -> "tuple[type[Message], ...]":
        """The kinds of messages that are for this core."""

    def step(self, peer: str, message: "Message", now: float) -> None:
        """A message of `handles` came from `peer`."""

    def tick(self, now: float) -> None:
        """Time has passed; called about every `tick_interval`."""

    def peers(self, names: tuple[str, ...], now: float) -> None:
        """The nodes that may be talked to have changed: all that seem to be up, without this node."""

    def ready(self) -> Ready:
        """What is to be done now; each thing is handed out once."""


class Carrier(Core, Protocol):
    """A core that carries deltas."""

    def propose(self, change: Change, now: float) -> None:
        """An own change became durable, in the mode this core carries."""

    def told(self, told: Told, now: float) -> None:
        """A `Tell` was made and is durable: carry it."""

    def landed(self, landing: Landing, now: float) -> None:
        """What came of a Delivery that this core asked for."""

    def durable(self, token: Any, now: float) -> None:
        """All that was delivered with `token` is on disk."""
