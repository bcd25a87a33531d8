"""The task board: many agents in all three processes take tasks off it, and no task may be taken twice.

To look which task is next and to take it has to be one step for everybody, so these updates are `replicated`. Each has
an `op_id`: who was not told what came of a call asks again by the same, and gets one task, not two.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import replication

BOARD = "board"
# Agents of each process that take tasks.
WORKERS = 4
# Seconds: between two tasks of an agent, and that a call waits for its answer.
PAUSE, PATIENCE = 0.02, 1.0


class Claims:
    """What agents were answered: a line when a task is asked for, and one when it is theirs, with the time."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def asked(self, op_id: str) -> None:
        os.write(self._file, f"{op_id}\n".encode())

    def answered(self, op_id: str, task: int) -> None:
        os.write(self._file, f"{op_id} {task} {time.monotonic()}\n".encode())


def work(node: replication.Node, claims: Claims, worker: str, stops_within: Callable[[float], bool]) -> None:
    """Take one task after the other until told to stop."""
    number = 0
    while not stops_within(PAUSE):
        number += 1
        op_id = f"{worker}.{number}"
        claims.asked(op_id)
        claims.answered(op_id, _claim(node, op_id))


def _claim(node: replication.Node, op_id: str) -> int:
    while True:
        try:
            task: int = node.update_state(
                BOARD, partial(take, op_id), "replicated", op_id=op_id, timeout=PATIENCE
            ).value
        except (replication.Unavailable, replication.OutcomeUnknown):
            continue  # nobody leads for the moment, or who did is gone: ask again
        return task


def take(op_id: str, state: Any) -> int:
    """The `update_fn`: the next task is the asker's. Tasks are taken in their order, so it is known by its number."""
    task = len(state.claims) + 1
    state.claims[str(task)] = op_id
    return task


def holders(state: Any) -> dict[str, str]:
    """By whose call each task was taken."""
    return dict(state.claims.items())
