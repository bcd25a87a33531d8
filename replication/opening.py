"""`open`: a node and what it stands on, its place in a directory, its disk, its way to other nodes.

What only some nodes need is imported when they do.
"""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from crdt import Composite
from crdt.shown import shown
from replication import arguments
from replication.config import Config
from replication.identity import check_name, numbered, succeed
from replication.node import Node
from replication.storage import Storage
from replication.storage.memory import MemoryStorage
from replication.transport import Transport

if TYPE_CHECKING:
    from replication.storage.directory import Home


def open(
    path: str | os.PathLike[str] | None = None,
    *,
    schema: type[Composite],
    name: str | None = None,
    listen: str | None = None,
    peers: Iterable[str] = (),
    bootstrap: Iterable[str] = (),
    cluster: str = "default",
    tls: Any = None,
    durability: str = "fsync",
    flush_interval: float = 0.005,
    **limits: Any,
) -> Node:
    """Open the store in the directory `path` (made if it is not there; None: memory only) as a node.

    path            processes that open one directory share its state, each with a replica of its own in it,
                    over sockets in it; what one that was killed had acknowledged, the others take in
    schema          the Composite class of every agent's state
    name            what this node is called; kept in the store, random at first. The second process with a
                    directory is called `name`-2, and so on
    listen          "host:port" where other nodes may reach this one; port 0 takes a free one
    peers           addresses of other nodes of the cluster; one that is up is enough to meet all
    cluster         nodes of another cluster name are turned away
    tls             `TLS(certificate, key, ca)`; needed to listen beyond loopback
    bootstrap       the nodes that vote in the "replicated" mode
    durability      "fsync": what is acknowledged survives power loss. "os": it survives the death of
                    the process; a power cut may take the last seconds
    flush_interval  seconds a change may wait in memory before it goes to disk
    limits          any field of `replication.Config`

    Reads and checks the whole store, some microseconds for each agent. Raises StoreError if the
    directory cannot be used, CorruptStore if it is damaged, OSError if the address is taken,
    TypeError or ValueError for wrong arguments.
    """
    config = Config.of({"flush_interval": flush_interval, **limits})
    arguments.check_schema(schema)
    if name is not None:
        check_name(name)
    network = arguments.network(cluster, listen, peers, bootstrap, tls)
    home = _take_home(path, cluster, durability)
    storage = _open_storage(home, name, durability, config)
    from replication.event_loop import EventLoopRuntime

    runtime = EventLoopRuntime()
    try:
        transport = _make_transport(runtime, network, storage.identity.name, config, home)
        # One that has nobody else decides alone; one that has is told of the group by those that are in it.
        is_alone = not (network.bootstrap or network.peers or (home is not None and home.number > 1))
        voters = (storage.identity.name,) if is_alone else network.bootstrap
        node = Node(storage, schema, config, cluster, runtime, transport, network.peers, voters, is_alone)
    except BaseException:
        runtime.stop()
        storage.close(clean=False)
        raise
    node._listen(network.listen, home)
    return node


def _make_transport(
    runtime: Any, network: arguments.Network, name: str, config: Config, home: "Home | None"
) -> Transport | None:
    """A way to other nodes; None if there can be none: no address, no peer, no directory."""
    if not network.listen and not network.peers and home is None:
        return None
    from replication.transport.tcp import TcpTransport
    from replication.transport.tls import Security

    return TcpTransport(runtime.loop, Security(network.tls, name) if network.tls else None, config)


def _take_home(path: str | os.PathLike[str] | None, cluster: str, durability: str) -> "Home | None":
    """Take a replica in the directory; None if everything is kept in memory."""
    if path is None:
        return None
    from replication.storage.directory import Home
    from replication.storage.sqlite import DURABILITY

    arguments.check_path(path)
    if durability not in DURABILITY:
        raise ValueError(f"durability={shown(durability)} is not known: use one of {', '.join(map(repr, DURABILITY))}")
    return Home(path, cluster)


def _open_storage(home: "Home | None", name: str | None, durability: str, config: Config) -> Storage:
    """The disk in that place, or one in memory."""
    token = os.urandom(3).hex()
    if home is None:
        return MemoryStorage(succeed(None, name, "", token))
    from replication.storage.sqlite import SQLiteStorage

    try:
        if name is not None and home.number > 1:  # the first process has the name itself
            name = check_name(numbered(name, home.number))
    except BaseException:
        home.directory.release()
        raise
    return SQLiteStorage(home.directory, name, token, durability, config.checkpoint_bytes, config.journal_bytes)
