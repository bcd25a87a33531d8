"""What a node stands on: its place in a directory, its disk, its way to other nodes. Made here for `open`.

What only some nodes need is imported when they do.
"""

import os
from typing import TYPE_CHECKING, Any

from replication import arguments
from replication.config import Config
from replication.identity import check_name, succeed
from replication.storage import Storage
from replication.storage.memory import MemoryStorage
from replication.transport import Transport

if TYPE_CHECKING:
    from replication.storage.directory import Home


def make_transport(
    runtime: Any, network: arguments.Network, name: str, config: Config, home: "Home | None"
) -> Transport | None:
    """A way to other nodes; None if there can be none: no address, no peer, no directory."""
    if not network.listen and not network.peers and home is None:
        return None
    from replication.transport.tcp import TcpTransport
    from replication.transport.tls import Security

    return TcpTransport(runtime.loop, Security(network.tls, name) if network.tls else None, config)


def take_home(path: str | os.PathLike[str] | None, cluster: str, durability: str) -> "Home | None":
    """Take a replica in the directory; None if everything is kept in memory."""
    if path is None:
        return None
    from replication.storage.directory import Home
    from replication.storage.sqlite import DURABILITY

    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise TypeError(f"path={path!r} must be the path of a directory, or None to keep everything in memory")
    if durability not in DURABILITY:
        raise ValueError(f"durability={durability!r} is not known: use one of {', '.join(map(repr, DURABILITY))}")
    return Home(path, cluster)


def open_storage(home: "Home | None", name: str | None, durability: str, config: Config) -> Storage:
    """The disk in that place, or one in memory."""
    token = os.urandom(3).hex()
    if home is None:
        return MemoryStorage(succeed(None, name, "", token))
    from replication.storage.sqlite import SQLiteStorage

    try:
        if name is not None and home.number > 1:  # the first process has the name itself
            name = check_name(f"{name}-{home.number}")
    except BaseException:
        home.directory.release()
        raise
    return SQLiteStorage(home.directory, name, token, durability, config.checkpoint_bytes)
