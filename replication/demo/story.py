"""Starts three processes, cuts one off, kills another, then the one that leads, and looks on; `nexus-state demo`.

    ann, bob   listen on loopback; they hear of each other through cal
    cal        listens nowhere, as behind a router, and reaches the others through a proxy each, which can be cut

Every process updates the same agents in two modes all the time; towards the end agents in all of them take tasks off
one board, which is the third mode. What is shown comes from what the processes report several times a second; what is
concluded, from their journals and from all that each of them holds in the end.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from replication.demo import claims, verdict
from replication.demo.board import WORKERS
from replication.demo.child import Child, Failed
from replication.demo.display import Display, Row
from replication.demo.process import MODES, NAMES, Role
from replication.demo.proxy import Proxy

# Seconds that may pass until something must have happened; far more than it takes.
PATIENCE = 30.0


class Story:
    """One demonstration. `run` gives the exit code: 0 if nothing that was promised is missing."""

    def __init__(self, directory: Path, seconds: float, out: TextIO) -> None:
        self._directory, self._seconds = directory, seconds
        self._display = Display(out, NAMES)
        self._children: dict[str, Child] = {}
        self._proxies: list[Proxy] = []
        self._is_calm = False
        self._latencies: dict[str, list[float]] = {mode: [] for mode in MODES}
        self._rows: list[tuple[str, str]] = []
        self._problems: list[str] = []

    def run(self) -> int:
        try:
            self._tell()
            result = self._conclude()
        except Failed as failure:
            self._display.done()
            self._display.verdict(f"FAILED  {failure}", is_good=False)
            result = 1
        finally:
            for child in self._children.values():
                child.kill()
            for proxy in self._proxies:
                proxy.close()
        return result

    def _tell(self) -> None:
        """What happens, in its order."""
        self._begin()
        self._pass(0.15)
        self._cut()
        self._kill()
        self._share_out()
        self._say("everybody stops writing")
        for child in self._children.values():
            child.condition = "reading"
            child.order("stop")
        self._until(self._is_settled, "all three hold the same")

    def _begin(self) -> None:
        self._say("three processes on this machine share agents over TCP, each with a disk of its own")
        for name in NAMES[:2]:
            self._start(name, 1, listen="127.0.0.1:0")
        self._until(lambda: all(child.has_opened for child in self._children.values()), "ann and bob listen")
        self._proxies = [Proxy(self._children[name].address or "") for name in NAMES[:2]]
        self._start("cal", 1, peers=tuple(proxy.address for proxy in self._proxies))
        self._until(self._everybody_is_seen, "all three see each other")
        self._say("all three update the same agents, in crdt_enhanced with acks=1 and in eventually_consistent")
        for child in self._children.values():
            child.condition = "writing"
            child.order("write")
        self._is_calm = True

    def _cut(self) -> None:
        self._say("cal is cut off: it goes on alone, and its calls in crdt_enhanced wait in vain for another disk")
        self._is_calm = False
        cal = self._children["cal"]
        cal.condition = "cut off"
        for proxy in self._proxies:
            proxy.cut()
        self._pass(0.1, at_least=1.0)  # what had passed the proxy before lands
        before = self._held_of_others("cal")
        self._pass(0.1)
        heard = self._held_of_others("cal") - before
        if heard:
            self._problems.append(f"cal was cut off, and heard of {heard:,} updates: there was a way round the proxy")
        behind = self._rows_now()[NAMES.index("cal")].behind
        self._say(f"cal is joined again, {behind:,} updates behind; the others lack what it did meanwhile")
        cal.condition = "catching up"
        for proxy in self._proxies:
            proxy.join()
        self._catch_up("cal", behind)
        self._pass(0.1)

    def _kill(self) -> None:
        self._say("bob is killed by SIGKILL")
        self._is_calm = False
        bob = self._children["bob"]
        bob.kill()
        self._check_survivors()
        self._pass(0.1)
        behind = self._rows_now()[NAMES.index("bob")].behind
        self._say(f"bob is started again on its disk, at another port, {behind:,} updates behind")
        self._start_again("bob")
        self._catch_up("bob", behind)
        self._pass(0.1)

    def _start_again(self, name: str) -> None:
        peers = tuple([child.address for child in self._children.values() if child.address and child.name != name])
        self._start(name, self._children[name].run + 1, None if name == "cal" else "127.0.0.1:0", peers)
        child = self._children[name]
        self._until(lambda: bool(child.last), f"{name} is back")
        child.condition = "catching up"
        child.order("write")

    def _share_out(self) -> None:
        """Agents take tasks off one board, and who leads the group that decides is killed."""
        self._say(f"{WORKERS} agents in each take tasks off one board: replicated, so that each task is taken once")
        self._is_calm = False
        for child in self._children.values():
            child.order("claim")
        self._pass(0.15)
        self._until(self._somebody_leads, "all say that the same one leads")
        leader = self._children[self._children["ann"].last["leader"]]
        self._say(f"{leader.name}, which leads, is killed by SIGKILL: the others elect another, and ask again")
        killed, before = time.monotonic(), leader.last["tasks"]
        leader.kill()
        self._pass(0.1, at_least=2.0)
        again = time.monotonic()
        self._say(f"{leader.name} is started again on its disk")
        self._start_again(leader.name)
        self._children[leader.name].order("claim")
        self._until(lambda: self._children[leader.name].last["tasks"] > before, f"{leader.name} has caught up")
        self._children[leader.name].condition = "writing"
        self._pass(0.1)
        gap = claims.longest_gap(claims.read(self._directory), killed, again)
        self._rows.append((f"{leader.name}, which led, was killed", f"for {gap:.1f} s no task could be taken"))

    def _somebody_leads(self) -> bool:
        leaders = {child.last.get("leader") for child in self._children.values()}
        return len(leaders) == 1 and leaders <= set(NAMES)

    def _check_survivors(self) -> None:
        """What another disk had acknowledged to bob can be read while bob is dead."""
        contents = [self._show(self._children[name])["contents"] for name in ("ann", "cal")]
        calls = verdict.read_journals(self._directory)
        count, missing = verdict.missing_while_dead(calls, "bob.1.", contents)
        self._rows.append(
            (
                "acknowledged to bob by another disk",
                f"{count:,}; while bob was dead, {count - missing:,} of them could be read",
            )
        )
        if missing:
            self._problems.append(f"{missing:,} updates that another disk had acknowledged to bob were gone with it")

    def _catch_up(self, name: str, behind: int) -> None:
        """Wait until all have what any had at this moment."""
        began = time.monotonic()
        target = self._made(max(child.moment for child in self._children.values()))

        def has_all(child: Child) -> bool:
            held = child.held(child.moment)
            return all(held.get(writer, 0) >= count for writer, count in target.items())

        self._until(lambda: all(map(has_all, self._children.values())), f"{name} has caught up")
        took = time.monotonic() - began
        self._children[name].condition = "writing"
        self._rows.append(
            (f"{name} came back, {behind:,} updates behind", f"after {took:.1f} s nobody lacked anything of it")
        )
        self._is_calm = True

    # Looking on

    def _start(self, name: str, run: int, listen: str | None = None, peers: tuple[str, ...] = ()) -> None:
        self._children[name] = Child(Role(name, run, str(self._directory), listen, peers))

    def _say(self, text: str) -> None:
        self._display.say(text)

    def _pass(self, share: float, at_least: float = 0.0) -> None:
        """Let a share of the time go by."""
        end = time.monotonic() + max(share * self._seconds, at_least)
        while time.monotonic() < end:
            self._look()

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                raise Failed(f"not within {PATIENCE:.0f} s: {what}")
            self._look()

    def _look(self) -> None:
        time.sleep(0.05)
        for child in self._children.values():
            for report in child.take():
                for mode, latencies in report["latencies"].items():
                    self._latencies[mode] += latencies if self._is_calm else ()
        self._display.show(self._rows_now())

    def _rows_now(self) -> list[Row]:
        """The newest moment of which all that run have reported."""
        running = [child for child in self._children.values() if child.condition != "killed" and child.last]
        moment = min((child.moment for child in running), default=0)
        made = self._made(moment)
        return [self._row(child, moment, made) for child in self._children.values()]

    def _row(self, child: Child, moment: int, made: dict[str, int]) -> Row:
        held = child.held(moment)
        behind = sum(max(0, count - held.get(writer, 0)) for writer, count in made.items())
        if child.condition == "killed":
            return Row(child.name, child.condition, held, behind, None, 0, "")
        states = child.last.get("members", {})
        sees = ", ".join(f"{name} {state}" for name, state in states.items() if state != "alive") or "all alive"
        tasks = child.last.get("tasks", 0)
        return Row(child.name, child.condition, held, behind, child.latency, tasks, sees if states else "")

    def _made(self, moment: int) -> dict[str, int]:
        """The updates that anybody held at a moment, by writer."""
        made: dict[str, int] = {}
        for child in self._children.values():
            for writer, count in child.held(moment).items():
                made[writer] = max(made.get(writer, 0), count)
        return made

    def _held_of_others(self, name: str) -> int:
        held = self._children[name].held(sys.maxsize)
        return sum(count for writer, count in held.items() if writer != name)

    def _everybody_is_seen(self) -> bool:
        members = [child.last.get("members", {}) for child in self._children.values()]
        return len(members) == len(NAMES) and all(list(each.values()) == ["alive"] * len(NAMES) for each in members)

    def _is_settled(self) -> bool:
        digests = [child.last["digests"] for child in self._children.values()]
        return all(digests) and all(each == digests[0] for each in digests)

    def _show(self, child: Child) -> dict[str, Any]:
        child.shown = {}
        child.order("show")
        self._until(lambda: bool(child.shown), f"{child.name} shows what it holds")
        return child.shown

    # The end

    def _conclude(self) -> int:
        shown = {name: self._show(child) for name, child in self._children.items()}
        self._display.done()
        calls = verdict.read_journals(self._directory)
        found = verdict.judge(
            calls,
            {name: each["contents"] for name, each in shown.items()},
            {name: each["digests"] for name, each in shown.items()},
        )
        shared = claims.judge(claims.read(self._directory), {name: each["board"] for name, each in shown.items()})
        board = [("tasks taken off the board, replicated", shared.text)]
        self._display.table([*self._figures(found), *board, *self._rows, *self._seen(), *_digests(shown)])
        problems = self._problems + found.problems + shared.problems
        for problem in problems:
            self._display.verdict(f"FAILED  {problem}", is_good=False)
        if not problems:
            text = (
                "Every update that was promised is in every process, once; no task was taken twice; all states are "
                "equal, to the byte."
            )
            self._display.verdict(text, is_good=True)
        return 1 if problems else 0

    def _figures(self, found: verdict.Verdict) -> list[tuple[str, str]]:
        count = found.outcomes
        kept, lost = count["crdt_enhanced", "kept"], found.unpromised
        there = ", ".join(f"{name} {each:,}" for name, each in found.found.items())
        return [
            ("acknowledged by another disk too", f"{count['crdt_enhanced', 'acknowledged']:,}   crdt_enhanced, acks=1"),
            ("durable, and told to others", f"{count['eventually_consistent', 'durable']:,}   eventually_consistent"),
            ("durable, no other disk in time", f"{kept:,}   crdt_enhanced, acks=1: Timeout"),
            ("promised in all, and found in the end", f"{found.promised:,}: {there}"),
            (
                "no answer: killed, or its disk too slow",
                f"{lost:,}, of which {found.unpromised_found:,} are there: both are allowed",
            ),
        ]

    def _seen(self) -> list[tuple[str, str]]:
        rows = []
        for mode, latencies in self._latencies.items():
            if len(latencies) > 1:
                cuts = statistics.quantiles(latencies, n=100)
                p50, p95, p99 = (f"{1000 * cuts[place - 1]:.1f}" for place in (50, 95, 99))
                rows.append(
                    (
                        f"call to visible, {mode}",
                        f"p50 {p50} ms, p95 {p95} ms, p99 {p99} ms   {len(latencies):,} probes while nothing was wrong",
                    )
                )
        return rows


def _digests(shown: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """A digest for each agent that all three agree on."""
    return [
        (
            f"digest of {agent_id}",
            " ".join(sorted({each["digests"].get(agent_id, "none")[:16] for each in shown.values()})),
        )
        for agent_id in next(iter(shown.values()))["contents"]
    ]


def run(*, seconds: float = 24.0, out: TextIO = sys.stdout) -> int:
    """The demonstration, which writes for about so many seconds; its exit code."""
    with tempfile.TemporaryDirectory(prefix="nexus-state-demo-") as directory:
        return Story(Path(directory), seconds, out).run()
