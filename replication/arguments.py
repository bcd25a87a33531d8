"""Checks of what callers pass in, each with a message that says what would be right."""

import os
from collections.abc import Callable, Iterable
from math import inf
from threading import TIMEOUT_MAX
from typing import Any, NamedTuple

from crdt import Composite
from crdt.shown import shown
from replication import consistency as modes
from replication.errors import Unavailable
from replication.identity import check_name
from replication.transport import TLS
from replication.transport.addresses import parse


def seconds(timeout: Any) -> float:
    """A timeout as a lock takes it, -1 for None; TypeError or ValueError for what is none."""
    if timeout is None:
        return -1.0
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout={shown(timeout)} must be a number of seconds or None, not {type(timeout).__name__}")
    if not timeout >= 0:
        raise ValueError(f"timeout={shown(timeout)} must be 0 or more seconds; None waits as long as it takes")
    try:
        return min(float(timeout), TIMEOUT_MAX)
    except OverflowError:
        raise ValueError(
            f"timeout={shown(timeout)} is more seconds than a float can count; None waits as long as it takes"
        ) from None


def deadline(begun: float, timeout: float | None) -> float:
    """When a call that began then is to give up, on the same clock."""
    return inf if timeout is None else begun + seconds(timeout)


def plain_id(value: Any) -> Any:
    """Of a subclass of str what is a str in it: a member of an enum names what its value does."""
    return str.__str__(value) if isinstance(value, str) else value


def agent_id(value: Any, bytes_max: int) -> None:
    """TypeError or ValueError unless it can name an agent."""
    if not isinstance(value, str):
        raise TypeError(f"agent_id={shown(value)} must be a str, not {type(value).__name__}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError(f"agent_id={shown(value)} cannot be encoded as UTF-8: it holds a lone surrogate") from None
    if not 1 <= size <= bytes_max:
        raise ValueError(f"agent_id={shown(value)} is {size} bytes in UTF-8: it must have 1 to {bytes_max}")


class Network(NamedTuple):
    """What `open` is told of other nodes, checked."""

    listen: tuple[str, ...]
    peers: tuple[str, ...]
    bootstrap: tuple[str, ...]
    tls: TLS | None


def network(cluster: Any, listen: Any, peers: Any, bootstrap: Any, tls: Any) -> Network:
    """TypeError or ValueError for what is no network; addresses are not resolved but for whether they are loopback."""
    if not isinstance(cluster, str) or not 1 <= len(cluster.encode("utf-8", "surrogatepass")) <= 256:
        raise ValueError(f"cluster={shown(cluster)} must be a str of 1 to 256 bytes in UTF-8")
    try:
        cluster.encode()
    except UnicodeEncodeError:
        raise ValueError(f"cluster={shown(cluster)} cannot be encoded as UTF-8: it holds a lone surrogate") from None
    if listen is not None and not isinstance(listen, str):
        raise TypeError(f"listen={shown(listen)} must be an address such as '127.0.0.1:7000', or None")
    addresses = () if listen is None else (listen,)
    seeds = _strings("peers", peers)
    for address in (*addresses, *seeds):
        parse(address)
    names = tuple(map(check_name, _strings("bootstrap", bootstrap)))
    if names:
        from replication.raft.configuration import MEMBERS_MAX  # which would make importing this library slow

        if len(set(names)) > MEMBERS_MAX:
            raise ValueError(f"bootstrap= has {len(set(names))} names: a group has at most {MEMBERS_MAX} members")
    if listen is None and not seeds and tls is None:
        return Network((), (), names, None)
    from replication.transport.tls import require_tls_beyond_loopback, tls_files

    files = None if tls is None else tls_files(tls)
    for address in addresses:
        require_tls_beyond_loopback(address, files)
    return Network(addresses, seeds, names, files)


def _strings(name: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name}={shown(values)} must be a sequence of str, such as {name}=['one', 'two']")
    strings = tuple(values)
    if not all(isinstance(each, str) for each in strings):
        raise TypeError(f"{name}={shown(values)} must hold str only")
    return strings


class Plan(NamedTuple):
    """How an update travels."""

    rank: int
    word: str
    acks: int | str
    weaker: tuple[str, ...] = ()  # modes that may serve it if this one cannot


# What serves the updates that ask for nothing besides a mode, by its word.
PLANS = {
    word: Plan(modes.parse(word).rank, modes.parse(word).word, 0)
    for word in ("eventually_consistent", "crdt_enhanced", "replicated", *modes.ALIASES)
}


def plan(consistency: Any, acks: Any, fallback: Any, others: Callable[[], tuple[str, ...]]) -> Plan | None:
    """The mode that serves an update, None for "reactive"; ValueError, TypeError, or Unavailable if none can."""
    asked = modes.parse(consistency)
    weaker = modes.parse_fallback(fallback, asked)
    is_word = isinstance(acks, str) and acks in ("majority", "all")
    if not is_word and (isinstance(acks, bool) or not isinstance(acks, int) or acks < 0):
        raise ValueError(f"acks={shown(acks)} must be a number of replicas, 'majority' or 'all'")
    if acks and not any(mode.counts_acks for mode in (asked, *weaker)):
        why, instead = "nobody is asked to confirm", "durable=True to wait for this node's disk"
        if asked is modes.REPLICATED:
            why = "a majority of the voters has it on disk when the call returns"
            instead = "leave acks= out; with fallback=('crdt_enhanced',) it holds for the fallback"
        raise ValueError(
            f"acks={shown(acks)} has no meaning with consistency={asked.word!r}, in which {why}: "
            f"use consistency='crdt_enhanced', or {instead}. Nothing was applied"
        )
    refusal: Unavailable | None = None
    for mode in (asked, *weaker):
        problem = _problem(mode, acks, others)
        if problem is None:
            if mode is modes.REACTIVE:
                return None
            words = tuple([each.word for each in weaker if each.rank < mode.rank])
            return Plan(mode.rank, mode.word, acks if mode.counts_acks else 0, words)
        refusal = refusal or problem
    assert refusal is not None
    raise refusal


def _problem(mode: modes.Mode, acks: int | str, others: Callable[[], tuple[str, ...]]) -> Unavailable | None:
    """Why a mode cannot serve now."""
    if mode.counts_acks and isinstance(acks, int) and acks > 0:
        known = others()
        if acks > len(known):
            return Unavailable(
                f"acks={acks} asks for more replicas than there are: this node knows of {len(known)} others. Nothing "
                "was applied: start more nodes, wait until they are in members(), or ask for fewer",
                have=len(known),
                need=acks,
            )
    return None


def check_read_mode(consistency: Any) -> bool:
    """Whether a read has to ask the group; the merging modes promise what a read of this node's own state has."""
    return modes.parse(consistency) is modes.REPLICATED


def check_path(path: Any) -> None:
    """TypeError or ValueError unless it can name a directory."""
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(name, str) or not name:
        raise TypeError(f"path={shown(path)} must be the path of a directory, or None to keep everything in memory")
    problem = "it holds the character NUL, which ends a path" if "\0" in name else ""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        problem = "it holds a lone surrogate, which no file system can write"
    if problem:
        raise ValueError(
            f"path={path!r} cannot name a directory: {problem}. Nothing was opened: give another path, or None to keep "
            "everything in memory"
        )


def check_schema(schema: Any) -> None:
    """TypeError unless it is a class of annotated fields."""
    if not (isinstance(schema, type) and issubclass(schema, Composite)):
        shown = schema.__name__ if isinstance(schema, type) else repr(schema)
        raise TypeError(
            f"schema={shown} must be a class derived from crdt.Composite with a field for each part of the state, "
            "such as `class AgentState(Composite): counters: GCounter`"
        )
    if not schema.fields():
        raise TypeError(f"schema={schema.__name__} has no fields: annotate at least one, such as `counters: GCounter`")
