"""`ORMap.from_bytes(data)` read maps of counters only; the others were "of another type" for their own type."""

import pytest

from crdt import REGISTRY, Composite, DecodeError, GCounter, ORMap, WrongTypeError
from tests.crdt.samples import STATES


class Child(Composite):
    hits: GCounter


@pytest.mark.parametrize("of", REGISTRY, ids=lambda t: t.__name__)
def test_the_bytes_say_what_the_children_are(of):
    state = ORMap("a", of=of)
    for act in ("increment", "append", "add", "set"):
        if hasattr(of, act):
            getattr(state["k"], act)(*([] if act == "increment" else ["x"]))
            break
    else:
        state["k"].update({"x": 1}) if hasattr(of, "update") else state["k"]["x"].increment()
    for data in (state.to_bytes(), bytearray(state.to_bytes()), memoryview(state.to_bytes())):
        again = ORMap.from_bytes(data)
        assert again.of is of
        assert again == state
        assert again.value == state.value != {}
        assert ORMap.from_bytes(data, "b", of=of) == state
    assert ORMap.from_bytes(ORMap("e", of=of).to_bytes()).of is of


def test_composites_need_their_class():
    state = ORMap("a", of=Child)
    state["k"].hits.increment()
    with pytest.raises(WrongTypeError, match="of="):
        ORMap.from_bytes(state.to_bytes())
    assert ORMap.from_bytes(state.to_bytes(), of=Child) == state


def test_other_bytes_are_refused_as_before():
    for data in (b"", b"\xc5", b"\xc5" * 40, bytes(8) + b"\xff" * 30):
        with pytest.raises(DecodeError):
            ORMap.from_bytes(data)
    for make in STATES.values():
        if type(make()) is not ORMap:
            with pytest.raises(WrongTypeError):
                ORMap.from_bytes(make().to_bytes())
    with pytest.raises(TypeError):
        ORMap.from_bytes("text")
    with pytest.raises(WrongTypeError):
        ORMap.from_bytes(ORMap("a").to_bytes(), of=Child)
    whole = ORMap("a")
    whole["k"].increment()
    data = whole.to_bytes()
    for at in range(len(data)):
        with pytest.raises(DecodeError):
            ORMap.from_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
