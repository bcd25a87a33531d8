"""What a store holds of its group, and what is written into it when the group has lost its majority for good.

A new group is founded from the log that is left, as the heir of the old one. Two entries go to the end of the log, of
a term that is above all before: a configuration with the new voters, which replaces whatever was in force, also one
that is joint, since the newest in a log is in force, committed or not; and the heir's name. Whatever the log has
becomes committed by it: what had been committed cannot be told from what had not, and what was acknowledged must be
kept.

The heir has a name of its own, since two of three voters that were believed to be lost can elect each other when they
come back. So they are of another group, whose changes have other names: neither is heard by the other, nothing that
either does is taken for what the other did, and who meets an heir of its group retires.

Any other log of the old group may contradict this one, so nobody comes over with it: `rejoin` takes it away.

Pure: notes and records in and out.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from replication.raft.configuration import Configuration, in_order
from replication.raft.log import CONFIGURATION, DATA, Entry
from replication.raft.ready import Write
from replication.storage import Note, Record
from replication.strong import journal
from replication.strong.entries import HEIR, Refounded, encode
from replication.strong.machine import Machine

# Keys of notes: the group that a node belongs to; the heir of it that it has met; the one that it has left.
GROUP_NOTE, HEIR_NOTE, LEFT_NOTE = "group", "group heir", "group left"
# How often a group may be recovered: each time its name, which its members tell, gets longer.
RECOVERIES_MAX = 32


class Held(NamedTuple):
    """What a store holds of its group.

    heir        the group that goes on in its place, if this store has heard of one
    last        the index of the log's last entry, and `last_term` its term: of two stores of one group the one with the
                higher (last_term, last) is ahead
    snapshot    up to this index the log is known to be committed
    """

    group: str
    heir: str
    term: int
    last: int
    last_term: int
    snapshot: int
    configuration: Configuration


def held(notes: Mapping[str, bytes], records: Iterable[Record]) -> Held | None:
    """None if the store never was a member. MessageError if the records are none of a log."""
    records = tuple(records)
    group, heir = [notes.get(each, b"").decode() for each in (GROUP_NOTE, HEIR_NOTE)]
    if not group or not records:
        return None
    (saved, machine, _), _ = journal.read(records, Configuration())
    last = saved.offset + len(saved.entries)
    # Those up to the snapshot are in what the snapshot has.
    after = saved.entries[saved.snapshot.last_index - saved.offset :]
    configurations = [each.data for each in after if each.kind == CONFIGURATION]
    configuration = Configuration.from_bytes(configurations[-1]) if configurations else saved.snapshot.configuration
    last_term = saved.entries[-1].term if saved.entries else saved.offset_term
    if machine:
        Machine.from_bytes(machine)  # or the log cannot be gone on with
    return Held(group, heir, saved.term, last, last_term, saved.snapshot.last_index, configuration)


def refound(store: Held, records: Iterable[Record], voters: Iterable[str], token: str) -> list[Note | Record]:
    """What to write to have this store found the heir of its group, with those voters.

    token  random: another store of the group may be recovered, too, and that is another heir
    """
    heir = f"{store.group}{HEIR}{token}"
    term = max(store.term, store.last_term) + 1
    _, log = journal.read(records, Configuration())
    entries = (
        Entry(term, CONFIGURATION, Configuration(voters=in_order(voters)).to_bytes()),
        Entry(term, DATA, encode(Refounded(heir))),
    )
    record = log.write(Write(0, term, "", None, store.last + 1, entries), None)
    return [record, Note(GROUP_NOTE, heir.encode()), Note(HEIR_NOTE, b"")]


def rejoin(store: Held) -> list[Note]:
    """What to write, besides removing all records, to have this store leave its group and wait for its heir."""
    return [Note(GROUP_NOTE, b""), Note(HEIR_NOTE, b""), Note(LEFT_NOTE, store.group.encode())]


def is_over(group: str, heir: str) -> str:
    """What has become of a group, in words."""
    return f"the group {group} of this node is over: it was recovered elsewhere, and goes on as {heir}"


def rejoin_advice(name: str) -> str:
    """How a node goes on whose group is over."""
    return (
        f"To have {name!r} in the group that goes on: close it, run 'nexus-state recover DIRECTORY --rejoin' on its "
        "directory, and open it with peers= of that group; or open an empty directory under a new name"
    )
