"""Values, keys and histories for the properties, drawn so that a failure shrinks to one replica and
one operation.

A history is a list of plain steps; indexes in it are taken modulo what exists when the step is run
(see `world.py`), so any sublist of a history is a history too. This file knows nothing of the types.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

# A small pool first: histories need operations that meet at the same key. Several of these are equal
# or alike in plain Python and must be told apart.
KEYS: tuple[Any, ...] = (
    "k", "", 1, 1.0, True, "1", b"1", None, 0, False, 0.0, (1, "x"), (1.0, "x"), (), ((None,), b""),
    float("nan"), float("inf"), 2**70, -(2**70), "é", "漢字", "\U0001f600", "a\0b", "nine char",
    "a key longer than nine",
)  # fmt: skip

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
integers = st.integers(-3, 300) | st.sampled_from(
    [2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 2**70, -(2**70), 2**2000]
)
floats = st.sampled_from([0.0, -0.0, 1.0, 0.1, float("nan"), float("inf"), -float("inf"), 5e-324]) | st.floats()
scalars = st.none() | st.booleans() | integers | floats | texts | st.binary(max_size=12)

# Three draws in five hit one of two keys: what goes wrong between operations goes wrong at one key.
common_keys = st.sampled_from(KEYS[:2])
keys = st.one_of(
    common_keys,
    common_keys,
    common_keys,
    st.sampled_from(KEYS),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4),
)
values = st.integers(0, 9) | st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(KEYS) | texts, inner, max_size=3)
    ),
    max_leaves=8,
)

# Sequences need concurrent insertions at one place: mostly the first few positions.
indexes = st.sampled_from([0, 0, 1, 1, 2, 3]) | st.integers(0, 40)
replica_indexes = st.integers(0, 3)
Step = tuple[Any, ...]


def steps(commands: st.SearchStrategy[Any], *, late: bool = True) -> st.SearchStrategy[Step]:
    """One step of a history. With `late=False` everything sent arrives at once and in order."""
    edit = st.tuples(st.just("edit"), replica_indexes, commands)
    carry = st.sampled_from(["delta", "bytes", "object"])
    sync = st.tuples(st.just("sync"), replica_indexes, replica_indexes, carry)
    # Skew stays far below the drift limit: what is beyond it is another property's matter.
    tick = st.tuples(st.just("tick"), replica_indexes, st.sampled_from([1, 1, 5, 1000, -1, -1000]))
    fork = st.tuples(st.just("fork"), replica_indexes)
    reload = st.tuples(st.just("reload"), replica_indexes)
    choices = [edit, edit, edit, edit, sync, sync, tick, fork, reload]
    if late:
        post = st.tuples(st.just("post"), replica_indexes)
        deliver = st.tuples(st.just("deliver"), st.integers(0, 30), replica_indexes)
        choices += [post, post, deliver, deliver]
    return st.one_of(choices)


@st.composite
def crowds(draw: st.DrawFn) -> list[Step]:
    """Insertions at one place of a sequence by writers who have seen different parts of it. What
    tells FugueMax from its relatives needs three writers and this order; drawn freely it comes up
    once in thousands of histories."""
    x, y, z = draw(st.permutations([0, 1, 2]))
    at = draw(st.integers(0, 2))
    scene: list[Step] = [("edit", x, ("insert", at, "p")), ("sync", x, z, "delta")]
    scene += [("edit", y, ("insert", at, "w")), ("sync", y, z, "delta")]
    if draw(st.booleans()):
        scene.append(("edit", z, ("delete", at + draw(st.integers(0, 1)), 1)))
    scene.append(("edit", z, ("insert", at + draw(st.integers(0, 2)), "s")))
    scene.append(("edit", x, ("insert", at + 1, "t")))
    if draw(st.booleans()):
        scene.append(("edit", y, ("insert", at + draw(st.integers(0, 1)), "u")))
    return scene


def histories(
    commands: st.SearchStrategy[Any], *, late: bool = True, scenes: int = 10, crowded: bool = False
) -> st.SearchStrategy[list[Step]]:
    """A list of short lists, flattened: Hypothesis draws some 25 steps on average this way (from one
    flat list 5), and still shrinks to a single step. `crowded`: for a sequence, with crowds."""
    scene = st.lists(steps(commands, late=late), max_size=10)
    if crowded:
        scene = scene | crowds()
    return st.lists(scene, max_size=scenes).map(lambda parts: [step for part in parts for step in part])
