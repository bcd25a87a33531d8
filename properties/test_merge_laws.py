"""Laws × registry: a type gets all of them by being registered."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

from crdt.registry import REGISTRY

from .laws import LAWS, merged
from .registry import NESTED, SIMPLE, SUBJECTS
from .subjects import Subject
from .world import EPOCH_MS, World, assert_equal_states

by_name = pytest.mark.parametrize("subject", SUBJECTS, ids=repr)


def test_every_registered_type_has_a_subject() -> None:
    known = {s.type for s in SIMPLE.values()} | {NESTED[0].type}
    assert set(REGISTRY) == known


@by_name
@given(data=st.data())
def test_laws(subject: Subject, data: st.DataObject) -> None:
    """One history is put to all laws, since making it is what takes the time."""
    world = World(subject, 3).run(data.draw(subject.histories(late=False), "history"))
    states = [replica.state for replica in world.replicas[:3]]
    for law in LAWS:
        note(law.__name__)
        law(subject, *states)


@by_name
@given(data=st.data())
def test_every_order_of_delivery_gives_the_same_bytes(subject: Subject, data: st.DataObject) -> None:
    world = World(subject, 2).run(data.draw(subject.histories(), "history"))
    for index in range(len(world.replicas)):
        world.do_post(index)
    posts = [packet.data for packet in world.posts]
    assume(posts)
    whole = merged(*[replica.state for replica in world.replicas])
    for order in orders(data, posts):
        receiver = subject.make("receiver", lambda: EPOCH_MS)
        for post in order:
            receiver.merge(post)
            receiver.check_invariants()
        assert receiver.pending == 0
        assert_equal_states(receiver, whole)


def orders(data: st.DataObject, posts: list[bytes]) -> list[list[bytes]]:
    """All orders of a few posts, three of many; each post comes twice."""
    if len(posts) <= 3:
        return [[*order, *order] for order in itertools.permutations(posts)]
    twice: Any = st.permutations(posts * 2)
    return [data.draw(twice, "order of delivery") for _ in range(3)]
