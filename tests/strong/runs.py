"""Whole clusters under faults whose clients change agents through the log: one seed, one run, one verdict.

Clients claim tasks, spend a budget and read, through any node, and change other fields of the same agents in the weaker
modes. What they were answered must be what one copy would have answered; what was committed must be there once; and
after all faults have ended, everybody holds the same and the group serves again.
"""

from math import inf
from random import Random
from typing import Any, NamedTuple

from crdt import Composite, GCounter, LWWMap, OpBasedList, PNCounter, field
from replication.errors import ConflictError, OutcomeUnknown, StoreError, Timeout, Unavailable
from replication.simulation import Cluster, Violation
from replication.simulation.linearizability import Call, Undecided, refute
from replication.simulation.nemesis import Nemesis, draw_conditions, draw_write_modes
from replication.simulation.world import Stuck

FUNDS = 7
# For one agent: with many calls of which nobody knows what came, the search may take for ever.
_STEPS_MAX = 300_000
_MODES = ("replicated", "crdt_enhanced", "eventually_consistent", "reactive")


class Board(Composite):
    claims: LWWMap = field(at_least="replicated")
    budget: PNCounter = field(at_least="replicated")
    notes: OpBasedList
    looks: GCounter


class Plan(NamedTuple):
    nodes_min: int = 3
    nodes_max: int = 5
    agents: int = 2
    tasks: int = 6
    clients: int = 2  # of each node
    calls: int = 150
    pause: float = 0.15
    faults: float = 8.0
    recovery: float = 120.0


def one_copy(state: Any, asked: tuple[Any, ...]) -> tuple[Any, Any]:
    """What a board does, as a function of what was done to it before: spent, and who has which task."""
    spent, claims = state
    match asked:
        case ("claim", task, who):
            holders = dict(claims)
            return (spent, claims | {(task, who)} if task not in holders else claims), holders.get(task, who)
        case ("spend",):
            return (spent + 1, claims) if spent < FUNDS else state, spent < FUNDS
        case _:
            return state, (spent, claims)


def apply(board: Board, asked: tuple[Any, ...]) -> Any:
    """The same, on the state of an agent."""
    match asked:
        case ("claim", task, who):
            holder = board.claims.get(task)
            if holder is None:
                board.claims[task] = who
            return who if holder is None else holder
        case ("spend",):
            if board.budget.value <= -FUNDS:
                return False
            board.budget.decrement()
            return True


def read(board: Board) -> Any:
    return -board.budget.value, frozenset(board.claims.items())


class Clients:
    """Clients of every node, and what they were answered."""

    def __init__(self, cluster: Cluster, plan: Plan) -> None:
        self._cluster, self._plan = cluster, plan
        self.history: list[Call] = []
        self.noted: list[tuple[str, str]] = []  # agent, note: committed
        self.tried: set[tuple[str, str]] = set()
        # By node, notes with an op_id of which it is not known what came: they are asked for there again, in any mode.
        self.doubtful: dict[str, list[tuple[str, str, str]]] = {name: [] for name in cluster.names}
        self.outcomes: dict[str, int] = {}
        self._number = 0
        self.is_over = False
        cluster.started.append(self.start)
        for name in cluster.running():
            self.start(name)

    def start(self, name: str) -> None:
        boot = self._cluster.hosts[name].boots
        for number in range(self._plan.clients):
            self._cluster.spawn(name, self._client(name, self._cluster.world.stream(f"caller {name} {boot} {number}")))

    async def _client(self, name: str, random: Random) -> None:
        from asyncio import sleep

        while not self.is_over and self._number < self._plan.calls:
            await sleep(random.expovariate(1.0 / self._plan.pause))
            self._number += 1
            agent_id, number = f"board-{random.randrange(self._plan.agents)}", self._number
            what = random.random()
            if what < 0.35:
                await self._change(
                    name, agent_id, ("claim", random.randrange(self._plan.tasks), number), number, random
                )
            elif what < 0.6:
                await self._change(name, agent_id, ("spend",), number, random)
            elif what < 0.8:
                await self._read(name, agent_id)
            else:
                # Now and then too long for the shortest entries, see `draw_limits`.
                note = f"note {number} {'.' * (800 * (number % 4 == 0))}"
                if random.random() < 0.7:
                    await self._note(name, agent_id, note, random)
                else:
                    self.doubtful[name].append((agent_id, note, f"note {number}"))
                for doubtful in list(self.doubtful[name]):
                    await self._note(name, *doubtful[:2], random, doubtful[2])
                    self.count("asked again")

    async def _change(self, name: str, agent_id: str, asked: Any, number: int, random: Random) -> None:
        """Until it is known what came of it, or the node is gone; the second time and on by the same op_id."""
        from asyncio import sleep

        op_id = f"op {number}" if random.random() < 0.7 else None
        started, place = self._cluster.world.now, len(self.history)
        self.history.append(Call(agent_id, asked, None, started))  # open, should this client never hear
        while not self.is_over:
            await sleep(0.01)  # a node whose disk failed refuses at once
            node = self._cluster[name]
            try:
                result = await node.aupdate_state(
                    agent_id, lambda board: apply(board, asked), "replicated", timeout=1.0, op_id=op_id
                )
            except OutcomeUnknown:
                self.count("unknown")
                if op_id is None:
                    return
            except Unavailable:
                self.count("unavailable")
                if self.history[place].start == started and op_id is None:
                    self.history[place] = Call(agent_id, ("nothing",), None, started, inf)
                    return
            else:
                self.count("replayed" if result.replayed else "committed")
                self.history[place] = Call(agent_id, asked, result.value, started, self._cluster.world.now)
                return

    async def _read(self, name: str, agent_id: str) -> None:
        started = self._cluster.world.now
        try:
            seen = await self._cluster[name].aread_state(agent_id, read, consistency="replicated", timeout=1.0)
        except (Timeout, Unavailable) as error:
            self.count(f"read: {type(error).__name__}")
            return
        self.history.append(Call(agent_id, ("read",), seen, started, self._cluster.world.now))
        self.count("read")

    async def _note(self, name: str, agent_id: str, note: str, random: Random, op_id: str | None = None) -> None:
        self.tried.add((agent_id, note))

        def write(board: Board) -> None:
            board.notes.append(note)
            board.looks.increment()

        mode = random.choice(_MODES)
        try:
            await self._cluster[name].aupdate_state(agent_id, write, mode, timeout=1.0, op_id=op_id)
        except (OutcomeUnknown, Timeout, Unavailable, ConflictError) as error:
            self.count(f"note: {type(error).__name__}")
        else:
            self.count("noted")
            if random.random() < 0.5:  # else it is asked for again all the same
                self.doubtful[name] = [each for each in self.doubtful[name] if each[2] != op_id]
            if mode != "reactive":
                self.noted.append((agent_id, note))

    def count(self, word: str) -> None:
        self.outcomes[word] = self.outcomes.get(word, 0) + 1

    def is_idle(self) -> bool:
        hosts = self._cluster.hosts
        return all(hosts[name].clients.running_tasks == 0 for name in self._cluster.running())


SMALL = Plan()


def draw_limits(draw: Random) -> dict[str, Any]:
    """Often so small a log that snapshots are taken, sent and installed, or so short entries that it takes several."""
    limits: dict[str, Any] = {}
    if draw.random() < 0.6:
        limits |= {"log_entries_max": draw.choice((1, 5, 20)), "log_entries_kept": draw.choice((1, 5))}
    if draw.random() < 0.2:
        limits |= {"max_agents_in_memory": 2}
    if draw.random() < 0.3:
        limits |= {"entry_bytes_max": 512}
    return limits


class Managers:
    """Somebody who changes who votes and who leads, now and then."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._random = cluster.world.stream("manager")
        self.is_over = False
        self._later()

    def _later(self) -> None:
        self._cluster.world.after(self._random.expovariate(0.7), None, self._manage)

    def _manage(self) -> None:
        if self.is_over:
            return
        cluster, random = self._cluster, self._random
        name, act = random.choice(cluster.names), random.choice(("add", "add", "remove", "transfer"))
        for asked in cluster.running():
            strong = cluster[asked]._others.group.core
            if act != "remove" or len(strong.raft.configuration.voters) > 2:
                cluster.hosts[asked].runtime.call_soon(strong.members.manage, act, name)
        self._later()


def run(seed: int, plan: Plan = SMALL) -> dict[str, int]:
    """Violation or Stuck if something is wrong; the same every time."""
    draw = Random(f"{seed}/strong")
    names = "abcdefgh"[: draw.randint(plan.nodes_min, plan.nodes_max)]
    voters = names[: draw.randint(1 + len(names) // 2, len(names))]
    cluster = Cluster(
        Board, names, seed=seed, bootstrap=voters, conditions=draw_conditions(draw),
        write_modes=draw_write_modes(draw, len(names)), disk_seconds=draw.choice((0.0001, 0.001, 0.01)),
        election_timeout=draw.choice((0.5, 1.0)), sync_interval=0.5, probe_interval=0.5, probe_timeout=0.3,
        redial_max=1.0, link_handshake_timeout=2.0, ack_timeout=0.4, **draw_limits(draw),
        lease_drift_max=0.1 if Random(f"{seed}/leases").random() < 0.3 else 0.0,
    )  # fmt: skip
    try:
        return _run(cluster, plan)
    finally:
        cluster.close()


def _run(cluster: Cluster, plan: Plan) -> dict[str, int]:
    clients = Clients(cluster, plan)
    nemesis, managers = Nemesis(cluster), Managers(cluster)
    cluster.run(plan.faults)
    nemesis.stop()
    managers.is_over = True
    cluster.recover()
    ours = [failure for failure in cluster.world.failures if not isinstance(failure[1], StoreError)]
    if ours:
        raise Violation(f"a program failed: {ours}") from ours[0][1]
    try:
        cluster.run_until(lambda: serves(cluster), plan.recovery)
        clients.is_over = True
        cluster.run_until(lambda: clients.is_idle() and cluster.is_quiet(), plan.recovery)
    except Stuck as error:
        states = {name: cluster[name].status()["replicated"] for name in cluster.running()}
        raise Violation(f"{plan.recovery} s after all faults: {cluster.disagreement()}; {states}") from error
    check_states(cluster, clients, plan)
    snapshots = sum(cluster[name].status()["replicated"]["snapshot"] > 0 for name in cluster.running())
    return {**clients.outcomes, "snapshots": snapshots}


def serves(cluster: Cluster) -> bool:
    """Whether a group leads, and all have applied what is committed."""
    groups = [cluster[name].status()["replicated"] for name in cluster.running()]
    leaders = {group["leader"] for group in groups}
    return len(leaders) == 1 and "" not in leaders and len({group["applied"] for group in groups}) == 1


def check_states(cluster: Cluster, clients: Clients, plan: Plan) -> None:
    for number in range(plan.agents):
        agent_id = f"board-{number}"
        values = cluster.values(agent_id)
        if any(value != values[0] for value in values):
            raise Violation(f"{agent_id} is {values}")
        notes = values[0]["notes"]
        if len(notes) != len(set(notes)) or values[0]["looks"] != len(notes):
            raise Violation(f"{agent_id}: something is there twice: {sorted(notes)}, {values[0]['looks']}")
        if extra := {(agent_id, note) for note in notes} - clients.tried:
            raise Violation(f"{agent_id}: nobody wrote {extra}")
        if lost := {note for agent, note in clients.noted if agent == agent_id} - set(notes):
            raise Violation(f"{agent_id}: lost {sorted(lost)}")
        calls = [*clients.history, Call(agent_id, ("read",), cluster.values(agent_id, read)[0], inf, inf)]
        calls[-1] = calls[-1]._replace(start=cluster.world.now, end=cluster.world.now + 1.0)
        # A claim that nobody was answered and that is not there in the end has changed nothing.
        there = {who for _, who in calls[-1].answer[1]}
        calls = [
            call for call in calls if not (call.is_open and call.asked[0] == "claim" and call.asked[2] not in there)
        ]
        judged = [call for call in calls if call.key == agent_id and call.asked[0] != "nothing"]
        try:
            refutation = refute(judged, one_copy, (0, frozenset()), _STEPS_MAX)
        except Undecided:
            clients.count("undecided")
            continue
        if refutation is not None:
            raise Violation(str(refutation))
