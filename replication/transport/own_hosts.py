"""Which of its addresses a machine is known by: whoever listens at all of them tells others one that they can dial.

That is one at which a link to another node ended on this side: the other was reached from there, or
came there. That an address may be translated on the way (NAT) cannot be seen from here.

Pure: what links show is told.
"""

from ipaddress import ip_address

from replication.transport.addresses import Tcp

# What stands for all addresses that a machine has, of either family, and is nobody's address elsewhere.
EVERYWHERE = ("0.0.0.0", "::")


class OwnHosts:
    """The addresses of this machine that links have shown, one of each family.

    The first counts, so that what is told to others stays; but one on loopback only until there is another.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def see(self, host: str) -> None:
        """A link's own end has this address, in numbers."""
        own = ip_address(host)
        # Those of one cable alone say nothing without the interface they are at.
        if own.is_link_local:
            return
        everywhere = EVERYWHERE[own.version == 6]
        if everywhere not in self._known or (ip_address(self._known[everywhere]).is_loopback and not own.is_loopback):
            self._known[everywhere] = host

    def reached_at(self, bound: Tcp) -> str:
        """Where others may dial what is bound there; "" if that is every address and no link has shown one yet."""
        if bound.host not in EVERYWHERE:
            return str(bound)
        host = self._known.get(bound.host)
        return "" if host is None else str(Tcp(host, bound.port))
