"""A read during which the caller's code changes what is read: an index that runs it, or a finalizer."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crdt import Composite, GCounter, LWWMap, MVRegister, OpBasedList, ORMap, ORSet, Text


class Index:
    """An index that does something when it is asked which."""

    def __init__(self, number: int, act: Callable[[], object]) -> None:
        self._number, self._act = number, act

    def __index__(self) -> int:
        self._act()
        return self._number


def filled(kind: type[Text] | type[OpBasedList]) -> Any:
    sequence: Any = kind("a")
    if kind is Text:
        sequence.append("hello world" * 3)
    else:
        sequence.extend(range(33))
    return sequence


@pytest.mark.parametrize("kind", [Text, OpBasedList])
def test_an_index_that_empties_the_sequence_is_out_of_range(kind: Any) -> None:
    for read in (
        lambda sequence, index: sequence[index],
        lambda sequence, index: sequence.cursor(index),
        lambda sequence, index: sequence.cursor(index, "left"),
        lambda sequence, index: sequence.__delitem__(index) if kind is OpBasedList else sequence.delete(index, 1),
    ):
        sequence = filled(kind)
        with pytest.raises(IndexError):
            read(sequence, Index(20, sequence.clear))
        assert len(sequence) == 0
        sequence.check_invariants()


@pytest.mark.parametrize("kind", [Text, OpBasedList])
@pytest.mark.parametrize("step", [None, 1, 2, -1])
def test_a_slice_that_empties_the_sequence_is_empty(kind: Any, step: int | None) -> None:
    sequence = filled(kind)
    assert not sequence[Index(0, sequence.clear) :: step]
    sequence = filled(kind)
    assert not sequence[: Index(30, sequence.clear) : step]


@pytest.mark.parametrize("of", [Text, OpBasedList])
def test_an_index_may_delete_the_whole_child(of: Any) -> None:
    parent = ORMap("a", of=of)
    child: Any = parent["k"]
    child.append("x")
    with pytest.raises(IndexError):
        child[Index(0, lambda: parent.__delitem__("k"))]
    assert "k" not in parent and len(child) == 0


class Finalizer:
    """In a cycle, so that whoever collects garbage runs it."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.me, self._act = self, act

    def __del__(self) -> None:
        self._act()


@pytest.fixture
def hasty() -> Iterator[None]:
    """Garbage is collected at nearly every new container."""
    usual = gc.get_threshold()
    gc.set_threshold(20)
    yield
    gc.set_threshold(*usual)


def reads() -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]]:
    """By name: a state of nested values, a read of it, and what changes it."""

    def made(state: Any, *values: Any) -> Any:
        (state.update if hasattr(state, "update") else state.extend)(*values)
        return state

    pairs = {number: [number, ["x" * 40]] for number in range(300)}
    tuples = [(number, ("x" * 40,)) for number in range(300)]
    return {
        "a map": (lambda: made(LWWMap("a"), pairs), lambda m: len(m.value), lambda m: m.clear()),
        "many": (lambda: made(LWWMap("a"), pairs), lambda m: len(m.get_many(list(range(300)))), lambda m: m.clear()),
        "pairs": (lambda: made(LWWMap("a"), pairs), lambda m: len(list(m.items())), lambda m: m.get(0)),
        "a set": (lambda: made(ORSet("a"), tuples), lambda s: len(s.value), lambda s: s.clear()),
        "a list": (lambda: made(OpBasedList("a"), tuples), lambda x: len(x.value), lambda x: x.clear()),
        "a slice": (lambda: made(OpBasedList("a"), tuples), lambda x: len(x[:]), lambda x: x.clear()),
    }


@pytest.mark.parametrize("name", reads())
@pytest.mark.usefixtures("hasty")
def test_a_finalizer_runs_before_a_read_or_after_it(name: str) -> None:
    make, read, change = reads()[name]
    for _ in range(20):
        state = make()
        Finalizer(lambda state=state: change(state))
        assert read(state) in (0, 300)
        state.check_invariants()


@pytest.mark.usefixtures("hasty")
def test_a_finalizer_may_delete_the_child_that_is_read() -> None:
    for _ in range(20):
        parent = ORMap("a", of=LWWMap)
        child = parent["k"]
        child.update({number: [number, ["x" * 40]] for number in range(300)})
        Finalizer(lambda parent=parent: parent.__delitem__("k"))
        assert len(child.value) in (0, 300)
        parent.check_invariants()


@pytest.mark.usefixtures("hasty")
def test_keys_of_a_list_that_a_finalizer_empties() -> None:
    for _ in range(20):
        state, keys = LWWMap("a"), list(range(300))
        state.update({number: [number] for number in keys})
        Finalizer(keys.clear)
        assert len(state.get_many(keys)) in (0, 300)


def test_a_register_of_many_concurrent_values_is_read_whole() -> None:
    one = MVRegister("a")
    for number in range(50):
        other = MVRegister(f"b{number}")
        other.set([number])
        one.merge(other)
    assert one.values == [[number] for number in range(50)]


def test_a_field_that_a_subclass_declares_anew_is_not_read_as_what_it_was() -> None:
    class Base(Composite):
        n: GCounter

    class Sub(Base):
        n: Text

        @property
        def before(self) -> Any:
            return super().n

    class Other(Composite):
        pass

    with pytest.raises(AttributeError, match="has no field 'n' of type GCounter"):
        _ = Sub("a").before
    state = Sub("a")
    state.n.append("x")
    with pytest.raises(AttributeError, match="declared anew"):
        _ = state.before
    with pytest.raises(AttributeError, match="another class's"):
        Base.__dict__["n"].__get__(Other("a"), Other)
