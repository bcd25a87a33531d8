"""Three nodes of one cluster over TCP: a change is on every disk before the call returns, and one may be gone."""

import tempfile
from pathlib import Path

import replication
from crdt import Composite, GCounter, OpBasedList


class Team(Composite):
    done: GCounter
    log: OpBasedList


def finish(state: Team, task: str) -> None:
    state.done.increment()
    state.log.append(task)


def main(directory: Path) -> None:
    def start(name: str, *peers: str | None) -> replication.Node:
        known = [peer for peer in peers if peer]
        return replication.open(directory / name, schema=Team, name=name, listen="127.0.0.1:0", peers=known)

    ann = start("ann")
    bob = start("bob", ann.address)
    cal = start("cal", ann.address, bob.address)

    result = cal.update_state("team", lambda s: finish(s, "sweep"), consistency="crdt_enhanced", acks="all", timeout=30)
    print(result.outcome, result.acks)  # acknowledged 2
    print([node.read_state("team").log.value for node in (ann, bob, cal)])  # [['sweep'], ['sweep'], ['sweep']]

    bob.close()
    result = ann.update_state("team", lambda s: finish(s, "paint"), consistency="crdt_enhanced", acks=1, timeout=30)
    print(result.acks, cal.read_state("team").done.value)  # 1 2

    # Back on its disk, bob takes part again. Whoever acknowledges a change holds all that it builds on, so what
    # bob had missed is there as well.
    bob = start("bob", ann.address, cal.address)
    bob.update_state("team", lambda s: finish(s, "rest"), consistency="crdt_enhanced", acks="all", timeout=30)
    ann.update_state("team", lambda s: finish(s, "sing"), consistency="crdt_enhanced", acks="all", timeout=30)
    print(bob.read_state("team").done.value)  # 4
    print(ann.read_state("team") == bob.read_state("team") == cal.read_state("team"))  # True
    for node in (ann, bob, cal):
        node.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
