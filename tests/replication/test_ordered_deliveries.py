"""What a log brings is merged in its order, whatever has to wait for it."""

from pathlib import Path
from typing import Any

import pytest

import replication
from crdt import Composite, PNCounter
from replication.core import Delivery
from replication.messages import Item


class Count(Composite):
    n: PNCounter


def one_more(agent_id: str) -> Item:
    state = Count("replicated.g")
    state.n.increment()
    return Item(agent_id, state.delta(), b"")


@pytest.fixture
def node(tmp_path: Path) -> Any:
    with replication.open(tmp_path, schema=Count) as node:
        for agent_id in "abc":
            node.update_state(agent_id, lambda state: state.n.increment(), durable=True)
        yield node


@pytest.mark.parametrize("is_ordered", [False, True])
def test_nothing_overtakes_an_agent_that_is_busy(node: Any, is_ordered: bool) -> None:
    delivery = Delivery("g", tuple(map(one_more, "abc")), is_ordered=is_ordered)
    outcomes: list[str | None] = [None] * 3
    unwritten: set[Any] = set()
    busy = node._store.slots["b"]
    assert busy.acquire(1.0)
    try:
        assert not node._deliveries.deliver(delivery, outcomes, unwritten)
    finally:
        busy.release()
    assert outcomes == ["landed", None, None if is_ordered else "landed"]
    assert node._deliveries.deliver(delivery, outcomes, unwritten)
    assert outcomes == ["landed"] * 3
    assert {slot.agent_id for slot in unwritten} == {"a", "b", "c"}
    assert [node.read_state(each, lambda state: state.n.value) for each in "abc"] == [2, 2, 2]


def test_an_agent_that_is_not_in_memory_is_fetched_in_its_turn(node: Any) -> None:
    delivery = Delivery("g", tuple(map(one_more, "axb")), is_ordered=True)
    outcomes: list[str | None] = [None] * 3
    assert node._deliveries.deliver(delivery, outcomes, set())
    assert outcomes == ["landed"] * 3
    assert [node.read_state(each, lambda state: state.n.value) for each in "axb"] == [2, 1, 2]


def test_what_is_no_delta_is_refused_and_holds_nothing_up(node: Any) -> None:
    delivery = Delivery("g", (Item("a", b"no delta", b""), one_more("b")), is_ordered=True)
    outcomes: list[str | None] = [None] * 2
    assert node._deliveries.deliver(delivery, outcomes, set())
    assert outcomes == ["refused", "landed"]
