"""Transcripts: commands to a few nodes, and what comes of each, as text that can be read and compared.

A command is one line; what it gave stands below `----`, up to an empty line. Nothing happens but what a command says: a
message stays on its way until it is delivered, and time passes only when told to. Disks and states are as fast as can
be unless a node was made `slow`. What is shown: each message as it is sent, and what changed on the node that acted.

    nodes a b c              voters of a new group          join d               a node that nobody has told of it
    load a term=2 log=1,1,2  a's disk before it starts      options lease_reads=1
    campaign a               a waits until it stands        pass 0.5 [a b]       time, and ticks of these nodes or all
    run 0.5                  and delivering everything      stabilize            deliver until nothing is on its way
    deliver a->b [1]         all, or so many                drop a->b [1]        the same, but lost
    deliver-newest a->b      it overtakes the others        hang 2               time nobody notices
    cut a [b]                what it sends and is sent is   heal                 lost from now on, until
    propose a x              read a                         transfer a b
    add-learner a d          add-voter a d                  remove a c           change a voters=a,b learners=c
    slow a                   done a [2]                     writes, or so many   fast a
    hold a                   apply a                        nothing is applied until told
    crash a                  restart a                      of writes under way nothing is found to have been done
    snapshot a [40]          compact a 3                    show a | show all    log a
"""

from collections import deque
from random import Random

from replication.raft.configuration import Configuration
from replication.raft.log import CONFIGURATION, NOOP, Entry
from replication.raft.messages import Heartbeat, HeartbeatAnswer, Message
from replication.raft.options import Options
from replication.raft.ready import Proposed, Refused
from tests.raft.machine import Disk, Machine

TICK = 0.1


class Script:
    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self.now = 0.0
        self.network: deque[tuple[str, str, Message]] = deque()
        self._options: dict[str, float] = {"snapshot_chunk_bytes": 16}
        self._cut: set[tuple[str, str]] = set()
        self._slow: set[str] = set()
        self._held: set[str] = set()
        self._down: set[str] = set()
        self._seen: dict[str, tuple[object, ...]] = {}
        self._quiet = False  # about heartbeats, of which there are many
        self._out: list[str] = []

    def do(self, line: str) -> list[str]:
        """Carry out a command. What came of it."""
        word, *arguments = line.split()
        self._out = []
        getattr(self, "do_" + word.replace("-", "_"))(*arguments)
        return self._out or ["ok"]

    # ---- nodes

    def do_options(self, *pairs: str) -> None:
        self._options |= {name: float(value) for name, _, value in (pair.partition("=") for pair in pairs)}

    def do_nodes(self, *names: str) -> None:
        for name in names:
            self._make(name, Disk(Configuration(voters=tuple(sorted(names)))))

    def do_join(self, name: str) -> None:
        self._make(name, Disk(Configuration()))

    def do_load(self, name: str, term: str, log: str) -> None:
        disk = self.machines[name].disk
        disk.term = int(term.partition("=")[2])
        disk.entries = [Entry(int(each), 1, b"e%d" % at) for at, each in enumerate(log.partition("=")[2].split(","), 1)]
        self.machines[name].start(self.now)
        self._seen[name] = self._look(name)

    def _make(self, name: str, disk: Disk) -> None:
        whole = {"append_bytes_max", "inflight_messages_max", "uncommitted_bytes_max", "catch_up_entries_max"}
        numbers = {key: int(value) if key in whole or "bytes" in key else value for key, value in self._options.items()}
        machine = Machine(name, disk, Options(**numbers), Random(name))  # type: ignore[arg-type]
        self.machines[name] = machine
        machine.on_applied = lambda index, entry, digest: None
        machine.start(self.now)
        self._seen[name] = self._look(name)

    def do_crash(self, name: str) -> None:
        self._down.add(name)

    def do_restart(self, name: str) -> None:
        self._down.discard(name)
        self.machines[name].start(self.now)
        self._seen[name] = self._look(name)
        self._show(name)

    # ---- time

    def do_campaign(self, name: str) -> None:
        core = self.machines[name].core
        while core.role in ("follower", "leader") and self.now < 1000:
            self.now += TICK
            core.tick(self.now)
            self._act(name)

    def do_pass(self, seconds: str, *names: str) -> None:
        self._quiet = True
        for _ in range(round(float(seconds) / TICK)):
            self._tick(*names)
        self._quiet = False

    def do_run(self, seconds: str) -> None:
        self._quiet = True
        for _ in range(round(float(seconds) / TICK)):
            self._tick()
            self.do_stabilize()
        self._quiet = False

    def do_hang(self, seconds: str) -> None:
        """Time passes without anybody noticing."""
        self.now += float(seconds)

    def _tick(self, *names: str) -> None:
        self.now = round(self.now + TICK, 3)
        for name in names or self.machines:
            if name not in self._down:
                self.machines[name].core.tick(self.now)
                self._act(name)

    # ---- network

    def do_stabilize(self) -> None:
        for _ in range(10_000):
            if not self.network:
                return
            self._deliver(self.network.popleft())
        raise AssertionError("it never ends")

    def do_deliver(self, link: str, count: str = "1000") -> None:
        for each in self._taken(link, int(count)):
            self._deliver(each)

    def do_deliver_newest(self, link: str) -> None:
        newest = self._taken(link, 1000)
        self.network.extend(newest[:-1])
        self._deliver(newest[-1])

    def do_drop(self, link: str, count: str = "1000") -> None:
        for sender, peer, message in self._taken(link, int(count)):
            self._out.append(f"lost: {sender} -> {peer} {shown(message)}")

    def _taken(self, link: str, count: int) -> list[tuple[str, str, Message]]:
        sender, _, peer = link.partition("->")
        found = [each for each in self.network if each[0] in (sender or each[0]) and each[1] in (peer or each[1])][
            :count
        ]
        for each in found:
            self.network.remove(each)
        return found

    def _deliver(self, what: tuple[str, str, Message]) -> None:
        sender, peer, message = what
        if peer in self.machines and peer not in self._down and (sender, peer) not in self._cut:
            self.machines[peer].core.step(sender, message, self.now)
            self._act(peer)

    def do_cut(self, name: str, *others: str) -> None:
        for other in others or self.machines:
            self._cut |= {(name, other), (other, name)}

    def do_heal(self) -> None:
        self._cut.clear()

    # ---- wishes

    def do_propose(self, name: str, data: str) -> None:
        self._answer(self.machines[name].core.propose((data.encode(),), self.now))
        self._act(name)

    def do_read(self, name: str) -> None:
        read = self.machines[name].core.read(self.now)
        assert isinstance(read, int)
        self._act(name)

    def do_transfer(self, name: str, target: str) -> None:
        self._answer(self.machines[name].core.transfer(target, self.now))
        self._act(name)

    def do_add_learner(self, name: str, who: str) -> None:
        self._answer(self.machines[name].core.add_learner(who, self.now))
        self._act(name)

    def do_add_voter(self, name: str, who: str) -> None:
        self._answer(self.machines[name].core.add_voter(who, self.now))
        self._act(name)

    def do_remove(self, name: str, who: str) -> None:
        self._answer(self.machines[name].core.remove(who, self.now))
        self._act(name)

    def do_change(self, name: str, voters: str, learners: str = "learners=") -> None:
        sets = [[each for each in names.partition("=")[2].split(",") if each] for names in (voters, learners)]
        self._answer(self.machines[name].core.change(sets[0], sets[1], self.now))
        self._act(name)

    def _answer(self, answer: Proposed | Refused | None) -> None:
        if isinstance(answer, Refused):
            self._out.append(f"refused: {answer.reason}{answer.leader and f' (leader {answer.leader})'}")

    # ---- disk and state

    def do_slow(self, name: str) -> None:
        self._slow.add(name)

    def do_fast(self, name: str) -> None:
        self._slow.discard(name)
        self.do_done(name)

    def do_done(self, name: str, count: str = "1000") -> None:
        machine = self.machines[name]
        machine.write_done(self.now, min(int(count), len(machine.queue)))
        self._act(name)

    def do_hold(self, name: str) -> None:
        self._held.add(name)

    def do_apply(self, name: str) -> None:
        self._held.discard(name)
        self._act(name)

    def do_snapshot(self, name: str, size: str = "0") -> None:
        self.machines[name].take_snapshot(int(size))
        snapshot = self.machines[name].core.snapshot
        self._out.append(f"{name} has a snapshot of {snapshot.last_index}/{snapshot.last_term}")

    def do_compact(self, name: str, index: str) -> None:
        self.machines[name].compact(int(index))
        self._out.append(f"{name} has entries after {self.machines[name].core._state.log.offset}")

    # ---- what is seen

    def do_show(self, which: str) -> None:
        for name in self.machines if which == "all" else [which]:
            self._show(name)

    def _show(self, name: str) -> None:
        core, state = self.machines[name].core, self.machines[name].core._state
        line = f"{name}: {core.role}, term {core.term}, leader {core.leader or '-'}, {members(core.configuration)}, "
        self._out.append(line + f"log {state.log.offset}..{core.last}, commit {core.commit}, applied {state.applied}")
        for peer, progress in core.progress().items():
            self._out.append(f"   of {peer}: {progress.state}, match {progress.match}, next {progress.next}")

    def do_log(self, name: str) -> None:
        log = self.machines[name].core._state.log
        entries = [f"{index}/{entry(log.entry(index))}" for index in range(log.offset + 1, log.last + 1)]
        self._out.append(f"{name}: {' '.join(entries) or 'empty'}")

    def _look(self, name: str) -> tuple[object, ...]:
        core = self.machines[name].core
        return core.role, core.term, core.commit, core.configuration, core.leader

    def _act(self, name: str) -> None:
        machine = self.machines[name]
        self._changes(name)
        for _ in range(1000):
            ready = machine.core.ready()
            sends = machine.take(ready)
            for read in machine.served:
                self._out.append(f"{name} serves a read at {machine.index}")
                assert read
            machine.served.clear()
            for send in sends:
                self.network.append((name, send.peer, send.message))
                if not (self._quiet and isinstance(send.message, Heartbeat | HeartbeatAnswer)):
                    self._out.append(f"{name} -> {send.peer} {shown(send.message)}")
            if name not in self._slow and machine.queue:
                machine.write_done(self.now, len(machine.queue))
            elif machine.applying is not None and name not in self._held:
                machine.apply_done()
            elif machine.reading:
                machine.chunk_done(self.now)
            elif ready == ready.__class__():
                machine.core.check_invariants()
                return
            self._changes(name)
        raise AssertionError("it never ends")

    def _changes(self, name: str) -> None:
        before, now = self._seen[name], self._look(name)
        self._seen[name] = now
        if before[:2] != now[:2]:
            why = self.machines[name].core.stepped_down if before[0] == "leader" and before[1] == now[1] else ""
            self._out.append(f"{name} is {now[0]} in term {now[1]}{why and f': {why}'}")
        if before[3] != now[3]:
            self._out.append(f"{name} has {members(self.machines[name].core.configuration)}")
        if before[2] != now[2]:
            self._out.append(f"{name} commits {now[2]}")


def members(configuration: Configuration) -> str:
    parts = ["voters " + (",".join(configuration.voters) or "-")]
    for field in ("outgoing", "learners", "learners_next"):
        if names := getattr(configuration, field):
            parts.append(f"{field} {','.join(names)}")
    return " ".join(parts)


def entry(it: Entry) -> str:
    if it.kind == CONFIGURATION:
        return f"{it.term}({members(Configuration.from_bytes(it.data))})"
    return f"{it.term}({'noop' if it.kind == NOOP else it.data.decode()})"


def shown(message: Message) -> str:
    """By fields; entries by index, term and data."""
    parts = [type(message).__name__]
    for field, value in message._asdict().items():
        if field == "entries":
            previous = getattr(message, "previous_index", 0)
            parts += [f"{index}/{entry(each)}" for index, each in enumerate(value, previous + 1)]
        elif field == "snapshot":
            parts.append(f"snapshot={value.last_index}/{value.last_term}")
        elif field == "context" or (field.startswith("hint") and not getattr(message, "refused", False)):
            pass  # a random number; nothing
        elif field == "data":
            parts.append(f"bytes={len(value)}")
        elif value is True:
            parts.append(field)
        elif value is not False:
            parts.append(f"{field}={value.decode() if isinstance(value, bytes) else value}")
    return " ".join(parts)
