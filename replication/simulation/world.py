"""Virtual time: one heap of events, run one at a time in an order that one seed decides.

Everything that happens in a simulation is an event here: a frame arrives, a write is done, a timer
fires, a client calls, a fault strikes. Time stands still while an event runs and then jumps to the
next one, so an hour of silence costs nothing. Randomness comes from named streams, so that one more
draw in one place leaves every other place as it was.

An event may belong to a lane, which is asked before it runs: a lane that is paused or blocked takes
its events aside and gives them back, in order, when it goes on. A lane that is dead drops them.

Knows nothing of nodes, networks or disks.
"""

from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from heapq import heappop, heappush
from random import Random
from typing import Any, Protocol

# Events at one moment of time; more of them mean that the simulated code goes round in circles.
EVENTS_AT_ONCE_MAX = 200_000
INFINITY = float("inf")
# Virtual seconds that a caller at the top may wait for one thing.
PATIENCE = 24 * 3600.0


class Stuck(Exception):
    """What was waited for cannot happen any more, or did not within any reasonable time."""


class WouldBlock(Exception):
    """Something waited inside an event. Time stands still there, so what it waits for would never come."""


class Lane(Protocol):
    """To whom an event belongs."""

    def admits(self, event: "Event") -> bool:
        """Whether it may run now; if not, the lane has kept it for later or has dropped it."""


class Event:
    """A call to come. `fn` is None once it was cancelled."""

    __slots__ = ("args", "fn", "lane")

    def __init__(self, lane: Lane | None, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.lane = lane
        self.fn: Callable[..., Any] | None = fn
        self.args = args

    def cancel(self) -> None:
        self.fn = None
        self.args = ()


class Trace:
    """What happened, as a hash of all of it and the last lines in words.

    Two runs of one seed have equal hashes, in whatever process they run; `show` is given every line.
    """

    def __init__(self, keep: int = 40, show: Callable[[str], None] | None = None) -> None:
        self.last: deque[str] = deque(maxlen=keep)
        self.lines = 0
        self._hash = blake2b(digest_size=16)
        self._show = show

    def add(self, line: str) -> None:
        self.lines += 1
        self.last.append(line)
        self._hash.update(line.encode() + b"\n")
        if self._show is not None:
            self._show(line)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def label(fn: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """A call in words that are the same in every process."""
    if args and callable(args[0]):
        return label(args[0], args[1] if len(args) > 1 and isinstance(args[1], tuple) else ())
    return getattr(fn, "__qualname__", type(fn).__name__)


class World:
    """The heap, the time, and where randomness comes from.

    watch     called after every event, in order; what they raise ends the run
    failures  exceptions that a node or a client let out, with the name of whose they are
    trace     None costs nothing; a failing seed is run again with one
    """

    def __init__(self, seed: int | str = 0, trace: Trace | None = None) -> None:
        self.seed = seed
        self.now = 0.0
        self.events = 0
        self.trace = trace
        self.failures: list[tuple[str, BaseException]] = []
        self.watch: list[Callable[[], None]] = []
        self._heap: list[tuple[float, int, Event]] = []
        self._sequence = 0
        self._at_once = 0
        self._streams: dict[str, Random] = {}
        self._running = False

    def stream(self, name: str) -> Random:
        """The randomness of one part of the world; the same object for the same name."""
        stream = self._streams.get(name)
        if stream is None:
            # A str is hashed by SHA-512 in there, not by the hash that differs from process to process.
            stream = self._streams[name] = Random(f"{self.seed}/{name}")
        return stream

    def note(self, *words: Any) -> None:
        """Put something into the trace. Nothing in `words` may show an address or a hash of this process."""
        if self.trace is not None:
            self.trace.add(f"{self.now:.6f} " + " ".join(map(str, words)))

    # Making events

    def at(self, time: float, lane: Lane | None, fn: Callable[..., Any], *args: Any) -> Event:
        """Call `fn` at that time, or now if it is past; among equal times in the order of these calls."""
        return self.put(Event(lane, fn, args), time)

    def after(self, seconds: float, lane: Lane | None, fn: Callable[..., Any], *args: Any) -> Event:
        return self.put(Event(lane, fn, args), self.now + seconds)

    def put(self, event: Event, time: float = 0.0) -> Event:
        """Bring an event back, or in."""
        self._sequence += 1
        heappush(self._heap, (max(time, self.now), self._sequence, event))
        return event

    # Running them

    def step(self) -> bool:
        """Run the next event, unless its lane keeps it; False if there is none."""
        self._refuse_inside()
        if self._next_time() == INFINITY:
            return False
        self._run_next()
        return True

    def _run_next(self) -> None:
        """The event on top of the heap, which is there and was not cancelled."""
        time, _, event = heappop(self._heap)
        fn, args, lane = event.fn, event.args, event.lane
        self._advance(time)
        if fn is None or (lane is not None and not lane.admits(event)):
            return
        if self.trace is not None:
            self.note(lane or "world", label(fn, args))
        self._running = True
        try:
            fn(*args)
        finally:
            self._running = False
        self.events += 1
        for observe in self.watch:
            observe()

    def run_for(self, seconds: float) -> None:
        """Run what happens within so many seconds; afterwards that much time has passed."""
        self._refuse_inside()
        end = self.now + seconds
        while self._next_time() <= end:
            self._run_next()
        self._advance(end)

    def run_until(self, holds: Callable[[], bool], seconds: float | None = None) -> bool:
        """Run until it holds, for at most so many seconds; whether it does. Stuck if it never can."""
        end = self.now + (PATIENCE if seconds is None else seconds)
        while not holds():
            self._refuse_inside()
            time = self._next_time()
            if time > end or time == INFINITY:
                if seconds is None:
                    raise Stuck("nothing that could end this wait is going to happen")
                self._advance(end)
                return holds()
            self._run_next()
        return True

    @property
    def pending(self) -> int:
        """How many events are to come, cancelled ones among them."""
        return len(self._heap)

    def _refuse_inside(self) -> None:
        if self._running:
            raise WouldBlock(
                "this call would wait inside an event of the simulation, where time stands still: "
                "wait at the top, or await the call's twin in a coroutine given to Cluster.spawn"
            )

    def _next_time(self) -> float:
        heap = self._heap
        while heap and heap[0][2].fn is None:
            heappop(heap)
        return heap[0][0] if heap else INFINITY

    def _advance(self, time: float) -> None:
        if time > self.now:
            self.now = time
            self._at_once = 0
            return
        self._at_once += 1
        if self._at_once > EVENTS_AT_ONCE_MAX:
            raise Stuck(f"{EVENTS_AT_ONCE_MAX} events at {self.now:.6f} s, and none of them lets time pass")
