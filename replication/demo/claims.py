"""Who was told to have which task, against what the boards say.

Pure but for reading what the agents wrote down. An answer promises the task to the call that it answers, and to no
other. A call without an answer (its process was killed) may have a task or none.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple


class Answer(NamedTuple):
    """`task` and when it was answered, on the clock of all processes; None for a call that never was."""

    task: str | None
    at: float


def read(directory: Path) -> dict[str, Answer]:
    """The calls by their op_ids. A line cut short by a kill was not said."""
    answers: dict[str, Answer] = {}
    for path in sorted(directory.glob("*.claims")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                op_id, *answer = line.split()
                answers[op_id] = Answer(answer[0], float(answer[1])) if answer else Answer(None, 0.0)
    return answers


def longest_gap(answers: Mapping[str, Answer], start: float, end: float) -> float:
    """Seconds between two moments in which nobody was given a task, at the longest."""
    moments = sorted(answer.at for answer in answers.values() if start < answer.at < end)
    return max(later - earlier for earlier, later in pairwise([start, *moments, end]))


class Shared(NamedTuple):
    text: str
    problems: list[str]


def judge(answers: Mapping[str, Answer], boards: Mapping[str, Mapping[str, str]]) -> Shared:
    """Compare; `boards` says for each process which call took which task."""
    problems = [each for name, board in boards.items() for each in _of_one(name, answers, board)]
    answered = sum(answer.task is not None for answer in answers.values())
    taken = max(map(len, boards.values()), default=0)
    text = f"{taken:,}, of which {answered:,} were answered: no task to two agents, none lost"
    return Shared("see below" if problems else text, problems)


def _of_one(name: str, answers: Mapping[str, Answer], board: Mapping[str, str]) -> Iterable[str]:
    of_call = {op_id: answer.task for op_id, answer in answers.items() if answer.task is not None}
    wrong = sorted(op_id for op_id, task in of_call.items() if board.get(task) != op_id)
    if wrong:
        task = of_call[wrong[0]]
        yield f"{name}: {wrong[0]} was given task {task}, which {board.get(task, 'nobody')} has ({len(wrong):,} such)"
    twice = sorted(op_id for op_id, times in Counter(board.values()).items() if times > 1)
    if twice:
        yield f"{name}: one call of {twice[0]} took several tasks ({len(twice):,} such)"
    strange = sorted(set(board.values()) - set(answers))
    if strange:
        yield f"{name}: {strange[0]} has a task and never asked for one ({len(strange):,} such)"
