"""What carries frames between nodes: the port that every transport fills.

A transport opens links to addresses and takes links from others; a frame goes out whole or not at
all. It knows nothing of names, clusters or messages: who is at the other end is found out by
`links`, over the frames themselves. Links may lose frames, and the simulated ones also double and
reorder them; nothing above relies on more.

All calls, both ways, are made in the thread of the node's runtime; none of them blocks.
"""

from typing import NamedTuple, Protocol

# A frame is never larger: a payload and its header.
FRAME_BYTES_MAX = (4 << 20) + 64


class TLS(NamedTuple):
    """The files, in PEM: this node's certificate, its key, and the certificate of the cluster's authority."""

    certificate: str
    key: str
    ca: str


class Link(Protocol):
    """One connection."""

    @property
    def address(self) -> str:
        """The address that was dialled, or where the other end dialled from; for messages and logs."""

    @property
    def dialled(self) -> bool:
        """Whether this end dialled."""

    @property
    def certified(self) -> tuple[str, ...] | None:
        """The names in the other end's certificate, checked; None on links that have none."""

    def send(self, frame: bytes) -> bool:
        """Queue a frame; False if the queue is full and the frame was dropped."""

    def welcome(self) -> None:
        """The other end has shown who it is: frames of full size may come, and there is no more hurry.

        Before it, a transport takes small frames only and closes a link that is not welcomed in time.
        """

    def close(self, reason: str) -> None:
        """Close it, after what is queued if that goes quickly; `closed` is not called for it."""


class LinkEvents(Protocol):
    """Whom a transport tells."""

    def opened(self, link: Link) -> None:
        """A link is ready for frames, dialled by either end."""

    def received(self, link: Link, frame: bytes) -> None:
        """A whole frame came."""

    def closed(self, link: Link, reason: str, detail: str = "") -> None:
        """The link is gone; `reason` is one of a few words, counted by whoever is told; `detail` is for people."""

    def unreachable(self, address: str, reason: str, detail: str = "") -> None:
        """What was dialled did not answer."""

    def turned_away(self, address: str, reason: str, detail: str = "") -> None:
        """Somebody came from `address`, and it never became a link."""


class Transport(Protocol):
    """A way to other nodes."""

    def start(self, events: LinkEvents) -> None:
        """Tell `events` from now on."""

    def listen(self, address: str) -> str:
        """Take links at an address; the one really bound. OSError as the system says."""

    def reached_at(self, bound: str) -> str:
        """Where others may dial what `listen` bound; "" while that cannot be told, which a welcomed link may change."""

    def dial(self, address: str) -> None:
        """Open a link; ends in `opened` or `unreachable`."""

    def close(self) -> None:
        """Close everything; nothing is told afterwards."""
