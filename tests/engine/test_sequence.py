"""The sequence engine against its model: order, deletes, deltas, digests, undo."""

from __future__ import annotations

import random

import pytest

from tests.engine.sequence_harness import Replica
from tests.engine.sequence_model import Model

NAMES = [b"alice", b"bob", b"carol", b"dave"]


def shown(unit: int, is_text: bool) -> int:
    """What the driver reads back for a unit of a list: strings by their digit."""
    return unit if is_text or unit % 3 else 1000 + unit % 10


class Peer:
    """An engine replica beside its model."""

    def __init__(self, lib, name: bytes, is_text: bool) -> None:
        self.engine = Replica(lib, name, is_text)
        self.model = Model()
        self.name = name
        self.caret = 0  # behind the last insert

    def insert(self, position: int, units: list[int]) -> None:
        first = self.engine.seen(self.name) + 1
        assert self.engine.insert(position, units) == 0
        for i, unit in enumerate(units):
            self.model.insert(position + i, (self.name, first + i), unit)
        self.caret = position + len(units)

    def delete(self, position: int, n: int) -> None:
        assert self.engine.delete(position, n) == 0
        self.model.delete(position, n)

    def merge(self, other: Peer, *, full: bool = False) -> None:
        data = other.engine.encode(None if full else self.engine, canonical=full)
        self.engine.merge(data)
        assert not self.engine.merge(data), "a second time changes nothing"
        self.model.merge(other.model)

    def check(self) -> None:
        is_text = self.engine.is_text
        assert self.engine.read() == [shown(u, is_text) for u in self.model.units()]
        assert self.engine.broken() is None


def edit(peer: Peer, rng: random.Random) -> None:
    n = len(peer.engine)
    units = [rng.choice([97, 98, 99, 233, 0x4E2D, 0x1F600])] * rng.randint(1, 4)
    spot = rng.choice([0, n, n // 2, rng.randint(0, n)])
    kind = rng.random()
    if kind < 0.3:
        peer.insert(spot, units)
    elif kind < 0.45:  # typing goes on
        peer.insert(min(peer.caret, n), units)
    elif kind < 0.6:  # backwards
        for unit in units:
            peer.insert(spot, [unit])
    elif n and kind < 0.75:
        at = rng.randrange(n)
        peer.delete(at, rng.randint(1, min(n - at, 5)))
    elif n and kind < 0.85:  # backspace
        for at in range(spot, max(0, spot - 3), -1):
            peer.delete(at - 1, 1)
    elif n and kind < 0.95:  # forward delete
        for _ in range(min(3, n - spot)):
            peer.delete(spot, 1)
    else:
        peer.engine.lib.doc_skip(peer.engine.doc, 3)


def converge(peers: list[Peer]) -> None:
    for peer in [*peers, *peers]:
        for other in peers:
            if other is not peer:
                peer.merge(other)
    for peer in peers:
        peer.check()
    assert len({peer.engine.digest() for peer in peers}) == 1
    assert len({peer.engine.encode(canonical=True) for peer in peers}) == 1


@pytest.mark.parametrize("is_text", [True, False])
@pytest.mark.parametrize("seed", range(15))
def test_histories_agree_with_the_model(lib, seed: int, is_text: bool) -> None:
    rng = random.Random(seed)
    peers = [Peer(lib, name, is_text) for name in rng.sample(NAMES, rng.randint(2, 4))]
    for _ in range(rng.randint(5, 40)):
        peer = rng.choice(peers)
        for _ in range(rng.randint(1, 4)):
            edit(peer, rng)
        if rng.random() < 0.5:
            peer.merge(rng.choice(peers), full=rng.random() < 0.2)
        peer.check()
        peer.engine.lib.doc_settle(peer.engine.doc)
    converge(peers)


@pytest.mark.parametrize("seed", range(20))
def test_a_loaded_state_equals_and_relays(lib, seed: int) -> None:
    """Loading canonical bytes gives the same digest and bytes, and the loader can pass deltas on."""
    rng = random.Random(1000 + seed)
    peers = [Peer(lib, name, True) for name in NAMES[:3]]
    late = Peer(lib, b"erin", True)
    for _ in range(6):
        for peer in peers:
            for _ in range(4):
                edit(peer, rng)
            peer.merge(rng.choice(peers))
        loaded = Replica(lib, b"loader")
        data = peers[0].engine.encode(canonical=True)
        loaded.merge(data)
        assert loaded.digest() == peers[0].engine.digest()
        assert loaded.encode(canonical=True) == data
        assert loaded.broken() is None
        late.engine.merge(loaded.encode(late.engine))
        late.model.merge(peers[0].model)
        late.check()
    converge([*peers, late])


def units_of(text: str) -> list[int]:
    return [ord(c) for c in text]


def text_of(peer: Peer) -> str:
    return "".join(map(chr, peer.engine.read()))


@pytest.mark.parametrize("backward", [False, True])
def test_concurrent_runs_stay_whole(lib, backward: bool) -> None:
    peers = [Peer(lib, name, True) for name in NAMES[:3]]
    peers[0].insert(0, units_of("[]"))
    for peer in peers[1:]:
        peer.merge(peers[0])
    words = ["one", "two", "three"]
    for peer, word in zip(peers, words, strict=True):
        for i, c in enumerate(reversed(word) if backward else word):
            peer.insert(1 if backward else 1 + i, [ord(c)])
    converge(peers)
    assert text_of(peers[0]) == "[onetwothree]"


@pytest.mark.parametrize("seed", range(10))
def test_keystrokes_reach_a_busy_peer(lib, seed: int) -> None:
    """One delta a keystroke, to a peer that edits in between."""
    rng = random.Random(seed)
    typist, busy = Peer(lib, b"alice", True), Peer(lib, b"bob", True)
    typist.insert(0, units_of("()"))
    busy.merge(typist)
    typist.caret = 1
    for _ in range(60):
        typist.insert(min(typist.caret, len(typist.engine)), [rng.choice([97, 98, 0xE9, 0x1F600])])
        busy.merge(typist)
        if rng.random() < 0.3:
            edit(busy, rng)
        if rng.random() < 0.05:
            edit(typist, rng)
        busy.check()
    converge([typist, busy])


def test_positions_follow_elements(lib) -> None:
    peer = Peer(lib, b"alice", True)
    peer.insert(0, units_of("hello world"))
    name, sequence = peer.engine.dot_at(6)
    peer.insert(0, units_of(">> "))
    assert peer.engine.position_of(name, sequence) == (9, True)
    peer.delete(8, 3)
    assert peer.engine.position_of(name, sequence) == (8, False)
    assert peer.engine.position_of(name, 99) is None
    assert peer.engine.position_of(b"nobody", 1) is None


@pytest.mark.parametrize("is_text", [True, False])
@pytest.mark.parametrize("seed", range(15))
def test_undo_takes_back_exactly(lib, seed: int, is_text: bool) -> None:
    rng = random.Random(seed)
    peer = Peer(lib, b"alice", is_text)
    for _ in range(10):
        edit(peer, rng)
    engine = peer.engine
    engine.lib.doc_settle(engine.doc)
    before = engine.read(), engine.digest(), engine.encode(canonical=True), engine.encode()
    done, caret = [], 0
    for _ in range(rng.randint(1, 30)):
        n = len(engine)
        if n and rng.random() < 0.5:
            at = rng.randrange(n)
            engine.delete(at, rng.randint(1, min(8, n - at)))
            done.append(0)
        else:
            units = [rng.choice([98, 99, 0x1F600]) for _ in range(rng.randint(1, 50))]
            at = rng.choice([rng.randint(0, n), min(caret, n)])
            engine.insert(at, units)
            caret = at + len(units)
            done.append(len(units))
    for n in reversed(done):
        assert engine.lib.doc_undo(engine.doc, n) == 0
        assert engine.broken() is None
    after = engine.read(), engine.digest(), engine.encode(canonical=True), engine.encode()
    assert after == before


@pytest.mark.parametrize("is_text", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_deleting_each_is_deleting_one_after_another(lib, seed: int, is_text: bool) -> None:
    peers = [Peer(lib, b"alice", is_text) for _ in range(2)]
    for peer in peers:
        rng = random.Random(seed)
        for _ in range(12):
            edit(peer, rng)
    at_once, one_by_one = (peer.engine for peer in peers)
    reader, done = at_once.fork(b"bob"), []
    for _ in range(8):
        at, backward = rng.randint(0, len(at_once)), rng.random() < 0.5
        n = rng.randint(0, len(at_once) - at)
        assert at_once.delete_each(at, n, backward) == 0
        for i in range(n):
            assert one_by_one.delete(at + n - 1 - i if backward else at, 1) == 0
        done.append(n)
        assert at_once.broken() is None and at_once.digest() == one_by_one.digest()
        assert at_once.encode(reader) == one_by_one.encode(reader)
    for n in reversed(done):
        assert at_once.lib.doc_undo_deletions(at_once.doc, n) == 0
        for _ in range(n):
            assert one_by_one.lib.doc_undo(one_by_one.doc, 0) == 0
        assert at_once.broken() is None
        assert at_once.read() == one_by_one.read()
    assert at_once.digest() == reader.digest()
    assert at_once.encode() == one_by_one.encode()


def test_a_fork_is_independent(lib) -> None:
    peer = Peer(lib, b"alice", False)
    peer.insert(0, list(range(1000)))
    peer.delete(10, 500)
    fork = peer.engine.fork(b"bob")
    assert fork.digest() == peer.engine.digest()
    assert fork.encode(canonical=True) == peer.engine.encode(canonical=True)
    fork.insert(0, [1])
    assert fork.read()[1:] == peer.engine.read()
    assert fork.broken() is None


def test_out_of_range(lib) -> None:
    engine = Replica(lib, b"alice")
    assert engine.insert(1, [97]) < 0
    assert engine.insert(0, [97]) == 0
    assert engine.delete(0, 2) < 0
    assert engine.delete(2, 0) < 0
    assert engine.read() == [97]


def test_large_pastes_divide_leaves(lib) -> None:
    for is_text in True, False:
        engine = Replica(lib, b"alice", is_text)
        units = [i % 50 + 65 for i in range(10_000)]
        engine.insert(0, units)
        engine.insert(5_000, units)
        expected = units[:5_000] + units + units[5_000:]
        assert engine.read() == [shown(u, is_text) for u in expected]
        assert engine.broken() is None
        engine.delete(100, 19_000)
        del expected[100:19_100]
        assert engine.read() == [shown(u, is_text) for u in expected]
        assert engine.broken() is None


def test_a_keystroke_is_small(lib) -> None:
    a, b = Replica(lib, b"alice"), Replica(lib, b"bob")
    a.insert(0, units_of("hello world"))
    b.merge(a.encode(b))
    header = 1 + 6 + 1 + 1
    for c in "typing":
        a.insert(5, [ord(c)])
        data = a.encode(b)
        assert len(data) - header <= 8
        b.merge(data)
    a.delete(3, 1)
    assert len(a.encode(b)) - header <= 8


@pytest.mark.parametrize("is_text", [True, False])
def test_a_log_past_its_bound_sends_the_whole_set(lib, is_text: bool) -> None:
    """Deletes that the log has dropped still reach a peer that saw only what was before them."""
    author, early, late = (Peer(lib, name, is_text) for name in NAMES[:3])
    author.insert(0, [97 + i % 26 for i in range(900)])
    early.merge(author)
    late.merge(author)
    for i in range(400):  # every other element, so that no two entries of the log are one
        author.delete(i, 1)
        if i == 390:
            early.merge(author)
        author.engine.lib.doc_settle(author.engine.doc)
    recent, whole = author.engine.encode(early.engine), author.engine.encode(late.engine)
    assert len(recent) < 100 < len(whole)
    early.merge(author)
    late.merge(author)
    early.check()
    late.check()
    third = Peer(lib, NAMES[3], is_text)
    third.merge(author, full=True)
    converge([author, early, late, third])


@pytest.mark.parametrize("is_text", [True, False])
def test_a_whole_set_is_relayed(lib, is_text: bool) -> None:
    """A receiver that was never told the events cannot tell them on, only their outcome."""
    author, middle, last = (Peer(lib, name, is_text) for name in NAMES[:3])
    author.insert(0, [97 + i % 26 for i in range(100)])
    last.merge(author)
    for i in range(30):
        author.delete(i, 1)
    middle.merge(author, full=True)
    last.merge(middle)
    last.check()
    author.insert(3, [98, 99])
    author.delete(50, 3)
    middle.merge(author)
    last.merge(middle)
    converge([author, middle, last])
