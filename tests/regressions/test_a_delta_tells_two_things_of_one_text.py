"""A forged delta named one key of an ORMap twice, with two sections for the list below it. The second was checked
against what was held before the first: landing it looked for elements that are not there, and never ended."""

import pytest

from crdt import Composite, DecodeError, OpBasedList, ORMap, Text, field

HELD = bytes.fromhex(
    "c510e969f883018812020161000b026262000301041000100101610503683ff80000000000003041ff01683ff00000000000"
    "00000201012108683ff8100000000000017f0761206b6579206c6f6e676572207468616e206e696e650004010341027f0578"
    "78787878787870777878787878787878787878b000510103a0007f0578787878787878787878787878787878787878788100"
    "74000702007f057878787878787878787878787878787878787878683ff800000000000001716b000b010161020359018000"
    "00000000000010b0014101713101"
)
FORGED = bytes.fromhex(
    "c51073f70e660088120201610507026262000a0006687ff8000000000000011402070102b101070372000203028100b00141"
    "017131a0024101b0017161a00168400000000000000002040300100407010151010230b00141017131005a01400000000000"
    "00000000140102710102037176683ff8000000000000a0024101b0017161a0016840000000000000007500050201a0007f05"
    "78787878787878787878787878787878787878780030040901017101050281007f0578787878787878787878787878787878"
    "7878787800687ff800000000000000060102b101070372000003028100b00141017131a0024101b0017161a0016840000000"
    "000000000204030070000501012101a00000"
)


def test_two_sections_of_one_list_are_refused() -> None:
    state = ORMap("receiver", of=OpBasedList, clock=lambda: 2**41)
    state.merge(HELD)
    before = state.to_bytes()
    with pytest.raises(DecodeError, match="two different things"):
        state.merge(FORGED)
    assert state.to_bytes() == before


def test_a_key_that_was_removed_again_and_again_is_told_in_one_delta() -> None:
    a, b = ORMap("a", of=Text), ORMap("b", of=Text)
    a["k"].append("held ")
    b.merge(a)
    since = a.version
    for word in ("one ", "two ", "three "):
        a["k"].append(word)
        a["other"].append(word)
        del a["k"]
    a["k"].append("kept")
    assert b.merge(a.delta(since))
    assert a.to_bytes() == b.to_bytes()
    assert b["k"].value == "kept"


class Page(Composite):
    notes: ORMap = field(of=Text)


def test_the_same_below_maps_of_maps() -> None:
    a, b = ORMap("a", of=Page), ORMap("b", of=Page)
    a["k"].notes["x"].append("held ")
    b.merge(a)
    since = a.version
    for word in ("one ", "two "):
        a["k"].notes["x"].append(word)
        del a["k"].notes["x"]
        a["k"].notes["x"].append(word)
        del a["k"]
    a["k"].notes["x"].append("kept")
    assert b.merge(a.delta(since))
    assert a.to_bytes() == b.to_bytes()
