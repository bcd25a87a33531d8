"""Runs the benchmarks named on the command line, or all."""

import os
import platform
import sys

from benchmarks import node, sync, text, types

PARTS = {"types": types.main, "text": text.main, "node": node.main, "sync": sync.main}


def main() -> int:
    names = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        print(f"no benchmark {unknown[0]!r}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    )
    for name in names:
        print(f"\n{name}")
        PARTS[name]()
    return 0


sys.exit(main())
