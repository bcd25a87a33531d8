"""A forged delta that named one key of an ORMap twice left two presence dots of one writer, and bytes
that the state itself could not read back."""

import pytest

from crdt import DecodeError, LWWMap, ORMap

FORGED = bytes.fromhex(
    "c510d2d09df200880e02016105030261620001000372c3a901100201010101716b00108a80808080808080045901800000"
    "0000000000687ff800000000000001030407010001716b04028080808080808080047f0578787878787878787878787878"
    "7878787878787872c3a9000e010001716b00108a808080808080800459018000000000000000"
)


def test_what_is_accepted_reads_back_as_itself() -> None:
    state = ORMap("receiver", of=LWWMap, clock=lambda: 2**41)
    a = ORMap("a", of=LWWMap, clock=lambda: 2**41)
    for key in range(5):
        a["k"][key] = key
    state.merge(a)
    try:
        state.merge(FORGED)
    except DecodeError:
        pytest.skip("it is refused now, which is as good")
    state.check_invariants()
    again = ORMap.from_bytes(state.to_bytes(), of=LWWMap)
    assert again.to_bytes() == state.to_bytes()
