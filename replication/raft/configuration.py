"""Who is a member of the group: a value that travels in the log.

Changes are by joint consensus only (paper section 6): from C_old to C_old,new, in which both sets of voters must agree,
and from there to C_new. So any set of voters may follow any other, and a mistake that single-server changes allow (two
disjoint majorities) cannot be made. An entry holds the whole configuration, not what changed: whoever has the entry
knows the members, whatever it had before.

Knows nothing of the log and of who is up.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgpack

from replication.message_fields import MessageError, check_of_class

MEMBERS_MAX = 1000


class Configuration(NamedTuple):
    """The members, by name; each array in order and without doubles.

    voters         whose majority decides; none on a node that nobody has told of a group yet
    outgoing       the voters of C_old while the configuration is joint, whose majority must agree too; else empty
    learners       are sent the log and count for nothing
    learners_next  voters of C_old that become learners once C_old,new has been left
    """

    voters: tuple[str, ...] = ()
    outgoing: tuple[str, ...] = ()
    learners: tuple[str, ...] = ()
    learners_next: tuple[str, ...] = ()

    @property
    def is_joint(self) -> bool:
        return bool(self.outgoing)

    @property
    def members(self) -> tuple[str, ...]:
        """All that are sent the log."""
        return in_order([*self.voters, *self.outgoing, *self.learners, *self.learners_next])

    def decides_alone(self, name: str) -> bool:
        """Whether that node needs nobody, and nobody can decide without it."""
        return self.voters == (name,) and not self.is_joint

    def counts(self, name: str) -> bool:
        """Whether a majority may need that node."""
        return name in self.voters or name in self.outgoing

    def entering(self, voters: Iterable[str], learners: Iterable[str]) -> "Configuration":
        """C_old,new: on the way from this configuration to one of those voters and learners."""
        assert not self.is_joint, "one change at a time"
        new, rest = in_order(voters), in_order(learners)
        if not new:
            raise ValueError("a group needs a voter")
        if both := set(new) & set(rest):
            raise ValueError(f"{min(both)!r} cannot be a voter and a learner")
        if len(new) + len(rest) > MEMBERS_MAX:
            raise ValueError(f"a group has at most {MEMBERS_MAX} members")
        return Configuration(
            voters=new,
            outgoing=self.voters,
            learners=tuple([name for name in rest if name not in self.voters]),
            learners_next=tuple([name for name in rest if name in self.voters]),
        )

    def leaving(self) -> "Configuration":
        """C_new: what comes after a joint configuration."""
        assert self.is_joint
        return Configuration(voters=self.voters, learners=in_order([*self.learners, *self.learners_next]))

    def check_invariants(self) -> None:
        voters, learners = {*self.voters, *self.outgoing}, {*self.learners}
        assert not voters & learners, "whoever counts is no learner"
        assert {*self.learners_next} <= {*self.outgoing} - {*self.voters}, "only a voter on its way out is one later"
        assert self.voters or not self.members, "who has learners has voters"
        assert all(each == in_order(each) for each in self), "in order and without doubles"

    def to_bytes(self) -> bytes:
        """The data of its entry."""
        packed: bytes = msgpack.packb(self)
        return packed

    @classmethod
    def from_bytes(cls, data: bytes) -> "Configuration":
        """MessageError if it is none, also one that no node would have made."""
        try:
            fields = msgpack.unpackb(data, use_list=False, max_array_len=MEMBERS_MAX, max_map_len=0, max_ext_len=0)
        except Exception as error:  # msgpack documents no common root of what it raises
            raise MessageError(f"a configuration is not msgpack: {error}") from None
        return checked(_check(fields))


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def checked(configuration: Configuration) -> Configuration:
    """A configuration that came from elsewhere; MessageError if it breaks what every one keeps."""
    try:
        configuration.check_invariants()
    except AssertionError as error:
        raise MessageError(f"not a configuration: {error}") from None
    return configuration


_check = check_of_class(Configuration)
