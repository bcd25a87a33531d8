"""`python -m tests.raft.speed`: how many events a second three cores take, with disks and a network that cost nothing.

An event is a proposal, a message, a report of a write or of entries applied. Proposals come in bursts, as many as are
flushed together.
"""

import argparse
import time
from random import Random

from replication.raft.configuration import Configuration
from replication.raft.core import Raft
from replication.raft.options import Options
from replication.raft.ready import Saved

NAMES = ("a", "b", "c")


class Group:
    def __init__(self) -> None:
        saved = Saved.new(Configuration(NAMES))
        self.cores = {name: Raft(name, saved, Options(), Random(name), 0.0) for name in NAMES}
        self.now, self.events, self.applied = 0.0, 0, 0
        while not any(core.role == "leader" for core in self.cores.values()):
            self.now += 0.1
            for core in self.cores.values():
                core.tick(self.now)
            self.settle()
        self.leader = next(core for core in self.cores.values() if core.role == "leader")

    def settle(self) -> None:
        """Do what the cores want, until they want nothing."""
        busy = True
        while busy:
            busy = False
            for name, core in self.cores.items():
                ready = core.ready()
                for send in ready.send:
                    self.cores[send.peer].step(name, send.message, self.now)
                    self.events += 1
                if ready.write is not None:
                    core.persisted(ready.write.number, self.now)
                    self.events += 1
                if ready.apply is not None:
                    last = ready.apply.first + len(ready.apply.entries) - 1
                    core.applied(last)
                    self.events += 1
                    self.applied = max(self.applied, last)
                busy = busy or bool(ready.send or ready.write or ready.apply)

    def run(self, proposals: int, burst: int, data: bytes) -> None:
        for turn in range(proposals // burst):
            self.now += 0.001
            if turn % 50 == 0:
                for core in self.cores.values():
                    core.tick(self.now)
            for _ in range(burst):
                self.leader.propose((data,), self.now)
            self.events += burst
            self.settle()
            if self.applied - self.leader.snapshot.last_index > 10_000:
                for core in self.cores.values():
                    core.snapshot_taken(self.applied, b"%d" % self.applied)
                    core.compact(self.applied)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.raft.speed", description=__doc__)
    parser.add_argument("--proposals", type=int, default=50_000)
    options = parser.parse_args()
    for burst in (1, 16, 256):
        group = Group()
        group.events = 0
        started = time.perf_counter()
        group.run(options.proposals, burst, bytes(100))
        took = time.perf_counter() - started
        assert group.applied > options.proposals * 0.99
        print(
            f"{burst:>3} at once: {options.proposals / took:>9,.0f} proposals a second on three cores, "
            f"{group.events / took:>9,.0f} events"
        )


if __name__ == "__main__":
    main()
