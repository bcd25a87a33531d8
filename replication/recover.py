"""`nexus-state recover`: a group that has lost its majority for good goes on from one closed store.

It says what the store has, what recovering it means and what may be lost, and changes nothing unless it is told to.
What is written is in `strong.recovery`.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from replication.config import Config
from replication.errors import StoreError
from replication.identity import check_name
from replication.message_fields import MessageError
from replication.storage import Batch, Record
from replication.storage.closed import closed_store
from replication.storage.directory import Directory
from replication.storage.sqlite import SQLiteStorage
from replication.storage.verify import Contents
from replication.strong.entries import HEIR
from replication.strong.recovery import RECOVERIES_MAX, Held, held, refound, rejoin

_HOLDS = """\
The store {path}
  node                 {name}, with {agents} agents
  group                {group}
  voters               {voters}
  learners             {learners}
  term                 {term}
  last entry           index {last} of term {last_term}
  surely committed     {committed}"""

_FOUND = """\
RECOVERING means to give up the group {group} and to found a new one, with these voters: {voters}.
  It is for a group that has lost the majority of its voters FOR GOOD. If enough of them can be started again,
  with their disks, start them instead: then nothing is lost.
  - Entries that are not in this log ARE LOST as strong updates, though they may have been acknowledged. (What other
    nodes have in their states comes back by merging; a rule that was kept by such an update may be broken.)
  - Entries in this log that were never committed BECOME committed: updates whose outcome was unknown.
  - So run this on the store that is ahead: with the highest term of its last entry, and among those the highest
    index. Run it without --yes on each store that is left, and compare. Recover ONE of them.
  - All other nodes of the old group, voters and learners, are not of the new one. Let go of their logs, with
    'nexus-state recover DIRECTORY --rejoin', or give them empty directories and new names.
  - Lost voters that come back with their disks can still agree among themselves until they meet a node of the new
    group. What they decide then does not hold here. Keep them from starting."""

_NEEDLESS = """\
RECOVERING is for a group that has lost the majority of its voters, and this one has lost none: {name!r} is its only
voter, and all entries of this log are committed. Open the store, and it works; others vote after add_voter().
  With --yes the group {group} is given up all the same, and a new one is founded, with these voters: {voters}.
  - Nothing of this log is lost.
  - Other nodes of the old group are not of the new one. Let go of their logs, with 'nexus-state recover DIRECTORY
    --rejoin', or give them empty directories and new names."""

_REJOIN = """\
REJOINING means that this node leaves the group {group}, and its log of {count} entries is REMOVED.
  It is for a node of a group that was recovered on another store. Its agents stay as they are, and what others do
  not have of them they get by merging. Opened with peers= it becomes a learner of the group that went on from the
  old one; add_voter() has it vote again. If no other store was recovered, this log may be the one that is needed."""

_DRY = "Nothing was changed. To do it, add --yes. Keep a copy of the directory before."


def recover(directory: str, voters: Sequence[str], *, rejoins: bool, is_sure: bool) -> str:
    """What there is to say; and, with `is_sure`, do it.

    Without `voters` the store's own node is the only one. StoreError if the store is in use, damaged or none, or never
    was a member of a group; ValueError for voters that cannot be.
    """
    path = Path(directory)
    with closed_store(path) as (place, contents):
        store, own = _held(path, contents), contents.commit.identity.name
        names = _voters(store, own, voters)
        said = [_describe(path, contents, store, own)]
        if rejoins:
            said.append(_REJOIN.format(group=store.group, count=store.last))
        else:
            lost = _FOUND if store.heir or not _decides_alone(store, own) else _NEEDLESS
            said.append(lost.format(name=own, group=store.group, voters=", ".join(names)))
        if not is_sure:
            return "\n\n".join([*said, _DRY])
        _write(place, _batch(store, contents.records, names, rejoins))
        return "\n\n".join([*said, _done(own, names, rejoins)])


def _write(place: Directory, batch: Batch) -> None:
    config, is_done = Config(), False
    disk = SQLiteStorage(place, None, os.urandom(3).hex(), "fsync", config.checkpoint_bytes, config.journal_bytes)
    try:
        disk.write(batch)
        is_done = True
    finally:
        disk.close(clean=is_done)


def _held(path: Path, contents: Contents) -> Held:
    try:
        store = held(contents.notes, contents.records)
    except MessageError as error:
        raise StoreError(
            f"the log in {path} was written by another version of this library, or is none ({error}). Nothing was "
            "changed: use the version that wrote it",
            path=str(path),
        ) from error
    if store is None:
        raise StoreError(
            f"{path} is the store of a node that has no log of a group: it was never a member of one, or has left it. "
            "There is nothing to recover here: try the store of another node",
            path=str(path),
        )
    return store


def _voters(store: Held, own: str, given: Sequence[str]) -> tuple[str, ...]:
    names = tuple(sorted({check_name(name) for name in given})) or (own,)
    if own not in names:
        raise ValueError(
            f"--voters {','.join(given)}: {own!r} must be among them. It is the node of this store, and nobody else "
            "has the log that the new group goes on from"
        )
    if store.group.count(HEIR) >= RECOVERIES_MAX:
        raise ValueError(f"this group was recovered {RECOVERIES_MAX} times, more often than its name can tell")
    return names


def _decides_alone(store: Held, own: str) -> bool:
    """Whether the store's node is the only voter, so that an entry is committed as soon as it is in this log."""
    return store.configuration.voters == (own,) and not store.configuration.is_joint


def _describe(path: Path, contents: Contents, store: Held, own: str) -> str:
    configuration = store.configuration
    voters = ", ".join(configuration.voters)
    if configuration.is_joint:
        voters += f"; on the way from {', '.join(configuration.outgoing)}"
    said = _HOLDS.format(
        path=path.absolute(),
        name=own,
        agents=contents.agents,
        group=store.group,
        voters=voters,
        learners=", ".join(configuration.learners) or "none",
        term=store.term,
        last=store.last,
        last_term=store.last_term,
        committed="all of it, by the only voter"
        if _decides_alone(store, own)
        else f"up to index {store.snapshot}; of what follows only the lost voters could tell",
    )
    if store.heir:
        said += f"\nWARNING: this group was recovered ELSEWHERE already, as {store.heir}. Rejoin it, unless it is lost."
    elif _decides_alone(store, own):
        said += f"\nWARNING: {own!r} is the only voter, so nothing is missing: open the store, and it works."
    return said


def _batch(store: Held, records: Sequence[Record], voters: tuple[str, ...], rejoins: bool) -> Batch:
    if rejoins:
        return Batch(notes=rejoin(store), records_below=records[-1].number + 1)
    batch = Batch()
    batch.keep(refound(store, records, voters, os.urandom(4).hex()))
    return batch


def _done(own: str, voters: tuple[str, ...], rejoins: bool) -> str:
    if rejoins:
        return f"DONE. Open it as {own!r}, with peers= of the group that went on: its leader takes it in as a learner."
    others = [name for name in voters if name != own]
    if not others:
        return (
            f"DONE. Open it as {own!r}: alone it commits alone. Then start new nodes with peers=, which become "
            "learners, and add_voter() until there are three."
        )
    return (
        f"DONE. Open it as {own!r}, and {', '.join(map(repr, others))} from an empty or rejoined directory, with "
        f"peers= of this one and without bootstrap=: {len(voters) // 2 + 1} of the {len(voters)} voters are needed."
    )
