"""Voters in processes of their own: who leads is killed, or stopped and continued."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.cluster.nodes import free_addresses

pytestmark = pytest.mark.no_sanitizer

NAMES = ("n0", "n1", "n2")
ELECTION_TIMEOUT = 0.5
# Times that who leads is killed; `python -m tests.strong.test_lost_leaders 20` measures more of them.
KILLS = 2


class Voters:
    """Three processes on loopback."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._addresses = free_addresses(len(NAMES))
        self._processes: dict[int, subprocess.Popen[str]] = {}

    def start(self, place: int) -> None:
        options = {
            "path": str(self._directory / NAMES[place]),
            "name": NAMES[place],
            "listen": self._addresses[place],
            "peers": self._addresses,
            "bootstrap": NAMES,
            "election_timeout": ELECTION_TIMEOUT,
        }
        self._processes[place] = subprocess.Popen(
            [sys.executable, "-m", "tests.strong.worker", json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def order(self, place: int, *words: str) -> None:
        pipe = self._processes[place].stdin
        assert pipe is not None
        print(*words, file=pipe, flush=True)

    def hear(self, place: int) -> str:
        """The answer to an order, the first one to none."""
        pipe = self._processes[place].stdout
        assert pipe is not None
        return pipe.readline().strip()

    def ask(self, place: int, *words: str) -> str:
        self.order(place, *words)
        return self.hear(place)

    def signal(self, place: int, number: int) -> None:
        os.kill(self._processes[place].pid, number)

    def kill(self, place: int) -> None:
        process = self._processes.pop(place)
        process.kill()
        process.communicate()

    def leader(self) -> int:
        """Whom all that run agree on."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            names = {self.ask(place, "leader") for place in self._processes}
            if len(names) == 1 and "" not in names:
                return NAMES.index(names.pop())
            time.sleep(0.02)
        raise AssertionError("nobody leads")

    def close(self) -> None:
        for place in list(self._processes):
            self.signal(place, signal.SIGCONT)
            self.kill(place)


@pytest.fixture
def voters(tmp_path: Path) -> Iterator[Voters]:
    with_processes = Voters(tmp_path)
    yield with_processes
    with_processes.close()


def opened(voters: Voters) -> Voters:
    for place in range(len(NAMES)):
        voters.start(place)
    for place in range(len(NAMES)):
        assert voters.hear(place).startswith("open")
    return voters


def outages(voters: Voters, kills: int) -> list[float]:
    """Kill who leads, so many times: for how long nothing was committed. Nothing acknowledged may be lost."""
    added, seconds = 0, []
    for k in range(kills):
        leader = voters.leader()
        for place in range(len(NAMES)):
            added += 1
            assert voters.ask(place, "add", f"{k}.{place}") == str(added)
        other = (leader + 1) % len(NAMES)
        voters.kill(leader)
        began = time.monotonic()
        added += 1
        assert voters.ask(other, "add", f"{k}.after") == str(added)
        seconds.append(time.monotonic() - began)
        voters.start(leader)
        assert voters.hear(leader).startswith("open")
        assert voters.ask(leader, "read") == str(added), "who was killed has all of it"
        assert voters.ask(leader, "add", f"{k}.after") == str(added), "and knows what was served"
    return seconds


def test_who_leads_is_killed_and_nothing_that_was_acknowledged_is_lost(voters: Voters) -> None:
    seconds = outages(opened(voters), KILLS)
    # Between one and two election timeouts until somebody stands; the rest is for a busy machine, and a second ballot.
    assert median(seconds) < 12 * ELECTION_TIMEOUT, seconds


def test_who_was_stopped_while_another_led_reads_nothing_old(voters: Voters) -> None:
    opened(voters)
    leader = voters.leader()
    others = [place for place in range(len(NAMES)) if place != leader]
    assert voters.ask(leader, "add", "before") == "1"
    assert voters.ask(leader, "read") == "1"
    voters.signal(leader, signal.SIGSTOP)
    voters.order(leader, "read")  # the first that it will do; it believes that it leads
    voters.order(leader, "add", "late")
    assert voters.ask(others[0], "add", "meanwhile") == "2"
    assert voters.ask(others[1], "add", "meanwhile.too") == "3"
    voters.signal(leader, signal.SIGCONT)
    assert voters.hear(leader) == "3", "a read that began while another led saw what that one had committed"
    assert voters.hear(leader) == "4"
    assert [voters.ask(place, "read") for place in range(len(NAMES))] == ["4"] * 3


def main() -> None:
    """Measure: python -m tests.strong.test_lost_leaders [KILLS]."""
    import tempfile

    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as directory:
        voters = Voters(Path(directory))
        try:
            seconds = outages(opened(voters), kills)
        finally:
            voters.close()
    timeouts: list[Any] = [each / ELECTION_TIMEOUT for each in sorted(seconds)]
    print("in election timeouts:", " ".join(f"{each:.2f}" for each in timeouts))
    print(f"median {median(timeouts):.2f}, worst {timeouts[-1]:.2f}, of {kills}")


if __name__ == "__main__":
    main()
