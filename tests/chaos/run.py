"""A run: starts the processes, lets everything go wrong at once, heals it, and compares what is left with the books.

Belongs to one event loop, which is also the network between the processes.
"""

import asyncio
import itertools
import json
import socket
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.chaos.books import Books
from tests.chaos.child import Broken, Child, fields
from tests.chaos.network import Network, Weather
from tests.chaos.plan import BETWEEN, Fault, plan
from tests.chaos.process import Role

# Seconds between two looks at the memory of all processes, and at what they say of themselves.
_SAMPLE = 30.0


class Options(NamedTuple):
    """faults: how often each is drawn; quiet: seconds that all may need to agree in the end; between: of two faults."""

    directory: str
    seconds: float
    nodes: int
    seed: int
    faults: dict[str, int]
    mode: str = "mixed"
    rate: float = 60.0
    quiet: float = 180.0
    plant: str = ""
    between: float = BETWEEN


class Run:
    """In the modes that need no log; what `strong` replaces, others have in another way."""

    program = "tests.chaos.worker"

    def __init__(self, options: Options) -> None:
        self.options = options
        self.top = Path(options.directory)
        self.random = Random(options.seed)
        self.labels = tuple(f"p{k + 1}" for k in range(options.nodes))
        self.children: dict[str, Child] = {}
        self.lives: Counter[str] = Counter()
        self.strikes: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()  # why links ended, of all lives
        self.answers: dict[str, dict[str, Any]] = {}
        self.answered = asyncio.Event()
        self.broken: Broken | None = None
        self.started = time.monotonic()
        self.books: Any = Books(self.started)
        self.log_file = (self.top / "events.log").open("w")
        self.resident: list[tuple[float, list[float]]] = []
        self.notes: Counter[str] = Counter()
        self.network: Network
        self.quiet_after = 0.0

    def log(self, text: str) -> None:
        self.log_file.write(f"{time.monotonic() - self.started:9.3f} {text}\n")
        self.log_file.flush()

    # ---- lives

    def home(self, label: str) -> str:
        """Whose directory a process uses: the last two share one."""
        return self.labels[-2] if label == self.labels[-1] else label

    def told(self, label: str) -> dict[str, Any]:
        """What a process is told besides, when it is started to be used."""
        told: dict[str, Any] = self.books.begin(label)
        return told

    def start(self, label: str, is_idle: bool = False) -> None:
        self.lives[label] += 1
        life, number = self.lives[label], (self.labels.index(label) + 1) * 10**10 + self.lives[label] * 10**6
        home = self.home(label)
        host, port = self.network.places[label]
        told = {"is_idle": True} if is_idle else self.told(label)
        role = Role(
            label, life, number, str(self.top / home), home, f"{host}:{port}", self.network.gates[label],
            self.random.getrandbits(32), self.options.mode, self.options.rate, self.random.random() < 0.5,
            self.options.plant, **told,
        )  # fmt: skip
        errors = self.top / f"{label}.{life}.errors"
        self.children[label] = Child(self.program, role, errors, self.hear)
        self.log(f"start {label} life {life}{' tight' if role.is_tight else ''}")

    def kill(self, label: str) -> None:
        child = self.children[label]
        if not child.killed:
            child.kill()
            self.log(f"killed {label}")
            self.books.died(label)
            self.count_endings(label)
            if errors := child.last_words():
                raise Broken(f"{label} said on standard error:\n{errors}")

    def count_endings(self, label: str) -> None:
        status = self.answers.get(label, {}).pop("status", None)
        if status:
            self.ended.update(status["links"].get("ended", {}))
            for key, text in status["problems"].items():
                self.notes[f"problem {key.split(' ')[0]}"] += 1
                self.log(f"problem of {label}: {text}")

    def hear(self, child: Child, lines: list[str]) -> None:
        try:
            for line in lines:
                self.hear_line(child, line)
        except Broken as broken:
            self.broken = self.broken or broken
        except Exception:  # else the event loop would say so, and go on
            self.broken = self.broken or Broken(traceback.format_exc())

    def hear_line(self, child: Child, line: str) -> None:
        kind, words = fields(line)
        if kind in self.books.hears:
            getattr(self.books, kind)(child, words)
        elif kind == "open":
            child.has_opened, child.name = True, words[0]
            self.log(f"open {child.label} as {words[0]} after {words[1]} s")
        elif kind == "wrong":
            raise Broken(f"{child.label}: {words[0]}")
        elif kind == "gone":
            if not child.killed and "ended" not in self.answers.get(child.label, {}):
                raise Broken(f"{child.label} ended by itself:\n{child.last_words()}")
        elif kind == "log":
            self.notes[f"logged: {words[0][:60]}"] += 1
            self.log(f"{child.label} logged {words[0]}")
        elif kind in ("status", "digests", "dumped", "stopped", "on_disk", "ended", "came_to"):
            answer = json.loads(words[0]) if words[0] else True
            self.answers.setdefault(child.label, {})[kind] = answer
            self.answered.set()

    async def ask(self, word: str, kind: str, seconds: float = 60.0) -> dict[str, Any]:
        """Give all living an order and wait for their answers, by label."""
        living = [label for label, child in self.children.items() if not child.killed]
        for label in living:
            self.answers.setdefault(label, {}).pop(kind, None)
            self.children[label].order(word)
        await self.until(lambda: all(kind in self.answers[label] for label in living), seconds, f"all to answer {word}")
        return {label: self.answers[label][kind] for label in living}

    async def until(self, holds: Any, seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if self.broken is not None:
                raise self.broken
            if time.monotonic() > end:
                raise Broken(f"waited {seconds:.0f} s for {what}")
            await asyncio.sleep(0.02)

    # ---- faults

    async def suffer(self, fault: Fault) -> None:
        fault = fault.aimed_at(self.leader())
        self.strikes[fault.kind] += 1
        self.log(f"fault {fault}")
        if fault.kind.startswith("kill"):
            await self.suffer_kill(fault)
        elif fault.kind.startswith("stop"):
            child = self.children[fault.who[0]]
            child.stop()
            await asyncio.sleep(fault.seconds)
            child.resume()
        elif fault.kind == "full disk":
            child = self.children[fault.who[0]]
            child.fill_disk(self.random.choice((4096, 64 << 10, 256 << 10)))
            await asyncio.sleep(fault.seconds)
            if self.children[fault.who[0]] is child and child.disk_full_since and not child.killed:
                self.kill(fault.who[0])
                self.start(fault.who[0])
        elif fault.kind == "reset":
            self.network.reset(fault.pairs)
        else:
            number = self.network.begin(fault.pairs, fault.weather)
            await asyncio.sleep(fault.seconds)
            self.network.end(number)

    async def suffer_kill(self, fault: Fault) -> None:
        dead = [label for label in fault.who if not self.children[label].killed]
        for label in dead:
            self.kill(label)
        await asyncio.sleep(fault.seconds)
        for label in dead:
            self.start(label)
        if fault.kind == "kill twice" and dead:
            child = self.children[dead[0]]
            await asyncio.sleep(self.random.uniform(0.1, 0.8))
            if self.children[dead[0]] is child and not child.killed:
                self.kill(dead[0])
                self.start(dead[0])

    async def strike(self) -> None:
        """Everything of the plan, for as long as the run has been asked to last."""
        start = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        faults = plan(Random(self.options.seed), self.labels, self.options.faults, self.options.between)
        fault = next(faults, None)
        while (now := time.monotonic() - start) < self.options.seconds:
            if fault is not None and now >= fault.at:
                tasks.add(asyncio.create_task(self.suffer(fault)))
                fault = next(faults, None)
            for task in [task for task in tasks if task.done()]:
                tasks.discard(task)
                task.result()
            for child in self.children.values():
                child.check(time.monotonic())
            self.go_on()
            if self.broken is not None:
                raise self.broken
            await asyncio.sleep(0.02)
        await self.heal(tasks)

    def leader(self) -> str:
        """Whom faults strike that strike the leader."""
        return self.labels[0]

    def go_on(self) -> None:
        """Done again and again while all goes wrong, and until the processes are told to stop."""

    async def heal(self, tasks: set[asyncio.Task[None]]) -> None:
        """No fault goes on; whoever is dead, or has no disk, is started again."""
        self.log("heal")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.network.end_all()
        for label, child in list(self.children.items()):
            child.resume(for_good=True)
            if child.disk_full_since:
                self.kill(label)
            if self.children[label].killed:
                self.start(label)
        await self.until(lambda: all(child.has_opened for child in self.children.values()), 60.0, "all to be open")

    async def sample(self) -> None:
        """Memory, and what each says of itself, now and then."""
        while True:
            at = time.monotonic() - self.started
            sizes = [self.children[label].resident_bytes() / 2**20 for label in self.labels]
            self.resident.append((at, sizes))
            self.log("resident MB " + " ".join(f"{size:.0f}" for size in sizes))
            for child in self.children.values():
                if child.is_running:
                    child.order("status")
            await asyncio.sleep(min(_SAMPLE, self.options.seconds / 4))

    # ---- the end

    async def settle(self, seconds: float, what: str) -> tuple[str, dict[str, Any]]:
        """Wait until all have equal digests; the digest."""
        end = time.monotonic() + seconds
        while True:
            digests = await self.ask("digests", "digests")
            if len({each[0] for each in digests.values()}) == 1:
                return next(iter(digests.values()))[0], digests
            if time.monotonic() > end:
                await self.ask("status", "status")
                (self.top / "status.json").write_text(json.dumps(self.answers, indent=1))
                raise Broken(f"{what}: not equal after {seconds:.0f} s:\n{differences(digests)}")
            await asyncio.sleep(0.1)

    async def finish(self) -> None:
        """Nobody writes any more: all must agree, with each other, with the books, and each with its own disk."""
        await self.recover()
        await self.ask("stop", "stopped")
        self.log("stopped writing")
        healed = time.monotonic()
        digest, _ = await self.settle(self.options.quiet, "all links are up and nobody writes")
        self.quiet_after = time.monotonic() - healed
        self.log(f"equal after {self.quiet_after:.1f} s")
        self.books.finished()
        await self.ask("status", "status")
        await self.ask("dump", "dumped")
        await self.ask("flush", "on_disk")
        for label in self.labels:
            self.count_endings(label)
        self.books.judge(json.loads(self.dump_of(self.labels[0]).read_text()))
        for label in self.labels:
            self.kill(label)
        self.network.begin(itertools.permutations(self.labels, 2), Weather("refuse"))
        for label in self.labels:
            self.start(label, is_idle=True)
        await self.until(lambda: all(child.has_opened for child in self.children.values()), 60.0, "all to be open")
        alone = await self.ask("digests", "digests")
        if any(each[0] != digest for each in alone.values()):
            raise Broken(f"after SIGKILL, without a network, not all disks hold what all held:\n{differences(alone)}")
        await self.ask("end", "ended")

    async def recover(self) -> None:
        """What is waited for before the processes are told to stop."""

    def dump_of(self, label: str) -> Path:
        return Path(f"{self.children[label].role.directory}.{label}.values")

    async def live(self) -> None:
        self.network = Network(free_places(self.labels), Random(self.options.seed + 1))
        await self.network.open()
        sampler = asyncio.create_task(self.sample_later())
        try:
            for label in self.labels:
                self.start(label)
            await self.until(lambda: all(child.has_opened for child in self.children.values()), 60.0, "all to be open")
            self.log("all open")
            await self.strike()
            sampler.cancel()
            await self.finish()
        except BaseException as error:
            self.log(f"BROKEN {error!r}")
            raise
        finally:
            sampler.cancel()
            for child in self.children.values():
                child.kill()
            await self.network.close()
            self.log_file.close()

    async def sample_later(self) -> None:
        await asyncio.sleep(2.0)
        await self.sample()

    def report(self) -> list[str]:
        options = self.options
        lines = [
            f"seed {options.seed}: {options.nodes} processes, {options.seconds:.0f} s, "
            f"{sum(self.lives.values())} lives; equal {self.quiet_after:.1f} s after the end, on every disk too",
            *self.books.report(),
            "faults: " + ", ".join(f"{count} {kind}" for kind, count in sorted(self.strikes.items())),
            "network: " + ", ".join(f"{count} {what}" for what, count in sorted(self.network.counts.items())),
            "links ended: " + ", ".join(f"{count} {reason}" for reason, count in sorted(self.ended.items())),
        ]
        lines += [f"  {count} times {what}" for what, count in sorted(self.notes.items())]
        lines.append("resident MB of " + " ".join(self.labels))
        return lines + [f"  {at:6.0f} s " + " ".join(f"{size:6.1f}" for size in sizes) for at, sizes in self.resident]


def differences(digests: dict[str, Any]) -> str:
    """Which agents differ, and how."""
    lines = [f"{label}: {whole} of {count} agents" for label, (whole, count, _) in digests.items()]
    agents = sorted({agent for each in digests.values() for agent in each[2]})
    for agent in agents:
        held = {label: each[2].get(agent, "-") for label, each in digests.items()}
        if len(set(held.values())) > 1:
            lines.append(f"  {agent}: {held}")
    return "\n".join(lines[:20])


def free_places(labels: tuple[str, ...]) -> dict[str, tuple[str, int]]:
    """A place to listen at for each; none where a port may be lent to a connection while its owner is dead."""
    places = {}
    for number, label in enumerate(labels, 2):
        with socket.create_server((f"127.0.0.{number}", 0)) as listening:
            places[label] = listening.getsockname()
    return places
