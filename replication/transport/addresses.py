"""Addresses: `host:port`, `[ipv6]:port`, `unix:/path`.

Pure: whether a host exists, or a path, is not asked here.
"""

from typing import NamedTuple


class Tcp(NamedTuple):
    """A host, by name or number, and a port; 0 is any free one."""

    host: str
    port: int

    @property
    def sought(self) -> str | bytes:
        """The host as the resolver takes it: what is plain ASCII as bytes, or Python imports all of IDNA for it."""
        return self.host.encode() if self.host.isascii() else self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Unix(NamedTuple):
    """A socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def parse(address: str) -> Tcp | Unix:
    """What an address names; ValueError that says how one is written."""
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        if not path or path.endswith("/") or "\0" in path:
            raise ValueError(f"{address!r} names no socket: after 'unix:' comes the path of a file")
        return Unix(path)
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{address!r} is not 'host:port': write an IPv6 address in brackets, as in '[::1]:7000'")
    if not colon or not host:
        raise ValueError(f"{address!r} is not an address: write 'host:port', as in '127.0.0.1:7000', or 'unix:/path'")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{address!r} has no port from 0 to 65535 after its last colon")
    return Tcp(host, int(port))
