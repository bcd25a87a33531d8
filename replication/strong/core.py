"""`replicated`: changes go through the log of a group, and hold for everybody or for nobody.

Raft (`replication.raft`) says in which order entries are committed; `machine` what each of them comes to; this core
puts the two, the disk and the states of the agents together. Proposals are sent to whoever leads, and again, after a
while or to the next leader, until the log has a verdict: one that comes twice conflicts with itself the second time.

Nothing leaves this node that its disk does not hold: writes of the log go out as a Ready that persists, and the core
hears of their end as any caller would. What the log brings is delivered like what other nodes tell, in the order of the
log, and is applied once it is merged.

Fills the Carrier port. Pure.
"""

from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from random import Random
from typing import Any

from crdt import VersionVector
from replication.config import Config
from replication.core import NOTHING, Change, Delivery, Landing, Ready, Send, Told
from replication.message_fields import MessageError
from replication.messages import Message
from replication.raft.core import Raft
from replication.raft.messages import KINDS_OF_MESSAGES
from replication.raft.options import Options
from replication.raft.ready import NOTHING as NOTHING_WANTED
from replication.raft.ready import Apply, Write
from replication.raft.ready import Ready as Wanted
from replication.raft.roles import LEADER
from replication.storage import Note, Record
from replication.strong.applying import Applying, Judge, Judged
from replication.strong.attempt import Attempt
from replication.strong.compaction import Compaction
from replication.strong.entries import GROUP, decode, first_of, writer_of
from replication.strong.journal import Base, RecordLog, Start
from replication.strong.machine import Machine
from replication.strong.members import Members
from replication.strong.messages import Manage, Propose
from replication.strong.proposals import Proposals
from replication.strong.readers import Readers
from replication.strong.recovery import GROUP_NOTE, is_over
from replication.strong.snapshots import Snapshots
from replication.strong.turns import Turns
from replication.strong.undecided import Undecided
from replication.ticket import Ticket

# Seconds in which what is being merged mostly is.
_SOON = 0.01
# Seconds that are not lost in rounding a time.
_NEXT_MOMENT = 0.0001
_MERGED = ("landed", "known")


class StrongCore:
    """Carries changes through the log.

    boot     tells this life of the node from its others
    decided  called with each attempt of this node that has its verdict, before its callers are woken
    moved    called with the agents of which there were verdicts, once what the log brought is merged
    parts    the parts of an agent, as they are on disk
    group    the group this node belongs to, "" if it has not met any
    group_of which group another node says that it belongs to, "" if it has not said so
    may_join whether this node, which has met no group, may become a member of that one
    joined   called when this node has become a member of a group
    is_gone  whether a node has left the cluster
    later    has `remind` called in so many seconds
    """

    handles: tuple[type[Message], ...] = (Propose, Manage, *KINDS_OF_MESSAGES)

    def __init__(
        self,
        name: str,
        boot: int,
        start: Start,
        records: RecordLog,
        options: Options,
        random: Random,
        now: float,
        config: Config,
        decided: Callable[[Attempt], None],
        moved: Callable[[Iterable[str]], None],
        parts: Callable[[str], Iterable[bytes]],
        group: str,
        group_of: Callable[[str], str],
        may_join: Callable[[str], bool],
        joined: Callable[[str], None],
        is_gone: Callable[[str], bool],
        later: Callable[[float], object],
    ) -> None:
        self.raft = Raft(name, start.saved, options, random, now)
        self._out: deque[Ready] = deque()
        self._belong_to(group)
        if start.machine:
            self.machine = Machine.from_bytes(start.machine)
        self.heir = ""  # the group that goes on in place of this node's, which is over
        self._entry_bytes_max = options.entry_bytes_max
        self._group_of, self._may_join, self._joined = group_of, may_join, joined
        self.members = Members(
            self.raft, is_gone, lambda peer: group_of(peer) in ("", self.group), self._out.append, lambda: self._now
        )
        self._config = config
        self._snapshots = Snapshots(parts)
        self._snapshots.keep(start.saved.snapshot, start.machine or self.machine.to_bytes(), ())
        # A snapshot whose agents are on their way to the disk, with its machine, and the writes after it.
        self._installing: tuple[Write, bytes] | None = None
        self._behind: list[Write] = []
        self.stuck = ""  # why nothing goes on here until the node is opened again
        self.name, self._records = name, records
        self._decided, self._moved, self._later = decided, moved, later
        self._turns, self._readers = Turns(name), Readers(self.raft)
        self._reminded_at = inf
        self._now = now  # never goes back, also if a caller's is older
        self.reachable = frozenset((name,))
        self.is_wanted = False  # somebody has asked for this mode; set by any thread
        self.undecided = Undecided(start, lambda: self.counts["applied"])
        self._proposals = Proposals(
            name, boot, self.raft, records, self.undecided, config, lambda id: self.machine.pieces.next_of(id),
            self._out.append, lambda: self._now,
        )  # fmt: skip
        self._compaction = Compaction(
            self.raft, self._snapshots, records, config, random, self._proposals.asked, self._out.append
        )
        self._applying: Applying | None = None
        self.counts = dict.fromkeys(("committed", "conflicts", "applied", "unmerged", "invalid", "strange"), 0)
        self.counts["applied"] = start.saved.applied
        self._judge = Judge(self._turns, self._proposals, self.counts)

    def _belong_to(self, group: str) -> None:
        """The log of a group begins under the name that it had first."""
        self.group, self.writer = group, writer_of(group)
        self.machine = Machine(writer_of(first_of(group)))

    # What callers wish

    def put(self, attempts: Iterable[Attempt], now: float) -> list[Attempt]:
        """Have them put into the log, as often as it takes; but for those that are too large, which are returned."""
        self._now = max(self._now, now)
        return self._proposals.add(attempts)

    @property
    def waiting(self) -> int:
        """Attempts of this node without a verdict."""
        return len(self._proposals)

    def result(self, op_id: str) -> bytes | None:
        """What the operation of that name returned, once the log has brought it and it is merged. From any thread."""
        result = self.machine.result(op_id)
        return None if op_id in self._judge.unmerged else result

    def wait(self, agent_id: str, now: float) -> float:
        """Seconds until an attempt of that agent may be put; `moved` may be called before. 0 for now."""
        if self._applying is not None and agent_id in self._applying.judged.agents:
            return _SOON
        return self._turns.wait(agent_id, now)

    def held(self, agent_id: str) -> VersionVector:
        """What the log has brought of an agent."""
        return self.machine.held(agent_id)

    def read(self, tickets: tuple[Ticket, ...], now: float) -> None:
        """Settle the tickets once this node's states have everything that was committed before now."""
        self._now = max(self._now, now)
        self._readers.add(tickets, self._now)

    # What the driver tells

    def propose(self, change: Change, now: float) -> None:
        raise AssertionError("what goes through the log does not come out of a flush")

    def told(self, told: Told, now: float) -> None:
        raise AssertionError("this core wishes for no deltas")

    def durable(self, token: Any, now: float) -> None:
        """What some entries brought, or a snapshot, is on disk."""
        self._now = max(self._now, now)
        if self._installing is not None and token == -self._installing[0].number:
            self._install()
        else:
            self._compaction.durable(token)

    def peers(self, names: tuple[str, ...], now: float) -> None:
        """Who is a member says the log; who can be reached is good to know."""
        self.reachable = frozenset((*names, self.name))

    def step(self, peer: str, message: Message, now: float) -> None:
        self._now = max(self._now, now)
        if not self._is_of_ours(peer):
            self.counts["strange"] += 1
            return
        try:
            if isinstance(message, Propose):
                if len(message.data) > self._entry_bytes_max:
                    raise MessageError("an entry that is too large")
                decode(message.data)
                self.raft.propose((message.data,), self._now, peer)  # refused, it is sent again to whoever leads then
            elif isinstance(message, Manage):
                self.members.manage(message.act, message.name)
            else:
                self.raft.step(peer, message, self._now)  # type: ignore[arg-type]
        except MessageError:
            self.counts["invalid"] += 1

    def _is_of_ours(self, peer: str) -> bool:
        """Whether a node is to be heard: one of another group is not, though its terms are numbers like ours."""
        group = self._group_of(peer)
        if self.heir:
            return False
        if not self.group and group and self._may_join(group):
            self._belong_to(group)
            self._joined(group)
        return bool(self.group) and (group == self.group or (not group and peer in self.raft.configuration.members))

    def tick(self, now: float) -> None:
        self._now = max(self._now, now)
        if self.is_idle:
            return
        self.raft.tick(self._now)
        self._readers.tick()
        if self.raft.role == LEADER:
            self.members.gather(self.reachable)
            self._proposals.forget(self.machine, self._now)
        if self._applying is None and self._installing is None:
            self._compaction.look(self.counts["applied"], self.machine)
        self._proposals.tick(self._now)

    def remind(self, now: float) -> bool:
        """Whether what was put off is due, and has not been done meanwhile with something else."""
        self._now = max(self._now, now)
        self._reminded_at = inf
        if self.raft.news_due > self._now:
            self._look_for_news()
            return False
        self.raft.tick(self._now)
        return True

    def _look_for_news(self) -> None:
        """Have this core reminded of what was put off."""
        due = self.raft.news_due
        if due < self._reminded_at:
            self._reminded_at = due
            self._later(max(_NEXT_MOMENT, due - self._now))

    # Snapshots

    def _install(self) -> None:
        """The agents of a snapshot that came are on disk: now it may take the place of the log."""
        assert self._installing is not None
        (write, machine), self._installing = self._installing, None
        snapshot = write.snapshot
        assert snapshot is not None
        self.machine = Machine.from_bytes(machine)
        self.counts["applied"] = snapshot.last_index
        self._proposals.lose(self._decided)
        self._snapshots.keep(snapshot, machine, self.raft.snapshots_in_use())
        self._persist(write, Base(snapshot, machine, snapshot.last_index, snapshot.last_term))
        behind, self._behind = self._behind, []
        for each in behind:
            self._write(each)

    @property
    def is_behind(self) -> bool:
        """Whether this node, as the only voter, has not applied yet all that it found in its log: it is committed."""
        members, found = self.raft.configuration, self.undecided.last_found
        return self.counts["applied"] < found and members.voters == (self.name,) and not members.is_joint

    @property
    def is_idle(self) -> bool:
        """Whether no time needs to pass here: nobody waits, and there is nobody else; or the group is over."""
        if self.heir:
            return True
        waits = self._proposals or self._readers or self.is_behind or (self.is_wanted and not self.raft.leader)
        return not waits and len(self.reachable) == 1 and self.raft.configuration.members in ((), (self.name,))

    def landed(self, landing: Landing, now: float) -> None:
        applying = self._applying
        if applying is None or landing.delivery is not applying.delivery:
            return
        # What does not merge is brought by comparing; the log's verdict stands all the same.
        self.counts["unmerged"] += len(landing.outcomes) - sum(map(landing.outcomes.count, _MERGED))
        self._applying = None
        self._now = max(self._now, now)
        self._end(applying.last, applying.judged)

    # What is to be done

    def ready(self) -> Ready:
        while not self._out and not self.heir:
            wanted = self.raft.ready()
            if wanted is NOTHING_WANTED:
                self._look_for_news()
                break
            self._take(wanted)
        return self._out.popleft() if self._out else NOTHING

    def _take(self, wanted: Wanted) -> None:
        if wanted.send or wanted.reads:
            send = tuple([Send(peer, message) for peer, message in wanted.send])
            self._out.append(Ready(send=send, settle=tuple(self._readers.take(wanted.reads))))
        for piece in wanted.pieces:
            self._snapshots.take(piece)
        if wanted.write is not None:
            self._write(wanted.write)
        for wish in wanted.chunks:
            self.raft.chunk_read(wish, *self._snapshots.read(wish), self._now)
        if wanted.apply is not None:
            self._apply(wanted.apply)

    def _write(self, write: Write) -> None:
        if self._installing is not None:
            # Its entries come after the snapshot, and that one of them is durable says that all before it is.
            self._behind.append(write)
            return
        if write.snapshot is None:
            self._persist(write, None)
            return
        try:
            contents = self._snapshots.contents(write.snapshot)
        except MessageError as error:
            self.counts["invalid"] += 1
            self._installing = write, b""  # for ever: its vote may count on the snapshot, so it takes no part without
            self.stuck = (
                f"what {self.raft.leader!r} sent as a snapshot of the log cannot be read ({error}): this node takes no "
                "further part in the mode 'replicated'. Close it and open it again: then it is sent anew"
            )
            return
        self._installing = write, contents.machine
        if contents.items:
            self._out.append(Ready(deliver=(Delivery(GROUP, contents.items, -write.number, is_ordered=True),)))
        else:
            self._install()

    def _persist(self, write: Write, base: Base | None) -> None:
        def written(ticket: Ticket) -> None:
            self.raft.persisted(write.number, self._now)

        # Who was to vote when this node was first opened is in no entry.
        first: list[Note | Record] = []
        if self._records.is_new:
            empty = Base(self.raft.snapshot, self.machine.to_bytes(), 0, 0)
            first = [Note(GROUP_NOTE, self.group.encode()), *self._records.base(empty, 0, "")]
        persist = (*first, self._records.write(write, base))
        self._out.append(Ready(persist=persist, settle=(Ticket(None, written),)))

    def _apply(self, apply: Apply) -> None:
        judged = self._judge.judge(self.machine, apply.entries, self._now)
        last = apply.first + len(apply.entries) - 1
        if judged.items:
            self._compaction.merged(last)
            self._applying = Applying(last, Delivery(GROUP, tuple(judged.items), last, is_ordered=True), judged)
            self._out.append(Ready(deliver=(self._applying.delivery,)))
        else:
            self._end(last, judged)

    def _end(self, last: int, judged: Judged) -> None:
        """Everything up to that entry is applied: tell those who wait for it."""
        self._judge.unmerged.clear()
        self.counts["applied"] = last
        settle = self._proposals.decide(judged.decided, self._decided)
        self._moved(judged.agents)
        self.raft.applied(last)
        if settle:
            self._out.append(Ready(settle=tuple(settle)))

    def retire(self, heir: str) -> None:
        """Another group goes on from what was this one's log: nothing is agreed on here any more."""
        self.heir = heir
        self.end(is_over(self.group, heir))

    def end(self, why: str) -> None:
        """This node can do nothing more for those who wait."""
        self._proposals.end(why)
        self._readers.end(why)

    def status(self) -> dict[str, Any]:
        members = self.raft.configuration
        return {
            "group": self.group,
            "term": self.raft.term,
            "heir": self.heir,
            "leader": "" if self.heir else self.raft.leader,
            "role": "retired" if self.heir else self.raft.role,
            "commit": self.raft.commit,
            "last": self.raft.last,
            "snapshot": self.raft.snapshot.last_index,
            "voters": list(members.voters),
            "learners": list(members.learners),
            "waiting": self.waiting,
            **self._proposals.counts,
            **self.counts,
        }
