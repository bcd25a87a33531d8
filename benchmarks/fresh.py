"""What a value takes in a process of its own, which did nothing before: resident memory and `sys.getsizeof`."""

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Grown(NamedTuple):
    """Bytes by which the process grew, and what `sys.getsizeof` says of it, or of all in a list."""

    resident: int
    told: int


def grown(build: Callable[..., Any], *arguments: Any) -> Grown:
    """Have a new process call `build(*arguments)`, a function of a module, and keep what it returns.

    A generator function first yields, with all that it needs and that shall not count in place. The process calls
    it once before with `rehearsal=True`, for which it builds a little, so that modules and pools are there.
    """
    call = json.dumps([build.__module__, build.__qualname__, arguments])
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.fresh", call], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    return Grown(*json.loads(answer.stdout))


def resident() -> int:
    """Bytes of the process' own, exactly where the kernel tells: the plain counter may be late by some pages.

    Pages of files, such as the libraries', are left out: they come and go with what else the machine does.
    """
    for path in ("/proc/self/smaps_rollup", "/proc/self/status"):
        try:
            with open(path) as lines:
                for line in lines:
                    if line.startswith(("Anonymous:", "RssAnon:")):
                        return int(line.split()[1]) * 1024
        except OSError:
            continue
    raise RuntimeError("this system does not tell resident memory")


def return_freed() -> None:
    """Give back what the allocator keeps of memory that was freed, so that nothing is built in it unseen."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def main() -> None:
    module, name, arguments = json.loads(sys.argv[1])
    build = getattr(import_module(module), name)
    for _ in build(*arguments, rehearsal=True):
        pass
    steps = build(*arguments)
    next(steps)
    gc.collect()
    return_freed()
    before = resident()
    kept = next(steps)
    gc.collect()
    print(json.dumps([resident() - before, sum(map(sys.getsizeof, kept if type(kept) is list else [kept]))]))


if __name__ == "__main__":
    main()
