"""`python -m tests.replication.interrupted MODE SECONDS SEED`: calls that a signal's handler breaks off at any moment.

Every operation is asked for again until it is answered. Ends with 0 if each was applied once, nothing hangs, and the
store has it all when it is opened again.
"""

import faulthandler
import random
import signal
import sys
import tempfile
import time
from typing import Any

import replication
from crdt import Composite, GCounter

# Seconds for all that comes after the last interruption.
END_SECONDS = 20


class State(Composite):
    n: GCounter


def bump(state: State) -> None:
    state.n.increment()


def value(node: replication.Node, agent_id: str) -> int:
    found: int = node.read_state(agent_id, lambda state: state.n.value)
    return found


class Interruptions:
    """A timer whose handler raises, while it is armed."""

    def __init__(self, seed: int) -> None:
        self.count = 0
        self._armed = False
        self._random = random.Random(seed)
        signal.signal(signal.SIGALRM, self._handle)

    def _handle(self, *_: object) -> None:
        if self._armed:
            raise KeyboardInterrupt

    def call(self, fn: Any) -> None:
        """Have it called until nothing comes in between."""
        while True:
            try:
                self._armed = True
                signal.setitimer(signal.ITIMER_REAL, self._random.uniform(1e-6, self._random.choice((2e-4, 3e-3, 1.0))))
                fn()
                self._armed = False
                return
            except KeyboardInterrupt:
                self.count += 1
            finally:
                self._armed = False


def main() -> None:
    mode, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    how: dict[str, Any] = {"durable": True} if mode == "durable" else {"consistency": mode}
    faulthandler.dump_traceback_later(seconds + END_SECONDS, exit=True)
    interruptions, served = Interruptions(seed), 0
    with tempfile.TemporaryDirectory() as path:
        with replication.open(path, schema=State, max_agents_in_memory=40) as node:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                agent_id, op_id = f"agent-{served // 3 % 100}", f"op-{served}"
                interruptions.call(lambda: node.update_state(agent_id, bump, op_id=op_id, **how))  # noqa: B023
                served += 1
            signal.setitimer(signal.ITIMER_REAL, 0)  # else it may come when the interpreter has no handlers any more
            total = sum(value(node, agent_id) for agent_id in node.agents())
            assert total == served, f"{served} operations were applied {total} times"
        with replication.open(path, schema=State) as node:
            total = sum(value(node, agent_id) for agent_id in node.agents())
            assert total == served, f"of {served} operations {total} are in the store"
    print(f"{mode}: {served} operations, {interruptions.count} interruptions")


if __name__ == "__main__":
    main()
