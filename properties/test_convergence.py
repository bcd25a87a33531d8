"""A state machine of replicas that edit, talk and fork at will: whoever has heard the same is the same.

The histories of `test_models.py` are drawn whole; here Hypothesis sees the state between steps and
can steer by it. The checks are those of `World`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from .registry import EACH_FORMAT
from .strategies import replica_indexes
from .subjects import Subject
from .world import Replica, World


def machine(subject: Subject) -> type[RuleBasedStateMachine]:
    class Replicas(RuleBasedStateMachine):
        world: World

        @initialize(count=st.integers(2, 3))
        def start(self, count: int) -> None:
            self.world = World(subject, count)

        def check(self, replica: Replica | None) -> None:
            if replica is not None:
                self.world.check(replica)

        @rule(index=replica_indexes, command=subject.commands)
        def edit(self, index: int, command: Any) -> None:
            self.check(self.world.do_edit(index, command))

        @rule(sender=replica_indexes, receiver=replica_indexes, how=st.sampled_from(["delta", "bytes", "object"]))
        def sync(self, sender: int, receiver: int, how: str) -> None:
            self.check(self.world.do_sync(sender, receiver, how))

        @rule(index=replica_indexes)
        def post(self, index: int) -> None:
            self.world.do_post(index)

        @precondition(lambda self: self.world.posts)
        @rule(post=st.integers(0, 30), index=replica_indexes)
        def deliver(self, post: int, index: int) -> None:
            self.check(self.world.do_deliver(post, index))

        @rule(index=replica_indexes, ms=st.sampled_from([1, 1000, -1000]))
        def tick(self, index: int, ms: int) -> None:
            self.world.do_tick(index, ms)

        @precondition(lambda self: len(self.world.replicas) < 4)
        @rule(index=replica_indexes)
        def fork(self, index: int) -> None:
            self.check(self.world.do_fork(index))

        @rule(index=replica_indexes)
        def reload(self, index: int) -> None:
            self.check(self.world.do_reload(index))

        def teardown(self) -> None:
            if hasattr(self, "world"):
                self.world.settle()

    return Replicas


@pytest.mark.parametrize("subject", EACH_FORMAT, ids=repr)
def test_replicas_converge(subject: Subject) -> None:
    run_state_machine_as_test(machine(subject), settings=settings())
