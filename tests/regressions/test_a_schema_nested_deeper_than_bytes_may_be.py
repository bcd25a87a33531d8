"""A class nested deeper than a decoder goes was made and written to, and nobody could read its bytes."""

import pytest

from crdt import Composite, GCounter, ORMap, field


def nested(levels: int) -> type[Composite]:
    """A class with so many levels of states below its own."""
    inner: type = GCounter
    for level in range(1, levels + 1):
        inner = type(f"Level{level}", (Composite,), {"__annotations__": {"inner": inner}})
    return inner


def test_the_deepest_class_can_be_read_again() -> None:
    deepest = nested(16)
    state = innermost = deepest("a")
    for _ in range(16):
        innermost = innermost.inner
    innermost.increment()
    assert deepest.from_bytes(state.to_bytes()) == state


def test_the_deepest_map_can_be_read_again() -> None:
    of = nested(15)
    state = ORMap("a", of=of)
    innermost = state["k"]
    for _ in range(15):
        innermost = innermost.inner
    innermost.increment()
    assert ORMap.from_bytes(state.to_bytes(), of=of) == state


def test_a_deeper_one_is_refused_when_it_is_made() -> None:
    with pytest.raises(TypeError, match=r"Level17\.inner: .*16 levels"):
        nested(17)
    with pytest.raises(TypeError, match=r"ORMap\(of=Level16\): .*16 levels"):
        ORMap(of=nested(16))
    with pytest.raises(TypeError, match=r"Wide\.maps: .*16 levels"):
        type("Wide", (Composite,), {"__annotations__": {"maps": ORMap}, "maps": field(of=nested(15))})
