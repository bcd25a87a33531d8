"""A process that writes to a shared directory until it is killed, and tells through a pipe what it was promised.

One line in one write, so that a line is there whole or not at all:

    open              the directory is open
    acked <life>.<i>  that update returned from a call that promises to have it on disk
    wrong <what>      a promise was not kept
"""

import os
import random
import traceback
from typing import Any

import replication
from crdt import Composite, GCounter, GSet

AGENTS = 4


class State(Composite):
    n: GCounter
    seen: GSet


def agent_of(i: int) -> str:
    return f"agent-{i % AGENTS}"


def mark(node: replication.Node, agent: str, word: str, **how: Any) -> Any:
    """Count once and note the word, in one transaction."""

    def change(state: State) -> None:
        state.n.increment()
        state.seen.add(word)

    return node.update_state(agent, change, **how).replayed


def count(node: replication.Node, agent: str) -> int:
    """How often anybody has marked the agent."""
    value: int = node.read_state(agent, lambda state: state.n.value)
    return value


def live(path: str, life: int, seed: int, pipe: int, retry: str | None) -> None:
    """One life. `retry` is an operation that an earlier life was acknowledged: it must not be applied again."""
    rng = random.Random(seed)

    def tell(line: str) -> None:
        os.write(pipe, f"{line}\n".encode())

    try:
        node = replication.open(path, schema=State)
        tell("open")
        if retry is not None:
            update(node, retry, rng)
        i = 0
        while True:
            i += 1
            update(node, f"{life}.{i}", rng)
            tell(f"acked {life}.{i}")
    except BaseException:
        tell(f"wrong {traceback.format_exc()[-3000:]!r}")
    finally:
        os._exit(1)


def update(node: replication.Node, word: str, rng: random.Random) -> None:
    """One that is on disk when it returns."""
    how: dict[str, Any] = {"consistency": "crdt_enhanced"} if rng.random() < 0.5 else {"durable": True}
    mark(node, agent_of(int(word.partition(".")[2])), word, op_id=word, **how)
