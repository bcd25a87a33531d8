"""Entries as bytes: what is read is what was written, and nothing else is an entry."""

from random import Random

import msgpack
import pytest

from replication.message_fields import MessageError
from replication.strong.entries import Forget, Proposal, Refounded, Result, Said, decode, encode

SAID: list[Said] = [
    Proposal("n0", 1, 1, "agent", 0, b"delta", b"top", ()),
    Proposal("ä", 2**40, 0, "", 2**50, b"", b"", (Result("op", b""), Result("ö", b"x" * 300))),
    Forget(0),
    Forget(2**60),
    Refounded("4f2a.1c9e"),
]


@pytest.mark.parametrize("said", SAID)
def test_what_is_read_is_what_was_written(said: Said) -> None:
    assert decode(encode(said)) == said
    assert type(decode(encode(said))) is type(said)


def test_a_proposal_has_a_name_of_its_own() -> None:
    first = SAID[0]
    assert isinstance(first, Proposal)
    others = [first._replace(proposer="n1"), first._replace(boot=2), first._replace(number=2)]
    assert len({first.id, *(each.id for each in others)}) == 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x03\x91\x01",
        b"\x01",
        b"\x01\xc1",
        b"\x02" + msgpack.packb(["1"]),
        b"\x02" + msgpack.packb([-1]),
        b"\x02" + msgpack.packb([]),
        b"\x02" + msgpack.packb({"number": 1}),
        b"\x01" + msgpack.packb(["n0", 1, 1, "agent", 0, b"", b"", [["op"]]]),
        b"\x01" + msgpack.packb(["n0", 1, 1, "agent", 0, "str", b"", []]),
        b"\x01" + msgpack.packb(["n0", True, 1, "agent", 0, b"", b"", []]),
        b"\x01" + msgpack.packb(["n" * 2000, 1, 1, "agent", 0, b"", b"", []]),
    ],
)
def test_what_is_no_entry_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        decode(data)


def test_damaged_bytes_are_an_entry_or_refused() -> None:
    random = Random(5)
    for _ in range(3000):
        data = bytearray(encode(random.choice(SAID)))
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.randrange(256)
        try:
            said = decode(bytes(data[: random.randint(1, len(data))]))
        except MessageError:
            continue
        assert decode(encode(said)) == said
