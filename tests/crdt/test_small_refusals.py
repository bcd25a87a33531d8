"""What is none of what a call takes is refused, also where it looks like nothing."""

import pytest

from crdt import Composite, GCounter, LWWMap, ORMap, VersionVector


@pytest.mark.parametrize("counts", [0, False, 0.0])
def test_a_version_is_made_of_a_mapping_or_of_nothing(counts: object) -> None:
    with pytest.raises(TypeError):
        VersionVector(counts)  # type: ignore[arg-type]


def test_composite_itself_is_no_type_of_a_field_or_child() -> None:
    with pytest.raises(TypeError, match="declare a subclass"):
        ORMap("a", of=Composite)
    with pytest.raises(TypeError, match="declare a subclass"):

        class _Holder(Composite):
            x: Composite


def test_bytes_of_a_subclass_are_bytes() -> None:
    class Mine(bytes):
        pass

    one, other = LWWMap("a"), LWWMap("b")
    one["k"] = 1
    assert other.merge(Mine(one.to_bytes())) and other.value == {"k": 1}


def counted(prefix: str, writers: int) -> GCounter:
    """Of so many writers, each of which has counted once."""
    state = GCounter("reader")
    for number in range(writers):
        one = GCounter(f"{prefix}{number}")
        one.increment()
        state.merge(one.to_bytes())
    return state


def test_a_merge_that_is_refused_takes_no_places_of_writers() -> None:
    full, more, few = counted("a", 65_000), counted("b", 1000), counted("c", 20)
    before = full.to_bytes()
    with pytest.raises(OverflowError, match="nothing was changed"):
        full.merge(more)
    assert full.to_bytes() == before
    assert full.merge(few) and full.value == 65_020
