"""One of the three processes: opens a node, updates shared agents in two modes, says what it sees.

It is told what to do on standard input, a word a line, and reports on standard output, a JSON object
a line. Each update has a name of its own, and the journal says of each what the call returned. The
journal is written without a buffer, so a SIGKILL leaves all that was known up to then.

At the end of its input it ends at once: nothing of the demonstration outlives its parent.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import replication
from crdt import Composite, GCounter, LWWMap, LWWRegister, OpBasedList, ORMap, field
from replication.demo import board

NAMES = ("ann", "bob", "cal")
AGENTS = ("kitchen", "garden", "workshop", "library")
# The modes that are shown, with how many other disks each call waits for.
MODES = {"crdt_enhanced": 1, "eventually_consistent": 0}
# Seconds: between two calls of a writer, between two probes, that a call waits for its acknowledgements,
# and between two reports.
PAUSE, PROBE_PAUSE, PATIENCE, REPORT_EVERY = 0.005, 0.05, 1.0, 0.25


class Room(Composite):
    """The state of every agent, here a room that all three keep notes about."""

    tally: ORMap = field(of=GCounter)  # how many updates, by who made them
    log: OpBasedList  # their names, in an order that all agree on
    called: LWWRegister  # of a probe: when the update was called, to measure how long it takes to be seen
    claims: LWWMap = field(at_least="replicated")  # of the task board: who has which task


class Role(NamedTuple):
    """Who this process is: its run, its directory, and how it meets the others."""

    name: str
    run: int
    directory: str
    listen: str | None
    peers: tuple[str, ...]


class Journal:
    """What was called, and what came of it, by the names of updates."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, update: str, agent_id: str, mode: str, outcome: str) -> None:
        os.write(self._file, f"{update} {agent_id} {mode} {outcome}\n".encode())


class Process:
    """A node, and the threads that use it."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.node = replication.open(
            Path(role.directory) / role.name,
            schema=Room,
            name=role.name,
            listen=role.listen,
            peers=role.peers,
            bootstrap=NAMES,
            cluster="demo",
        )
        self.journal = Journal(Path(role.directory) / f"{role.name}.{role.run}.journal")
        self.claims = board.Claims(Path(role.directory) / f"{role.name}.{role.run}.claims")
        self.stopping = threading.Event()
        self.writers: list[threading.Thread] = []
        self.latencies: dict[str, list[float]] = {mode: [] for mode in MODES}
        self.speaking = threading.Lock()
        self.has_stopped = False

    # Writing

    def write(self) -> None:
        """Begin to update, in both modes at once, and to measure."""
        for mode, acks in MODES.items():
            for work in (partial(self.update, mode, acks), partial(self.probe, mode)):
                self.writers.append(threading.Thread(target=work, daemon=True))
        self._start()

    def claim(self) -> None:
        """Begin to take tasks off the board, too."""
        for number in range(board.WORKERS):
            worker = f"{self.role.name}.{self.role.run}.{number}"
            work = partial(board.work, self.node, self.claims, worker, self.stopping.wait)
            self.writers.append(threading.Thread(target=work, daemon=True))
        self._start()

    def _start(self) -> None:
        for writer in self.writers:
            if writer.ident is None:
                writer.start()

    def update(self, mode: str, acks: int) -> None:
        """One update after the other until told to stop."""
        name, number = self.role.name, 0
        while not self.stopping.wait(PAUSE):
            number += 1
            agent_id = AGENTS[number % len(AGENTS)]
            update = f"{name}.{self.role.run}.{mode}.{number}"
            self.journal.write(update, agent_id, mode, "called")
            try:
                result = self.node.update_state(
                    agent_id, partial(note, name, update), mode, acks=acks, timeout=PATIENCE
                )
                outcome = result.outcome
            except replication.Timeout as error:
                # Too few disks had it in time. It is on this one, and goes on to the others by itself.
                outcome = "kept" if error.is_applied else "refused"
            except replication.OutcomeUnknown:
                outcome = "unknown"
            except replication.Unavailable:
                outcome = "refused"
            self.journal.write(update, agent_id, mode, outcome)

    # Measuring

    def probe(self, mode: str) -> None:
        """Now and then write down the time of the call in an agent of this process's own."""
        while not self.stopping.wait(PROBE_PAUSE):
            called = time.monotonic()
            self.node.update_state(f"probe {self.role.name} {mode}", partial(stamp, called), mode)

    def look(self) -> None:
        """See the others' probes come; the monotonic clock is the same for all processes of a machine."""
        for change in self.node.watch("probe *"):
            seen = time.monotonic()
            if change.field == "called" and change.origin != self.role.name and change.agent_id is not None:
                self.latencies[change.agent_id.split(" ")[2]].append(seen - change.after)

    # Telling

    def say(self, **fields: Any) -> None:
        with self.speaking:
            print(json.dumps(fields), flush=True)

    def report(self) -> None:
        """Say what is held here, at moments that are the same for all three, so that they can be compared."""
        while True:
            moment = int(time.monotonic() / REPORT_EVERY) + 1
            time.sleep(max(0.0, moment * REPORT_EVERY - time.monotonic()))
            latencies, self.latencies = self.latencies, {mode: [] for mode in MODES}
            with suppress(replication.Closed):
                self.say(
                    moment=moment,
                    held=self.held(),
                    tasks=self.node.read_state(board.BOARD, lambda state: len(state.claims)),
                    leader=self.node.status()["replicated"]["leader"],
                    members={member.name: member.state for member in self.node.members()},
                    latencies=latencies,
                    digests=self.digests() if self.has_stopped else {},
                )

    def held(self) -> dict[str, int]:
        """How many updates of each writer can be read here."""
        total: dict[str, int] = {}
        for agent_id in AGENTS:
            for name, count in self.node.read_state(agent_id, tallies).items():
                total[name] = total.get(name, 0) + count
        return total

    def digests(self) -> dict[str, str]:
        return {agent_id: self.node.read_state(agent_id, digest) for agent_id in sorted(self.node.agents())}

    # Obeying

    def stop(self) -> None:
        """Write no more; the calls that wait are waited for."""
        self.stopping.set()
        for writer in self.writers:
            writer.join()
        self.has_stopped = True

    def show(self) -> None:
        """Say everything that is held of the shared agents."""
        contents = {agent_id: self.node.read_state(agent_id, content) for agent_id in AGENTS}
        self.say(contents=contents, digests=self.digests(), board=self.node.read_state(board.BOARD, board.holders))

    def end(self) -> None:
        self.node.close()
        self.say(ended=True)
        os._exit(0)


def note(name: str, update: str, state: Room) -> None:
    """The `update_fn` of every update: a transaction on two fields."""
    state.tally[name].increment()
    state.log.append(update)


def stamp(called: float, state: Room) -> None:
    state.called.set(called)


def tallies(state: Room) -> dict[str, int]:
    return {str(name): state.tally[name].value for name in state.tally}


def content(state: Room) -> dict[str, Any]:
    return {"tally": tallies(state), "log": state.log.value}


def digest(state: Room) -> str:
    return state.digest().hex()


def main(role: Role) -> None:
    """Run the process until its input ends."""
    process = Process(role)
    process.say(address=process.node.address)
    for work in (process.report, process.look):
        threading.Thread(target=work, daemon=True).start()
    orders: dict[str, Callable[[], None]] = {
        "write": process.write, "claim": process.claim, "stop": process.stop, "show": process.show, "end": process.end,
    }  # fmt: skip
    for line in sys.stdin:
        orders[line.strip()]()
    os._exit(1)
