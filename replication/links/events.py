"""What the links tell the node above them: the other half of the port that `links` is.

Knows nothing of how links come about.
"""

from typing import Protocol

from replication.links.handshake import Known
from replication.messages import Hello, Message


class LinksEvents(Protocol):
    """Whom the links tell. All in the runtime's thread; any of them may send."""

    def on_link(self) -> None:
        """A link was opened, by either end; who is there is not known yet. From now on `tick` is needed."""

    def on_message(self, peer: str, message: Message) -> None:
        """A message came from that node."""

    def on_up(self, peer: str, hello: Hello) -> None:
        """There is a link to that node, and there was none."""

    def on_down(self, peer: str) -> None:
        """There is none any more."""

    def on_refused(self, address: str, reason: str, detail: str) -> None:
        """Another node, or its certificate, does not want this one."""

    def on_rejected(self, name: str, address: str, reason: str, detail: str) -> None:
        """This node does not want one that calls itself `name`."""

    def on_known(self, name: str, known: Known) -> None:
        """What is to be remembered of that node has changed; to be handed in again at the next start."""
