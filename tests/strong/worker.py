"""A voter in a process of its own, which does what it is told line by line, until it is killed.

It writes `open ADDRESS`, and one line for each order: how many increments there were, or an error's name.

    add ID        one more, in the mode replicated, under that op_id
    read          how many there are: a read in that mode
    leader        who leads, as far as this node knows
"""

import json
import sys
from typing import Any

import replication
from tests.replication.agents import AgentState, bump


def add(state: AgentState) -> int:
    bump(state)
    value: int = state.counters.value
    return value


def do(node: replication.Node, order: str, *rest: str) -> Any:
    if order == "add":
        return node.update_state("a", add, "replicated", timeout=10, op_id=rest[0]).value
    if order == "read":
        return node.read_state("a", lambda s: s.counters.value, consistency="replicated", timeout=10)
    return node.status()["replicated"]["leader"]


def main() -> None:
    options = json.loads(sys.argv[1])
    with replication.open(schema=AgentState, **options) as node:
        print("open", node.address, flush=True)
        for line in sys.stdin:
            try:
                print(do(node, *line.split()), flush=True)
            except replication.ReplicationError as error:
                print(type(error).__name__, flush=True)


if __name__ == "__main__":
    main()
