"""Mistakes, each planted as one line of the real code for as long as a test needs it, and what shows them.

They are in tables, `mistakes.txt`: a row of docs/explanation/raft-verification.md by which related ones stand together
(0 for what nobody has shipped yet), a name and a function; the line, what stands there instead, and what shows it: the
seed of a run, a test, or a transcript. To look anew for what does not show it any more, and write that down:
`python -m tests.raft.planted`, `python -m tests.strong.planted`; needed when runs or worlds have changed.
"""

import argparse
import inspect
import os
import shutil
import signal
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

# The environment of processes that are started while a mistake is planted says which.
_PLANTED = "PLANTED"


# Seconds after which something that goes on for ever is given up.
_PATIENCE = 60


class TooLong(BaseException):
    """Whatever it is that goes on, it does not catch this."""


def _too_long(number: int, frame: object) -> None:
    raise TooLong


class Plant(NamedTuple):
    name: str
    row: int
    where: str
    line: str
    instead: str
    caught: str

    @property
    def catches(self) -> list[str]:
        return self.caught.split(", ")


class Patch:
    """What of pytest's `MonkeyPatch` is needed here."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def setattr(self, owner: Any, name: str, value: Any) -> None:
        old = getattr(owner, name)
        self._undo.append(lambda: setattr(owner, name, old))
        setattr(owner, name, value)

    def setenv(self, name: str, value: str) -> None:
        assert name not in os.environ
        self._undo.append(lambda: os.environ.pop(name))
        os.environ[name] = value

    def undo(self) -> None:
        while self._undo:
            self._undo.pop()()


@contextmanager
def a_directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    try:
        yield path
    finally:
        shutil.rmtree(path)


class Mistakes:
    """Those of one table.

    code      the classes and functions they are planted in
    modules   the tests that may show them
    run_seed  raises if something is wrong in the run of that seed
    makers    how to make what tests ask for by the names of their parameters
    """

    def __init__(
        self,
        table: Path,
        code: Iterable[Any],
        modules: Iterable[ModuleType],
        run_seed: Callable[[int], object],
        makers: dict[str, Callable[[], AbstractContextManager[Any]]],
    ) -> None:
        self.table = table
        self._code = {each.__name__: each for each in code}
        self._makers = makers
        named = [each for module in modules for name, each in vars(module).items() if name.startswith("test_")]
        self.tests: dict[str, Callable[..., None]] = {each.__name__: each for each in named if self._can_call(each)}
        self._run_seed = run_seed

    def read(self) -> list[Plant]:
        plants = []
        for block in self.table.read_text().strip().split("\n\n"):
            head, line, instead, caught = block.splitlines()
            row, _, title = head.partition(" ")
            name, _, where = title.partition(": ")
            plants.append(Plant(name, int(row), where, line[2:], instead[2:], caught[2:]))
        return plants

    def is_in(self, module: ModuleType, catches: list[str]) -> bool:
        """Whether what shows a mistake are tests of that module."""
        tests = [self.tests.get(catch.removeprefix("test ")) for catch in catches]
        return all(test is not None and test.__module__ == module.__name__ for test in tests)

    def plant(self, plant: Plant, patch: Any) -> None:
        """`patch` is pytest's, or a `Patch`."""
        function = self._find(plant.where)
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(plant.line) == 1, f"{plant.name}: {plant.line!r} is not what the code says any more"
        source = source.replace(plant.line, plant.instead)
        for decorator in ("@property\n", "@classmethod\n"):
            source = source.removeprefix(decorator)
        space: dict[str, Any] = {}
        exec(compile(source, f"<{plant.name}>", "exec"), function.__globals__, space)
        patch.setattr(function, "__code__", space[function.__name__].__code__)
        patch.setenv(_PLANTED, plant.name)

    def plant_here(self) -> None:
        """In a process that a test has started: what is planted there is planted here, too."""
        name = os.environ.pop(_PLANTED, None)
        for plant in self.read():
            if plant.name == name:
                self.plant(plant, Patch())

    def shows(self, catch: str) -> str:
        """How a run or a test shows what is planted; "" if it does not, or not within `_PATIENCE`."""
        kind, _, which = catch.partition(" ")
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(_PATIENCE)
        try:
            if kind == "seed":
                self._run_seed(int(which))
            else:
                self._call(self.tests[which])
        except TooLong:
            return ""
        except (Exception, pytest.fail.Exception) as error:
            return f"{type(error).__name__}: {error}".splitlines()[0][:100]
        finally:
            signal.alarm(0)
        return ""

    def showing(self, plant: Plant, seeds: range) -> str:
        """What shows it: what did before, as far as it still does; and the first of the seeds, if none did."""
        kept = [each for each in plant.catches if each and self.shows(each)]
        if not any(each.startswith("seed") for each in kept):
            found = next((seed for seed in seeds if self.shows(f"seed {seed}")), None)
            kept = kept if found is None else [f"seed {found}", *kept]
        if all(each.startswith("seed") for each in kept):
            kept += self.others()
        return ", ".join(kept)

    def others(self) -> list[str]:
        """What besides a seed shows what is planted."""
        found = next((name for name in self.tests if self.shows(f"test {name}")), None)
        return [] if found is None else [f"test {found}"]

    def main(self, program: str, seeds: int) -> None:
        parser = argparse.ArgumentParser(prog=program, description=__doc__)
        parser.add_argument("--seeds", type=int, default=seeds)
        parser.add_argument("--first", type=int, default=0)
        parser.add_argument("names", nargs="*", help="all, if none is given")
        options = parser.parse_args()
        for plant in self.read():
            if options.names and plant.name not in options.names:
                continue
            patch = Patch()
            self.plant(plant, patch)
            try:
                caught = self.showing(plant, range(options.first, options.first + options.seeds))
            finally:
                patch.undo()
            print(f"{plant.row:>2} {plant.name}: {caught or 'NOTHING'}", flush=True)
            text = self.table.read_text()
            head = f"{plant.row} {plant.name}: {plant.where}\n- {plant.line}\n+ {plant.instead}\n= "
            self.table.write_text(text.replace(f"{head}{plant.caught}\n", f"{head}{caught}\n"))

    def _find(self, where: str) -> Callable[..., Any]:
        """A function, a method, or what a property does."""
        owner, _, name = where.rpartition(".")
        if not owner:
            return self._code[name]  # type: ignore[no-any-return]
        found = inspect.getattr_static(self._code[owner], name)
        if isinstance(found, property):
            return found.fget  # type: ignore[return-value]
        return found.__func__ if isinstance(found, classmethod) else found  # type: ignore[no-any-return]

    def _can_call(self, test: Any) -> bool:
        given = {name for names, _ in _parameters(test) for name in names}
        return all(name in self._makers or name in given for name in inspect.signature(test).parameters)

    def _call(self, test: Callable[..., None]) -> None:
        """With all that it is parametrized with, one after the other."""
        parameters = _parameters(test)
        for values in product(*[values for _, values in parameters]):
            given: dict[str, Any] = {}
            for (names, _), value in zip(parameters, values, strict=True):
                given |= zip(names, value if len(names) > 1 else [value], strict=True)
            with ExitStack() as stack:
                missing = [name for name in inspect.signature(test).parameters if name not in given]
                test(**given, **{name: stack.enter_context(self._makers[name]()) for name in missing})


def _parameters(test: Any) -> list[tuple[list[str], list[Any]]]:
    """What a test is parametrized with: names and their values."""
    found = []
    for mark in [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]:
        names, values = mark.args
        found.append(([name.strip() for name in names.split(",")] if isinstance(names, str) else [*names], [*values]))
    return found
