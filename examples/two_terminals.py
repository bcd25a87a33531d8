"""Run this in two terminals at once: each counts its own steps and sees the other's. Kill either, start it again.

`python two_terminals.py [DIRECTORY]`. Ctrl-C ends it; where nobody looks on, it ends by itself after four seconds.
"""

import sys
import time
from contextlib import suppress

import replication
from crdt import Composite, GCounter


class Tally(Composite):
    steps: GCounter


def main(directory: str, until: float) -> None:
    with replication.open(directory, schema=Tally) as node:
        while time.monotonic() < until:
            node.update_state(node.name, lambda tally: tally.steps.increment(), consistency="crdt_enhanced")
            print({agent: node.read_state(agent).steps.value for agent in node.agents()}, flush=True)
            time.sleep(0.1)


if __name__ == "__main__":
    directory = sys.argv[1] if sys.argv[1:] else "state"
    with suppress(KeyboardInterrupt):
        main(directory, float("inf") if sys.stdout.isatty() else time.monotonic() + 4)
