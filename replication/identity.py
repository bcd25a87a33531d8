"""Under which name a node writes, so that no dot is ever given out twice.

A dot is (writer, sequence), and merging relies on one dot meaning one change for ever. A crash
loses the changes that were not on disk yet, but a program may already have shown them to the
outside: in a `delta`, a copy, a `version` kept as `expected=`. Counting on from what the disk
holds would then give the lost dots out again, for other changes, and no merge repairs that.
Skipping ahead is no way out either, because a writer's sequence has no gaps, and a reader of the
lost dots must be able to bring them back.

So the writer's name is the node's name and an incarnation, `name~3.9f2c41`, and a node continues
the incarnation it finds in its store only if nothing can have been lost or doubled:

1. the store was closed cleanly, so the disk holds every dot that was given out, and
2. the store lies where it lay (same file system and inode), so it is not a copied or restored
   directory whose other self may have written on.

In every other case it takes the next incarnation, and has that on disk before the first dot. The
price is one entry more in the version vector of each agent that is changed in that incarnation.
The six random digits keep two copies of one directory apart that both count on to the same number.

Pure: knows nothing of files, and takes randomness as an argument.
"""

from typing import Any, NamedTuple

from crdt.shown import shown

# The longest replica name the types accept, and room for "~", the incarnation, "." and the digits.
WRITER_BYTES_MAX = 64
NAME_BYTES_MAX = WRITER_BYTES_MAX - 20


class Identity(NamedTuple):
    """Who writes. `clean` is true only on disk, and only after a close that lost nothing.

    `store` is random and made with the store: what tells a wiped disk from a restart; "" if there is
    no disk. `opens` counts the times that the store was opened, this one included.
    """

    name: str
    incarnation: int
    token: str
    place: str
    clean: bool
    store: str = ""
    opens: int = 0

    @property
    def writer(self) -> str:
        """The replica name given to every agent's state."""
        return f"{self.name}~{self.incarnation}.{self.token}"


def node_of(writer: str) -> str:
    """The name of the node that a writer is an incarnation of."""
    return writer.rpartition("~")[0]


def incarnation_of(writer: str) -> int:
    """Which of that node's incarnations it is; one that had to take another name goes on under the same number."""
    number = writer.rpartition("~")[2].partition(".")[0]
    return int(number) if number.isdecimal() else 0


class Writers:
    """The names under which a node writes its agents: that of its identity, but for agents in which that had to go.

    A name that was given up for one agent must not be taken up there again, and which those are is not on
    disk: a node that `has_renamed` any must not close its store as clean.
    """

    def __init__(self, identity: Identity) -> None:
        self.default = identity.writer
        self._identity = identity
        self._names: dict[str, str] = {}

    def of(self, agent_id: str) -> str:
        return self._names.get(agent_id, self.default)

    def fresh(self, token: str) -> str:
        """A name of this node that nobody had, if the token, six hexadecimal digits, is random."""
        return self._identity._replace(token=token).writer

    def rename(self, agent_id: str, writer: str) -> None:
        self._names[agent_id] = writer

    @property
    def has_renamed(self) -> bool:
        return bool(self._names)


def check_name(name: Any) -> str:
    """The name, if it can name a node; TypeError or ValueError otherwise."""
    if not isinstance(name, str):
        raise TypeError(f"name={shown(name)} must be a str, not {type(name).__name__}")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError(f"name={shown(name)} cannot be encoded as UTF-8: it holds a lone surrogate") from None
    if not 1 <= size <= NAME_BYTES_MAX:
        raise ValueError(f"name={shown(name)} is {size} bytes in UTF-8: a node name has 1 to {NAME_BYTES_MAX}")
    return name


def numbered(name: str, number: int) -> str:
    """The name of a process that shares a directory with others of that name; the end of a long one gives way."""
    end = f"-{number}"
    return name.encode()[: NAME_BYTES_MAX - len(end)].decode(errors="ignore") + end


def succeed(stored: Identity | None, name: str | None, place: str, token: str, store: str = "") -> Identity:
    """The identity a node takes when it opens a store that holds `stored`; `clean` is False in it.

    `name=None` keeps the stored name, or makes one of the random `token`. `place` names where the
    store lies now; `store` names a store that is new.
    """
    if stored is None:
        return Identity(name or f"node-{token}", 1, token, place, False, store, 1)
    name, opens = name or stored.name, stored.opens + 1
    if stored.clean and stored.place == place and stored.name == name:
        return stored._replace(clean=False, opens=opens)
    return Identity(name, stored.incarnation + 1, token, place, False, stored.store, opens)
