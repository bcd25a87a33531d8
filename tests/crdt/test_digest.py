"""The digest is the sum over the state, whatever of it was put off when it was asked for."""

import random
import time

import pytest

import crdt
from crdt import Composite, GCounter, GSet, LWWMap, LWWRegister, MVRegister, ORMap, ORSet, PNCounter

# Many times what the digest may leave uncounted.
ROWS = 200_000


class Tally(Composite):
    seen: GSet
    words: LWWMap
    more: LWWMap
    name: LWWRegister
    votes: MVRegister
    count: PNCounter
    left: ORSet
    nested: ORMap = crdt.field(of=LWWMap)


def wanted(state) -> bytes:
    """The digest of a state that never put off anything of this one."""
    return type(state).from_bytes(state.to_bytes()).digest()


def clock():
    return 1_700_000_000_000


CHANGES = [
    lambda s, n: s.seen.add(n),
    lambda s, n: s.words.__setitem__(n, n),
    lambda s, n: s.words.__setitem__(n % 7, f"a longer value {n}"),
    lambda s, n: s.words.pop(n // 2, None),
    lambda s, n: s.words.update(dict.fromkeys(range(n), n)),
    lambda s, n: s.more.__setitem__(n, n),
    lambda s, n: s.name.set(n),
    lambda s, n: s.votes.set(n),
    lambda s, n: s.count.increment(n),
    lambda s, n: s.count.decrement(1),
    lambda s, n: s.left.add(n % 90),
    lambda s, n: s.left.discard(n % 80),
    lambda s, n: s.nested[n % 5].__setitem__(n, n),
    lambda s, n: n % 4 in s.nested and s.nested.__delitem__(n % 4),
]


@pytest.mark.parametrize("seed", range(20))
def test_changes_of_many_places(seed):
    r = random.Random(seed)
    state = Tally("a", clock=clock)
    for _ in range(300):
        r.choice(CHANGES)(state, r.randrange(150))
        if r.random() < 0.05:
            assert state.digest() == wanted(state)
        if r.random() < 0.02:
            assert state.fork("b").digest() == wanted(state)
    assert state.digest() == wanted(state)


@pytest.mark.parametrize("seed", range(10))
def test_an_update_that_raises_leaves_the_digest_as_it_was(seed):
    r = random.Random(seed)
    state = Tally("a", clock=clock)

    def fail(state):
        for _ in range(20):
            r.choice(CHANGES)(state, r.randrange(150))
        raise ZeroDivisionError

    for _ in range(20):
        r.choice(CHANGES)(state, r.randrange(150))
        copy = Tally.from_bytes(state.to_bytes())
        with pytest.raises(ZeroDivisionError):
            state._transact(fail)
        assert state.digest() == copy.digest()


@pytest.mark.parametrize("n", [1, 63, 64, 65, 200, 5_000])
def test_a_row_that_is_written_again_counts_once(n):
    state = LWWMap("a", clock=clock)
    for value in range(3):
        for key in range(n):
            state[key] = value
    assert state.digest() == wanted(state)
    state[n - 1] = "more"
    assert state.digest() == wanted(state) != LWWMap("a").digest()


def test_merging_between_changes():
    a, b = LWWMap("a", clock=clock), LWWMap("b", clock=clock)
    for n in range(500):
        a[n % 200] = n
        b[n % 300] = -n
        if n % 7 == 0:
            a.merge(b.to_bytes())
    a.merge(b)
    b.merge(a)
    assert a.digest() == b.digest() == wanted(a)


def test_a_counter_asked_between_increments():
    counter = GCounter("a")
    for step in range(1, 5):
        counter.increment(step)
        assert counter.digest() == wanted(counter)


def test_removing_what_was_just_added():
    elements = ORSet("a")
    elements.update(range(10))
    for n in range(0, 10, 2):
        elements.discard(n)
    assert elements.digest() == wanted(elements)


@pytest.mark.no_sanitizer
@pytest.mark.parametrize(
    "make", [lambda data: LWWMap.from_bytes(data), lambda data: filled(ROWS)], ids=["load", "fill"]
)
def test_asking_costs_as_much_however_much_was_changed_since(make):
    data = filled(ROWS).to_bytes()
    times = []
    for _ in range(5):
        state = make(data)
        start = time.perf_counter()
        first = state.digest()
        times.append(time.perf_counter() - start)
        assert state.digest() == first
    start = time.perf_counter()
    filled(ROWS)
    assert min(times) < (time.perf_counter() - start) / 100  # to hash all rows takes a tenth of that and more


def filled(n):
    state = LWWMap("a", clock=clock)
    for key in range(n):
        state[key] = key
    return state
