"""A group of pure cores under everything that may happen to it, on a heap of events, by one seed.

First a time of faults: messages are lost, doubled, delayed and overtaken, also past a restart; nodes are cut off, crash
with what their disks had not done, stand still, and count time at rates of their own; disks are slow and hang; members
come and go, leadership is handed over, logs are compacted under everybody's feet. Then all of it ends, and the group
must elect a leader, commit, and have everybody follow, in bounded time.
"""

from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from replication.raft.configuration import Configuration
from replication.raft.log import Entry
from replication.raft.messages import TimeoutNow
from replication.raft.options import Options
from replication.raft.ready import NOTHING, Proposed, Send
from replication.raft.roles import LEADER
from tests.raft.faults import Faults
from tests.raft.invariants import Invariants, require
from tests.raft.machine import Disk, Machine

TICK = 0.05
FAULTS_SECONDS = 40.0
HEALING_SECONDS = 30.0


class Event(NamedTuple):
    """`life`: of what life of the node it is; 0 if it is for any, as a message is."""

    time: float
    sequence: int
    node: str
    life: int
    kind: str
    payload: object = None


class World:
    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        cruel = seed % 3 == 0
        lease = not cruel and random.random() < 0.4
        self.faults = Faults.draw(random, lease, cruel)
        self.options = Options(
            lease_reads=lease,
            append_bytes_max=random.choice([40, 200, 4096]),
            inflight_messages_max=random.choice([1, 3, 64]),
            inflight_bytes_max=random.choice([100, 1 << 20]),
            uncommitted_bytes_max=random.choice([300, 1 << 20]),
            apply_bytes_max=random.choice([40, 4096]),
            snapshot_chunk_bytes=random.choice([8, 64, 4096]),
            catch_up_entries_max=random.choice([3, 50]),
            news_delay=Random(f"{seed} news").choice([0.0, 0.0, 0.05]),
        )
        names = [f"n{place}" for place in range(random.choice([3, 3, 4, 5] if cruel else [1, 2, 3, 3, 3, 4, 5, 5, 6]))]
        voters = names[: random.choice([len(names), max(1, len(names) - 1), 3])]
        start = Configuration(voters=tuple(sorted(voters)))
        self.machines = {}
        for name in names:
            disk = Disk(start if name in voters else Configuration())
            self.machines[name] = Machine(name, disk, self.options, Random(f"{seed}{name}"))
        self.rates = {name: 1 + random.uniform(-1, 1) * self.faults.drift for name in names}
        self.invariants = Invariants(self.machines)
        self.now = 0.0
        self.events = 0
        self.up: set[str] = set()
        self.cut: set[tuple[str, str]] = set()
        self.paused_until: dict[str, float] = {}
        self.disk_free_at: dict[str, float] = dict.fromkeys(names, 0.0)
        self.healed = False
        self.proposals: dict[tuple[str, int, int], bytes] = {}
        self.acknowledged = 0
        self.reads: dict[tuple[str, int, int], int] = {}  # node, life, read: what it has to see
        self.served = 0
        self._heap: list[Event] = []
        self._sequence = 0
        self._written = 0
        for name, machine in self.machines.items():
            machine.on_applied = self._on_applied(name)
            self.start(name)
        self._schedule(0.5, "", 0, "client")
        self._schedule(1.0, "", 0, "fate")

    # ---- the heap

    def _schedule(self, delay: float, node: str, life: int, kind: str, payload: object = None) -> None:
        self._sequence += 1
        heappush(self._heap, Event(self.now + delay, self._sequence, node, life, kind, payload))

    def clock(self, name: str) -> float:
        return 1000.0 + self.now * self.rates[name]

    def run(self) -> None:
        self.run_until(FAULTS_SECONDS)
        self.heal()
        self.run_until(FAULTS_SECONDS + HEALING_SECONDS - 5)
        before = self.acknowledged
        self.run_until(FAULTS_SECONDS + HEALING_SECONDS)
        require(self.acknowledged > before, "nothing is acknowledged any more", self.describe())
        self.check_liveness()

    def run_until(self, end: float) -> None:
        while self._heap and self._heap[0].time <= end:
            event = heappop(self._heap)
            self.now = event.time
            self.events += 1
            if not event.node:
                self.by_chance(event)
                continue
            machine = self.machines[event.node]
            if event.node not in self.up or event.life not in (0, machine.lives):
                continue
            if self.paused_until.get(event.node, 0) > self.now:
                self._schedule(self.paused_until[event.node] - self.now, event.node, event.life, *event[4:])
                continue
            self.happen(machine, event)
            if event.node in self.up:
                self.act(machine)
                self.invariants.after(machine)
        self.now = end

    def happen(self, machine: Machine, event: Event) -> None:
        now = self.clock(machine.name)
        match event.kind:
            case "message":
                sender, message = event.payload  # type: ignore[misc]
                machine.core.step(sender, message, now)
            case "tick":
                machine.core.tick(now)
                self._schedule(TICK / self.rates[machine.name], machine.name, machine.lives, "tick")
            case "written":
                done = [write for write in machine.queue if write.number <= event.payload]  # type: ignore[operator]
                if done:
                    machine.write_done(now, len(done))
            case "apply":
                machine.apply_done()
            case "chunk" if machine.reading:
                machine.chunk_done(now, unreadable=not self.healed and self.random.random() < 0.03)
            case "death" if not self.healed:
                self.crash(machine.name)
                self._schedule(self.random.uniform(0, 0.3), "", 0, "birth", machine.name)

    def act(self, machine: Machine) -> None:
        """Do what the core wants, as long as it wants something."""
        name, life = machine.name, machine.lives
        ready = machine.core.ready()
        if not machine.core._is_stirred:
            machine.core._is_stirred = True
            require(machine.core.ready() is NOTHING, "there was more to be done than it looked for:", name)
        if ready.write is not None:
            self.invariants.written(machine, ready.write)
        sends = machine.take(ready)
        for read in machine.served:
            must_see = self.reads.pop((name, life, read))
            self.served += 1
            require(machine.index >= must_see, "a stale read:", name, machine.index, "of", must_see)
        machine.served.clear()
        for send in sends:
            self.invariants.sent(machine, send)
            self.send(name, send)
        if ready.write is not None:
            slow = self.faults.disk if not self.healed else 0.002
            self.disk_free_at[name] = max(self.disk_free_at[name], self.now) + self.random.uniform(0.001, slow)
            self._schedule(self.disk_free_at[name] - self.now, name, life, "written", ready.write.number)
            if not self.healed and self.random.random() < self.faults.death:
                self._schedule(self.random.uniform(0, self.disk_free_at[name] - self.now), name, life, "death")
        if ready.apply is not None:
            self._schedule(self.random.uniform(0, 0.02), name, life, "apply")
        for _ in ready.chunks:
            self._schedule(self.random.uniform(0, 0.02), name, life, "chunk")

    def send(self, name: str, send: Send) -> None:
        if send.peer not in self.machines or (name, send.peer) in self.cut:
            return
        if self.healed:
            self._schedule(self.random.uniform(0.001, 0.01), send.peer, 0, "message", (name, send.message))
            return
        random, faults = self.random, self.faults
        while random.random() >= faults.loss:
            delay = random.uniform(0.001, faults.delay) if random.random() < 0.95 else random.uniform(0, 3)
            self._schedule(delay, send.peer, 0, "message", (name, send.message))
            if random.random() >= faults.doubling:
                break

    # ---- nodes

    def start(self, name: str) -> None:
        machine = self.machines[name]
        applied = digest = None
        if self.faults.durable_state and machine.lives:
            # A state that is written apart from the log may be as new as what had been applied.
            applied = self.random.randint(0, machine.index)
            digest = self.invariants.digests.get(applied)
        self.up.add(name)
        self.disk_free_at[name] = self.now
        machine.start(self.clock(name), applied, digest)
        self.invariants.restarted(machine)
        self._schedule(self.random.uniform(0, TICK), name, machine.lives, "tick")

    def crash(self, name: str) -> None:
        self.machines[name].crash()
        self.up.discard(name)

    def heal(self) -> None:
        self.healed = True
        self.cut.clear()
        self.paused_until.clear()
        for name in self.machines:
            if name not in self.up:
                self.start(name)

    # ---- what callers do

    def _on_applied(self, name: str):  # type: ignore[no-untyped-def]
        def applied(index: int, entry: Entry, digest: int) -> None:
            self.invariants.applied(index, entry, digest)
            data = self.proposals.pop((name, index, entry.term), None)
            if data is not None:
                require(entry.data == data, "what was proposed is not what was applied", index)
                self.acknowledged += 1

        return applied

    def by_chance(self, event: Event) -> None:
        if event.kind == "client":
            self.call()
            self._schedule(self.random.expovariate(8), "", 0, "client")
        elif event.kind == "birth":
            if event.payload not in self.up:
                self.start(str(event.payload))
        elif not self.healed:
            self.fate()
            self._schedule(0.25, "", 0, "fate")
        for name in sorted(self.up):
            self.act_if_awake(name)

    def act_if_awake(self, name: str) -> None:
        if self.paused_until.get(name, 0) <= self.now:
            self.act(self.machines[name])
            self.invariants.after(self.machines[name])

    def awake(self) -> list[str]:
        return [name for name in sorted(self.up) if self.paused_until.get(name, 0) <= self.now]

    def leaders(self) -> list[str]:
        return [name for name in self.awake() if self.machines[name].core.role == LEADER]

    def call(self) -> None:
        """A few proposals to whoever says it leads, and a read on anybody."""
        for name in self.leaders():
            for _ in range(self.random.randint(1, 3)):
                self._written += 1
                data = b"%d" % self._written + bytes(self.random.choice([0, 10, 100]))
                placed = self.machines[name].core.propose((data,), self.clock(name))
                if isinstance(placed, Proposed):
                    self.proposals[name, placed.at, placed.term] = data
        if awake := self.awake():
            name = self.random.choice(awake)
            core = self.machines[name].core
            read = core.read(self.clock(name))
            if isinstance(read, int):
                key = (name, self.machines[name].lives, read)
                require(key not in self.reads, "a read's number was used again")
                self.reads[key] = self.invariants.commit
                if self.random.random() < 0.1:
                    core.forget_read(read)

    # ---- what befalls them, four times a second

    def fate(self) -> None:
        random, faults = self.random, self.faults
        for name in sorted(self.machines):
            if name not in self.up:
                if random.random() < 0.15:
                    self.start(name)
            elif random.random() < faults.crash / 8:
                self.crash(name)
            elif random.random() < faults.pause / 8:
                self.paused_until[name] = self.now + random.uniform(0.2, 4)
            elif random.random() < faults.hang / 8:
                self.disk_free_at[name] = self.now + random.uniform(0.5, 5)
        if self.cut and random.random() < 0.1:
            self.cut.clear()
        elif random.random() < faults.cut / 4:
            self.split()
        if random.random() < faults.storm / 4:
            # Some are told to stand, by a leader of their term that wanted to hand over: they ask nobody first.
            awake = self.awake()
            for name in random.sample(awake, min(len(awake), random.randint(1, 3))):
                told = TimeoutNow(self.machines[name].core.term)
                self._schedule(random.uniform(0, faults.delay), name, 0, "message", ("a leader", told))
        self.operate()

    def split(self) -> None:
        """Two sides, or one link, or one direction of it."""
        names = sorted(self.machines)
        kind, one = self.random.randrange(3), self.random.choice(names)
        if kind == 0:
            side = {name for name in names if self.random.random() < 0.5}
            self.cut = {(a, b) for a in names for b in names if (a in side) != (b in side)}
        else:
            other = self.random.choice(names)
            self.cut |= {(one, other), (other, one)} if kind == 1 else {(one, other)}

    def operate(self) -> None:
        """What operators do: members, handing over, snapshots."""
        random, faults = self.random, self.faults
        for name in self.leaders():
            core, now = self.machines[name].core, self.clock(name)
            if random.random() < faults.transfer / 4:
                core.transfer(random.choice(sorted(self.machines)), now)
            if random.random() < faults.change / 4:
                self.change_members(name)
        for name in self.awake():
            machine = self.machines[name]
            if random.random() < faults.snapshot / 4:
                machine.take_snapshot(random.choice([0, 50, 300]))
                machine.compact(machine.core.snapshot.last_index - random.choice([0, 0, 5, 50]))

    def change_members(self, name: str) -> None:
        core, now, random = self.machines[name].core, self.clock(name), self.random
        other = random.choice(sorted(self.machines))
        if core.configuration.voters == (other,):
            return  # somebody has to vote
        match random.randrange(5):
            case 0:
                core.add_learner(other, now)
            case 1 | 2:
                core.add_voter(other, now)
            case 3:
                core.remove(other, now)
            case 4:
                members = sorted(self.machines)
                voters = [each for each in members if random.random() < 0.6]
                if voters:
                    core.change(voters, [each for each in members if each not in voters and random.random() < 0.5], now)

    # ---- in the end

    def check_liveness(self) -> None:
        leaders = self.leaders()
        tops = {name: self.machines[name].core.term for name in leaders}
        require(bool(leaders), "nobody leads after everything was healed", self.describe())
        name = max(leaders, key=lambda each: tops[each])
        core = self.machines[name].core
        configuration = core.configuration
        require(not configuration.is_joint, "a change of members did not end", configuration)
        require(core.commit > core.last - 50, "nothing is committed", self.describe())
        for member in configuration.members:
            machine = self.machines[member]
            require(machine.index > core.last - 50, "a member does not follow", member, self.describe())
            require(machine.core.configuration == configuration, "members disagree on who they are", self.describe())
        for machine in self.machines.values():
            machine.core.check_invariants()

    def describe(self) -> str:
        lines = []
        for name, machine in sorted(self.machines.items()):
            core, state = machine.core, machine.core._state
            followers = {
                peer: (each.state, each.match, each.next, each.waiting) for peer, each in core.progress().items()
            }  # fmt: skip
            lines.append(
                f"\n  {name} {core.role} term={core.term} vote={state.vote} leader={core.leader} "
                f"log={state.log.offset}..{core.last} durable={state.log.durable} commit={core.commit} "
                f"applied={state.applied} {tuple(core.configuration)} {followers}"
            )
        return "".join(lines)
