"""Agents in several threads share one node; what they did is there after it is opened again."""

import tempfile
import threading
from functools import partial

import replication
from crdt import Composite, GCounter, LWWMap, OpBasedList, ORSet


class AgentState(Composite):
    steps: GCounter
    open_tasks: ORSet
    results: LWWMap
    log: OpBasedList


def take_step(state: AgentState, worker: int, step: int) -> None:
    task = f"task {worker}.{step}"
    state.steps.increment()
    state.open_tasks.add(task)
    state.log.append(f"{task} begun")
    if step % 2:
        state.open_tasks.discard(task)
        state.results[task] = {"ok": True, "by": worker}


def work(node: replication.Node, worker: int) -> None:
    for step in range(100):
        node.update_state("team", partial(take_step, worker=worker, step=step))


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        with replication.open(directory, schema=AgentState) as node:
            threads = [threading.Thread(target=work, args=(node, worker)) for worker in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        with replication.open(directory, schema=AgentState) as node:
            team = node.read_state("team")
            print(team.steps.value, len(team.open_tasks), len(team.results), len(team.log))  # 400 200 200 400


if __name__ == "__main__":
    main()
