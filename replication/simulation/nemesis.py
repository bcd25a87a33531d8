"""What goes wrong, drawn from the seed: which faults at all, how often, and how bad the network is.

Each run suffers a random choice of the faults rather than all of them ("swarm testing", Groce et
al., ISSTA 2012): what one fault hides, such as a crash that cures every partition, others may find.
"""

from collections.abc import Callable
from random import Random

from replication.simulation.cluster import Cluster
from replication.simulation.network import CALM, Conditions
from replication.simulation.process import WRITE_MODES

# Virtual seconds a fault lasts at most; most are much shorter.
_LASTS_MAX = 4.0


def draw_conditions(random: Random) -> Conditions:
    """A network anywhere between a quiet rack and a bad mobile line."""
    bad = random.random()
    if bad < 0.25:
        return CALM
    return Conditions(
        latency=random.choice((0.0001, 0.001, 0.02)),
        jitter=random.choice((0.0005, 0.005, 0.05)),
        loss=random.choice((0.0, 0.0, 0.02, 0.2)),
        duplicate=random.choice((0.0, 0.0, 0.02, 0.2)),
        reorder=random.choice((0.0, 0.0, 0.05, 0.3)),
        bandwidth=random.choice((100e6, 1e6, 50e3)),
        queue_bytes=random.choice((8 << 20, 4000, 400)),
        dial_failure=random.choice((0.0, 0.0, 0.3)),
        notice=random.choice((0.2, 1.0, 5.0)),
    )


def draw_write_modes(random: Random, count: int) -> tuple[str, ...]:
    """How each of so many nodes' threads relates to its writes."""
    return tuple(random.choice(WRITE_MODES) for _ in range(count))


class Nemesis:
    """Strikes a cluster at random moments until it is stopped."""

    def __init__(self, cluster: Cluster, mean_seconds: float = 0.4) -> None:
        self._cluster = cluster
        self._world = cluster.world
        self._random = cluster.world.stream("nemesis")
        self._mean = mean_seconds
        self._faults = [fault for fault in FAULTS if self._random.random() < 0.4]
        self.is_over = False
        # How often each fault struck, by its name.
        self.strikes: dict[str, int] = {}
        if self._faults:
            self._later(self._strike, self._wait())

    def stop(self) -> None:
        self.is_over = True

    def _wait(self) -> float:
        return self._random.expovariate(1.0 / self._mean)

    def _later(self, act: Callable[[], None], seconds: float) -> None:
        self._world.after(seconds, None, act)

    def _strike(self) -> None:
        if self.is_over:
            return
        fault = self._random.choice(self._faults)
        name = fault.__name__.strip("_")
        self._world.note("fault", name)
        self.strikes[name] = self.strikes.get(name, 0) + 1
        fault(self)
        self._later(self._strike, self._wait())

    # What the faults need

    def _undo(self, act: Callable[[], None]) -> None:
        """Undo a fault after a while, unless the end came first and undid all."""
        self._later(lambda: None if self.is_over else act(), self._random.uniform(0.0, 1.0) ** 3 * _LASTS_MAX)

    def _running(self) -> str | None:
        """A node that runs; None if too few do, for with all of them down nothing happens."""
        running = self._cluster.running()
        return self._random.choice(running) if len(running) > 1 else None

    def _pair(self) -> tuple[str, str]:
        source, target = self._random.sample(self._cluster.names, 2)
        return source, target

    # The faults

    def _crash_one(self) -> None:
        name = self._running()
        if name is not None:
            self._cluster.crash(name, silent=self._random.random() < 0.3)
            self._undo(lambda: self._restart(name))

    def _crash_all(self) -> None:
        if self._random.random() < 0.1:
            for name in self._cluster.running():
                self._cluster.crash(name)
                self._undo(lambda name=name: self._restart(name))  # type: ignore[misc]

    def _leave(self) -> None:
        name = self._running()
        if name is not None:
            self._cluster.leave(name)
            self._undo(lambda: self._restart(name))

    def _restart(self, name: str) -> None:
        if self._cluster.hosts[name].node is None:
            self._cluster.restart(name)

    def _pause(self) -> None:
        name = self._running()
        if name is not None:
            self._cluster.pause(name, self._random.uniform(0.0, 1.0) ** 3 * _LASTS_MAX)

    def _cut(self) -> None:
        self._cluster.cut(*self._pair())
        self._undo(self._cluster.heal)

    def _partition(self) -> None:
        names = self._cluster.names
        self._random.shuffle(names)
        place = self._random.randint(1, len(names) - 1)
        self._cluster.partition([names[:place], names[place:]])
        self._undo(self._cluster.heal)

    def _clog(self) -> None:
        self._cluster.clog(*self._pair(), self._random.uniform(0.0, 1.0) ** 2 * _LASTS_MAX)

    def _break_links(self) -> None:
        self._cluster.network.break_links(*self._pair())

    def _slow_disk(self) -> None:
        name = self._random.choice(self._cluster.names)
        self._cluster.slow_disk(name, self._random.choice((10.0, 100.0, 1000.0)))
        self._undo(lambda: self._cluster.repair_disk(name))

    def _hang_disk(self) -> None:
        name = self._random.choice(self._cluster.names)
        self._cluster.hang_disk(name)
        self._undo(lambda: self._cluster.repair_disk(name))

    def _fail_disk(self) -> None:
        name = self._random.choice(self._cluster.names)
        self._cluster.fail_disk(name, self._random.choice(("failing", "full")))

        def replace() -> None:
            self._cluster.repair_disk(name)
            if self._cluster.hosts[name].disk.has_failed:
                self._cluster.restart(name)

        self._undo(replace)

    def _skew_clock(self) -> None:
        name = self._random.choice(self._cluster.names)
        # A minute is how far ahead a change may be stamped and still land at once.
        ms = self._random.choice((1, 100, 10_000, 70_000))
        self._cluster.hosts[name].clock.correct()
        self._cluster.skew_clock(name, self._random.choice((-ms, ms)))

    def _drift_clock(self) -> None:
        name = self._random.choice(self._cluster.names)
        self._cluster.hosts[name].clock.set_drift(self._random.uniform(-0.1, 0.1))


FAULTS: tuple[Callable[[Nemesis], None], ...] = (
    Nemesis._crash_one,
    Nemesis._crash_all,
    Nemesis._leave,
    Nemesis._pause,
    Nemesis._cut,
    Nemesis._partition,
    Nemesis._clog,
    Nemesis._break_links,
    Nemesis._slow_disk,
    Nemesis._hang_disk,
    Nemesis._fail_disk,
    Nemesis._skew_clock,
    Nemesis._drift_clock,
)
