"""Mistakes that others have shipped, each planted as one line of the core for as long as a test needs it.

They are in `mistakes.txt`: a number by which related ones stand together, a name and a function; the line, what
stands there instead, and what shows it: the seed of a world, a test, or a transcript. `python -m tests.raft.planted`
looks anew for what does not show it any more, and writes that down; needed when the worlds have changed.
"""

import argparse
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from replication.raft.configurations import Configurations
from replication.raft.core import Raft
from replication.raft.election import hears_a_leader, request, would_vote
from replication.raft.follower import Follower
from replication.raft.leader import Leader
from replication.raft.log import Log
from replication.raft.progress import Progress
from replication.raft.quorum import _outcome, _reached, outcome, reached
from replication.raft.reads import Reads, Rounds
from replication.raft.roles import Roles
from replication.raft.sending import Sending
from replication.raft.state import State
from replication.raft.writes import Writes
from tests.raft import test_paper, test_shipped_bugs, test_shipped_bugs_of_groups, test_transcripts
from tests.raft.world import World


class Plant(NamedTuple):
    name: str
    row: int
    where: str
    line: str
    instead: str
    caught: str

    def plant(self, patch: Any) -> None:
        """`patch` is pytest's, or anything with its `setattr`."""
        function = find(self.where)
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(self.line) == 1, f"{self.name}: {self.line!r} is not what the code says any more"
        source = source.replace(self.line, self.instead).removeprefix("@property\n")
        space: dict[str, Any] = {}
        exec(compile(source, f"<{self.name}>", "exec"), function.__globals__, space)
        patch.setattr(function, "__code__", space[function.__name__].__code__)


OWNERS = {
    kind.__name__: kind
    for kind in (Configurations, Follower, Leader, Log, Progress, Raft, Reads, Roles, Rounds, Sending, State, Writes)
}
FUNCTIONS = {
    function.__name__: function
    for function in (_outcome, _reached, hears_a_leader, outcome, reached, request, would_vote)
}
TABLE = Path(__file__).parent / "mistakes.txt"


def find(where: str) -> Callable[..., Any]:
    """A function, a method, or what a property does."""
    owner, _, name = where.rpartition(".")
    if not owner:
        return FUNCTIONS[name]
    found = inspect.getattr_static(OWNERS[owner], name)
    return found.fget if isinstance(found, property) else found  # type: ignore[no-any-return]


def read() -> list["Plant"]:
    plants = []
    for block in TABLE.read_text().strip().split("\n\n"):
        head, line, instead, caught = block.splitlines()
        row, _, title = head.partition(" ")
        name, _, where = title.partition(": ")
        plants.append(Plant(name, int(row), where, line[2:], instead[2:], caught[2:]))
    return plants


class Patch:
    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def setattr(self, owner: Any, name: str, value: Any) -> None:
        self._undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def undo(self) -> None:
        for owner, name, value in reversed(self._undo):
            setattr(owner, name, value)


def shows(kind: str, which: str) -> str:
    """How a world, a transcript or a test shows what is planted; "" if it does not."""
    try:
        if kind == "seed":
            World(int(which)).run()
        elif kind == "test":
            next(test for test in tests() if test.__name__ == which)()
        else:
            text = (Path(__file__).parent / "transcripts" / f"{which}.txt").read_text()
            return "" if test_transcripts.replayed(text) == text else "another transcript"
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:100]
    return ""


def tests() -> list[Callable[[], None]]:
    modules = (test_shipped_bugs, test_shipped_bugs_of_groups, test_paper)
    named = [each for module in modules for name, each in vars(module).items() if name.startswith("test_")]
    return [each for each in named if not inspect.signature(each).parameters]


def showing(plant: Plant, seeds: range) -> str:
    """What shows it: what did before, as far as it still does; and the first of the seeds, if none did."""
    kept = [each for each in plant.caught.split(", ") if shows(*each.split(" ", 1))]
    if not any(each.startswith("seed") for each in kept):
        found = next((seed for seed in seeds if shows("seed", str(seed))), None)
        kept = kept if found is None else [f"seed {found}", *kept]
    if all(each.startswith("seed") for each in kept):
        transcripts = sorted(path.stem for path in (Path(__file__).parent / "transcripts").glob("*.txt"))
        kept += [f"test {test.__name__}" for test in tests() if shows("test", test.__name__)][:1]
        kept += [f"transcript {name}" for name in transcripts if shows("transcript", name)][:1]
    return ", ".join(kept)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.raft.planted", description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("names", nargs="*", help="all, if none is given")
    options = parser.parse_args()
    for plant in read():
        if options.names and plant.name not in options.names:
            continue
        patch = Patch()
        plant.plant(patch)
        try:
            caught = showing(plant, range(options.first, options.first + options.seeds))
        finally:
            patch.undo()
        print(f"{plant.row:>2} {plant.name}: {caught or 'NOTHING'}", flush=True)
        text = TABLE.read_text()
        head = f"{plant.row} {plant.name}: {plant.where}\n- {plant.line}\n+ {plant.instead}\n= "
        TABLE.write_text(text.replace(f"{head}{plant.caught}\n", f"{head}{caught}\n"))


if __name__ == "__main__":
    main()
