"""Whatever a caller gives: the error is the one that is promised, and names the value as far as it can be shown."""

from collections.abc import Callable
from typing import Any

import pytest

from crdt import Cursor, GCounter, GSet, LWWMap, OpBasedList, ORMap, PNCounter, Text, VersionVector

HUGE = 10**5000


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Meta(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError("no attributes")


class OfMeta(metaclass=Meta):
    pass


def deep() -> tuple[Any, ...]:
    value: tuple[Any, ...] = ()
    for _ in range(3000):
        value = (value,)
    return value


CASES: list[tuple[type[Exception], Callable[[Any], Any], tuple[Any, ...]]] = [
    (OverflowError, lambda x: GCounter("a").increment(x), (HUGE,)),
    (OverflowError, lambda x: PNCounter("a").decrement(x), (HUGE,)),
    (TypeError, lambda x: GCounter("a").increment(x), (Mute(), deep())),
    (IndexError, lambda x: OpBasedList("a")[x], (HUGE, -HUGE)),
    (TypeError, lambda x: OpBasedList("a")[x], (Mute(), deep())),
    (IndexError, lambda x: OpBasedList("a").delete(0, x), (HUGE,)),
    (IndexError, lambda x: OpBasedList("a").cursor(x), (HUGE,)),
    (IndexError, lambda x: Text("a").insert(x, "y"), (HUGE, -HUGE)),
    (TypeError, lambda x: Text("a").append(x), (Mute(), deep(), HUGE)),
    (IndexError, lambda x: Text("a").apply([(0, x, "y")]), (HUGE,)),
    (TypeError, lambda x: Text("a").apply([x]), (Mute(), deep())),
    (KeyError, lambda x: OpBasedList("a").index_of(Cursor("b", x, "right")), (HUGE,)),
    (TypeError, lambda x: LWWMap("a").__setitem__(x, object()), (HUGE,)),
    (TypeError, lambda x: ORMap("a", of=GCounter)[x].increment("y"), (HUGE,)),
    (TypeError, lambda x: LWWMap(x), (HUGE, Mute(), deep())),
    (TypeError, lambda x: GCounter("a").fork(x), (HUGE, Mute(), deep())),
    (TypeError, lambda x: VersionVector({x: 1}), (HUGE, Mute())),
    (ValueError, lambda x: VersionVector({"a": x}), (HUGE,)),
    (TypeError, lambda x: GSet("a").add(x), (Mute(), OfMeta())),
]


@pytest.mark.parametrize(("error", "call", "values"), CASES)
def test_the_error_is_the_one_that_is_promised(
    error: type[Exception], call: Callable[[Any], Any], values: tuple[Any, ...]
) -> None:
    for value in values:
        with pytest.raises(error) as caught:
            call(value)
        assert type(caught.value) is error and len(str(caught.value)) < 400


def test_a_state_with_a_number_that_python_does_not_write_has_a_repr() -> None:
    state = GSet("a")
    state.add(HUGE)
    assert repr(state).startswith("GSet(") and repr(state).endswith("replica='a')")
