"""Proposals in pieces: whatever is lost, doubled or overtaken, the log brings each whole, once, or not."""

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import msgpack
import pytest

import replication
from replication.message_fields import MessageError
from replication.strong.entries import Forget, Piece, Proposal, Result, decode, encode
from replication.strong.machine import Machine
from replication.strong.pieces import Pieces, cut
from tests.cluster.nodes import Nodes
from tests.replication.agents import AgentState, bump, count

PROPOSAL = Proposal("n0", 1, 7, "agent", 3, bytes(range(256)) * 20, b"top", (Result("op", b"answer"),))
PIECES = cut(*PROPOSAL.id, encode(PROPOSAL), 512)


def test_each_piece_fits_into_an_entry_and_comes_back_from_it() -> None:
    longest = [each._replace(proposer="x" * 44, boot=2**40, number=2**40) for each in PIECES]
    assert len(PIECES) > 10
    assert all(len(encode(each)) <= 512 for each in longest)
    assert [decode(encode(each)) for each in PIECES] == PIECES


def test_the_last_brings_the_proposal() -> None:
    pieces = Pieces()
    assert [pieces.take(each) for each in PIECES] == [None] * (len(PIECES) - 1) + [PROPOSAL]


def test_what_is_put_again_brings_it_once() -> None:
    pieces = Pieces()
    twice = [piece for each in pairwise(PIECES) for piece in each] + PIECES
    assert [whole for each in twice if (whole := pieces.take(each))] == [PROPOSAL]


def test_after_a_lost_piece_it_goes_on_where_that_is_put_again() -> None:
    pieces = Pieces()
    for each in [*PIECES[:3], *PIECES[4:]]:
        assert pieces.take(each) is None
    assert pieces.next_of(PROPOSAL.id) == 3
    assert [pieces.take(each) for each in PIECES[3:]][-1] == PROPOSAL


def test_pieces_of_many_may_be_mixed_and_are_kept_in_snapshots() -> None:
    random = Random(1)
    wanted = [PROPOSAL._replace(proposer=f"n{k}", number=k) for k in range(10)]
    waiting = [cut(*each.id, encode(each), 512) for each in wanted]
    machine, got = Machine(), []
    while any(waiting):
        piece = random.choice([each for each in waiting if each]).pop(0)
        got.append(machine.pieces.take(piece))
        machine = Machine.from_bytes(machine.to_bytes())
    assert sorted(each for each in got if each) == wanted


def test_of_so_many_the_first_is_forgotten() -> None:
    pieces = Pieces()
    for number in range(100):
        pieces.take(PIECES[0]._replace(number=number))
    assert len(pieces.begun()) == 16
    assert (pieces.next_of(("n0", 1, 0)), pieces.next_of(("n0", 1, 99))) == (0, 1)


@pytest.mark.parametrize("data", [b"", b"\x01garbage", encode(Forget(1)), encode(PROPOSAL)])
def test_what_is_no_proposal_of_that_number_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        Pieces().take(Piece("n0", 1, 8, 0, 1, data))


def test_machines_with_other_begun_pieces_are_refused() -> None:
    held, served, number, writer, _ = msgpack.unpackb(Machine().to_bytes())
    for begun in (7, [7], [["n0", 1, 1]], [["n0", 1, 1, "text"]], [["n0", -1, 1, []]], [["n0", 1, 1, [7]]]):
        with pytest.raises(MessageError):
            Machine.from_bytes(msgpack.packb((held, served, number, writer, begun)))


def remember(key: str, size: int) -> Callable[[Any], None]:
    def update(state: Any) -> None:
        state.config[key] = "x" * size

    return update


def test_an_agent_that_was_large_before_is_changed_strongly(nodes: Nodes) -> None:
    """The first strong update takes along all that there is: it was refused, with what was made in weaker modes."""
    nodes.start()
    nodes.meet()
    for place, node in enumerate(nodes):
        for number in range(6):
            node.update_state("a", remember(f"{place} {number}", 200_000), "reactive")
    for expected, node in enumerate(nodes, 1):
        result = node.update_state("a", lambda s: (bump(s), s.counters.value)[1], "replicated", timeout=30.0)
        assert result.value == expected
    nodes.agree("a")
    assert count(nodes[0], "a") == 3


def test_alone_too() -> None:
    with replication.open(schema=AgentState, entry_bytes_max=512) as node:
        for number in range(5):
            node.update_state("a", remember(str(number), 5_000), "reactive")
            node.update_state("a", bump, "replicated")
        assert count(node, "a") == 5
