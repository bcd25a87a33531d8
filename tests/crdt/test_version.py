"""Version vectors, beside what the types' own tests say of them."""

import pytest

from crdt import LWWMap, VersionVector


def test_a_vector_with_another_count_of_one_writer() -> None:
    held = VersionVector({"a": 1, "b": 2})
    assert held._with("a", 7) == VersionVector({"a": 7, "b": 2})
    assert held._with("c", 3) == VersionVector({"a": 1, "b": 2, "c": 3})
    assert held._with("b", 0) == VersionVector({"a": 1})
    assert held == VersionVector({"a": 1, "b": 2})


def test_the_name_of_a_writer_is_measured_in_bytes() -> None:
    VersionVector({"é" * 32: 1})
    for name in ("é" * 33, ""):
        with pytest.raises(ValueError, match="1 to 64 bytes"):
            VersionVector({name: 1})


@pytest.mark.parametrize("since", [5, b"junk", "abc", [("a", 1)], object()])
def test_what_is_no_version_is_refused_by_its_type(since: object) -> None:
    held = LWWMap("a")
    held["x"] = 1
    with pytest.raises(TypeError, match=f"VersionVector, or None for everything, not {type(since).__name__}"):
        held.delta(since)  # type: ignore[arg-type]
    assert held.delta({"a": 1}) == b""
