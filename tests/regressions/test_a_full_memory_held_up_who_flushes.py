"""Who waited for a flush to make room kept all others from loading agents: also who flushes, and so both waited."""

import threading

from replication.config import Config
from replication.event_loop import EventLoopRuntime
from replication.identity import succeed
from replication.node import Node
from replication.storage.memory import MemoryStorage
from tests.replication.agents import AgentState, bump, count


class Disk(MemoryStorage):
    """A disk whose first write lasts until another thread waits for room, and during which an agent is needed."""

    path = "a slow disk"

    def __init__(self, waiting: threading.Event) -> None:
        super().__init__(succeed(None, "n", "", "aaaaaa"))
        self.waiting = waiting
        self.node: Node
        self.has_waited = False

    def write(self, batch):
        if batch.parts and not self.has_waited:
            self.has_waited = True
            assert self.waiting.wait(30)
            slot = self.node._store.acquire("needed", 0.0, flushing=True)  # as to deliver what a peer told
            slot.release()
        super().write(batch)


def test_a_full_memory_does_not_hold_up_who_flushes() -> None:
    waiting = threading.Event()
    disk = Disk(waiting)
    with Node(disk, AgentState, Config(max_agents_in_memory=1, memory_wait=5.0), "default", EventLoopRuntime()) as node:
        disk.node = node
        wait = node._store.wait_for_room

        def wait_and_tell(until: float | None) -> float:
            waiting.set()
            return wait(until)

        node._store.wait_for_room = wait_and_tell
        node.update_state("one", bump)
        node.update_state("two", bump)
        assert [count(node, "one"), count(node, "two")] == [1, 1]
